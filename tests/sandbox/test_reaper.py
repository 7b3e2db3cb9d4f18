"""A host killed in the middle of a run: its boxes end by themselves or are reaped; others' are spared."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.boxes import job_of

from studbook.sandbox.bubblewrap import reap_copies, remove_copy
from studbook.sandbox.docker_box import DockerSandbox, reap_containers
from studbook.sandbox.owner import OWNER_FILE, OWNER_LABEL, boot_id
from studbook.sandbox.process_box import ProcessSandbox, marked, reap_processes

HOST = """
import sys
from pathlib import Path
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.process_box import ProcessSandbox
from support.boxes import Recorder, job_of

def started(kind, body):
    print("started", flush=True)
    return {}

stop_all = "import os, signal, time\\ndef main(box):\\n    box.log('')\\n    os.kill(-1, signal.SIGSTOP)\\n"
sleep = "import time\\ndef main(box):\\n    box.log('')\\n    time.sleep(1000)\\n"
if sys.argv[1] == "docker":
    DockerSandbox.connect().run(job_of(stop_all), started)
else:
    ProcessSandbox(None, folder=Path(sys.argv[1])).run(job_of(sleep), started)
"""


def killed_host(argument: str) -> int:
    """A host that was killed while its box was running; returns its pid."""
    here = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here / 'tests'}"}
    command = [sys.executable, "-c", HOST, argument]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"started\n"
        host.send_signal(signal.SIGKILL)
    return host.pid


def wait_until(claim: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.docker
def test_a_container_whose_host_was_killed_ends_by_itself_and_is_reaped(docker_engine: None):
    sandbox = DockerSandbox.connect()
    try:
        pid = killed_host("docker")

        def mine() -> list[str]:
            boxes = sandbox.engine.labelled(OWNER_LABEL).items()
            return [box for box, labels in boxes if labels[OWNER_LABEL].startswith(f"{pid}/")]

        (box,) = mine()
        wait_until(lambda: not sandbox.engine.state(box)["Running"])
        assert box in reap_containers(sandbox.engine)
        assert mine() == []
    finally:
        sandbox.close()


@pytest.mark.docker
def test_a_container_of_a_living_owner_is_spared(docker_engine: None):
    sandbox = DockerSandbox.connect()
    try:
        reaped: list[list[str]] = []

        def reap(_kind: str, _body: object) -> dict[str, object]:
            reaped.append(reap_containers(sandbox.engine, now=1e11))
            return {}

        outcome = sandbox.run(job_of("def main(box): box.log('')"), reap)
        assert outcome.detail == "returned"
        assert len(reaped) == 1
    finally:
        sandbox.close()


def test_a_process_box_whose_host_was_killed_ends_by_itself_and_its_folder_is_reaped(tmp_path: Path):
    killed_host(str(tmp_path))
    (folder,) = tmp_path.iterdir()
    wait_until(lambda: not marked(folder.name))
    assert reap_processes(tmp_path) == [folder.name]
    assert list(tmp_path.iterdir()) == []


def test_a_process_box_of_a_living_owner_is_spared(tmp_path: Path):
    reaped: list[list[str]] = []

    def reap(_kind: str, _body: object) -> dict[str, object]:
        reaped.append(reap_processes(tmp_path, now=1e12))
        return {}

    ProcessSandbox(None, folder=tmp_path).run(job_of("def main(box): box.log('')"), reap)
    assert reaped == [[]]


def test_a_copy_of_python_whose_owner_is_gone_is_removed_and_its_note_goes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("studbook.sandbox.bubblewrap.MEMORY", tmp_path)
    copy = tmp_path / "studbook-python-left"
    (copy / "root" / "usr").mkdir(parents=True)
    gone = json.dumps({OWNER_LABEL: f"1/0/{boot_id()}", "studbook.deadline": "1"})
    (copy / OWNER_FILE).write_text(gone)
    remove_copy(copy, owner=0)
    assert (copy / OWNER_FILE).exists(), "a forked child removed it"
    assert reap_copies() == ["studbook-python-left"]
    assert not copy.exists()


def test_folders_of_others_and_links_are_left_alone(tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / OWNER_FILE).write_text(json.dumps({OWNER_LABEL: "1/1/x", "studbook.deadline": "1"}))
    (tmp_path / "studbook-box-link").symlink_to(elsewhere)
    (tmp_path / "studbook-box-unfinished").mkdir()
    (tmp_path / "studbook-box-foreign").mkdir()
    (tmp_path / "studbook-box-foreign" / OWNER_FILE).write_text("[1]")
    assert reap_processes(tmp_path) == []
    assert elsewhere.exists()
