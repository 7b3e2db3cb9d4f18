"""The keeper: opened once, opened again when it has ended, and what it could not hold is told."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.boxes import Recorder, job_of

from studbook.errors import SandboxError
from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.docker_box import DockerSandbox, reap_containers
from studbook.sandbox.keeper import AGAIN_SECONDS, OPENINGS, Keeper, Report, read_report, warning_of
from studbook.sandbox.owner import KEEPER_LABEL, this_process
from studbook.sandbox.process_box import ProcessChannel

HELD = b'{"files": 3, "bytes": 100, "missed": 0, "locked": true}\n'
HOLD = """
import json, sys
from studbook.sandbox.shim.keep import hold
print(json.dumps(hold(50, sys.argv[1])))
"""
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


class Failing:
    """Opens keepers that say `said` and then end, or an engine's refusal without `said`."""

    def __init__(self, said: bytes | None) -> None:
        self.said, self.openings, self.time = said, 0, 100.0
        self.keeper = Keeper(self.open, clock=lambda: self.time)

    def open(self) -> Pair:
        self.openings += 1
        if self.said is None:
            raise SandboxError("no memory for it")
        pair = Pair(self.said)
        pair.theirs.close()
        return pair


@pytest.mark.parametrize(
    ("said", "told"), [(None, "no memory for it"), (b"no", "no"), (HELD, "the keeper ended")]
)
def test_a_keeper_that_does_not_last_is_not_opened_for_every_box_and_the_warning_stays(
    said: bytes | None, told: str
):
    failing = Failing(said)
    warnings = [failing.keeper.hold() for _ in range(6)]
    assert failing.openings == OPENINGS
    assert {*warnings[2:]} == {warning_of(Report(failure=told))}
    failing.time += AGAIN_SECONDS
    failing.said = HELD
    failing.keeper.hold()
    failing.keeper.close()
    assert failing.openings == OPENINGS + 1


def test_a_keeper_that_lasts_is_opened_again_however_often_an_engine_restarts():
    failing = Failing(HELD)
    for _ in range(5):
        assert failing.keeper.hold() == ""
        failing.time += AGAIN_SECONDS
    failing.keeper.close()
    assert failing.openings == 5


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
    assert warning_of(Report(files=3)) == (
        "the files of the boxes are not locked in memory: when memory is short, "
        "a box may find out which of them an earlier box read"
    )
    assert warning_of(Report(files=3, is_locked=True)) == ""


def test_what_cannot_be_opened_is_missed_unless_no_box_may_open_it(tmp_path: Path):
    (tmp_path / "held").write_bytes(b"x" * 10)
    (tmp_path / "too large").write_bytes(b"x" * 100)
    deep = tmp_path / "deep"
    deep.mkdir()
    handle = os.open(deep, os.O_RDONLY)
    for _ in range(17):  # 17 names of 250 letters are no path
        os.mkdir("d" * 250, dir_fd=handle)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]  # it locks the memory of its process
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert (found["files"], found["bytes"], found["missed"]) == (1, 10, 2)


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
