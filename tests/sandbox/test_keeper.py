"""The keeper: opened once, opened again when it has ended, and what it could not hold is told."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from support.boxes import Recorder, job_of

from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.docker_box import DockerSandbox, reap_containers
from studbook.sandbox.keeper import Keeper, Report, read_report, warning_of
from studbook.sandbox.owner import KEEPER_LABEL, this_process
from studbook.sandbox.process_box import ProcessChannel

HELD = b'{"files": 3, "bytes": 100, "missed": 0, "locked": true}\n'
BRIEF = "def main(box): box.log('here')"


class Pair:
    """An open keeper whose other end is the test."""

    def __init__(self, said: bytes) -> None:
        ours, self.theirs = socket.socketpair()
        self.channel = ProcessChannel(ours)
        self.theirs.sendall(said)
        self.is_closed = False

    def close(self) -> None:
        self.channel.close()
        self.theirs.close()
        self.is_closed = True


def test_a_keeper_is_opened_once_and_again_when_it_has_ended():
    opened: list[Pair] = []

    def open_pair() -> Pair:
        opened.append(Pair(HELD))
        return opened[-1]

    keeper = Keeper(open_pair)
    assert [keeper.hold(), keeper.hold(), len(opened)] == ["", "", 1]
    opened[0].theirs.close()
    assert [keeper.hold(), len(opened), opened[0].is_closed] == ["", 2, True]
    keeper.close()
    assert opened[1].is_closed


@pytest.mark.parametrize(
    ("said", "report"),
    [
        (HELD, Report(files=3, is_locked=True)),
        (b'{"files": 3, "bytes": 1, "missed": 2, "locked": false}\n', Report(files=3, missed=2)),
        (b"Python 2.7: no\n", Report(failure="Python 2.7: no")),
        (b"[1]\n", Report(failure="[1]")),
    ],
)
def test_what_a_keeper_says_is_read(said: bytes, report: Report):
    pair = Pair(said)
    assert read_report(pair.channel) == report
    pair.close()


def test_a_keeper_that_ends_without_a_word_is_told():
    pair = Pair(b"")
    pair.theirs.shutdown(socket.SHUT_WR)
    told = warning_of(read_report(pair.channel))
    pair.close()
    assert told == (
        "the files of the boxes are not kept in memory (it ended without a word): "
        "a box may find out which of them an earlier box read"
    )


def test_files_that_are_not_held_are_told():
    assert warning_of(Report(files=3, missed=2)).startswith("only 3 of 5 files of the boxes are kept")
    assert warning_of(Report(files=3)) == ""


@pytest.fixture
def sandbox(docker_engine: None) -> Iterator[DockerSandbox]:
    with closing(DockerSandbox.connect()) as found:
        yield found


def keepers(sandbox: DockerSandbox) -> list[str]:
    found = sandbox.engine.labelled(KEEPER_LABEL).items()
    return [box for box, labels in found if labels[KEEPER_LABEL] == str(this_process())]


@pytest.mark.docker
def test_a_container_holds_every_file_of_the_image_locked_and_is_gone_afterwards(sandbox: DockerSandbox):
    assert sandbox.run(job_of(BRIEF), Recorder({})).warnings == ()
    (first,) = keepers(sandbox)
    reap_containers(sandbox.engine)
    sandbox.engine.kill(first)
    assert sandbox.run(job_of(BRIEF), Recorder({})).status is BoxStatus.FINISHED
    (second,) = keepers(sandbox)
    assert second != first
    sandbox.keeper.close()
    assert keepers(sandbox) == []


@pytest.mark.docker
def test_the_files_of_an_image_are_held_and_locked(sandbox: DockerSandbox):
    opened = sandbox.open_keeper()
    report = read_report(opened.channel)
    opened.close()
    assert report.files > 500
    assert (report.missed, report.is_locked, report.failure) == (0, True, "")
