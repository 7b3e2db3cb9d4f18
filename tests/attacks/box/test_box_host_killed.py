"""The host killed in the middle of a run: boxes vanish by themselves, or the reaper takes what is left."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from attacks.box.ground import Ground
from attacks.box.leftovers import Leftovers
from attacks.conftest import MakeRow
from support.children import child_environment

from studbook.sandbox.docker_box import reap_containers
from studbook.sandbox.owner import OWNER_LABEL
from studbook.sandbox.process_box import reap_processes

HOST = """
import sys
from pathlib import Path
from studbook.sandbox.bubblewrap import find_bubblewrap
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.process_box import ProcessSandbox
from support.boxes import job_of

kind, folder, attack, token = sys.argv[1:]
def started(_kind, _body):
    print("started", flush=True)
    return {}

sandbox = (DockerSandbox.connect() if kind == "docker" else
           ProcessSandbox(find_bubblewrap() if kind == "bubblewrap" else None, folder=Path(folder)))
sandbox.run(job_of(attack, {"token.txt": token.encode()}, wall_seconds=600), started)
"""
BUSY = """
import os, signal, sys, time
TOKEN = open("token.txt").read()
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            program = "import time; time.sleep(600)"
            os.execv(sys.executable, [sys.executable, "-I", "-c", program, TOKEN])
        os._exit(0)
    os.wait()
def main(box):
    daemon()
    box.log("")
"""
WAIT = "    time.sleep(600)\n"
STOP_ALL = "    os.kill(-1, signal.SIGSTOP)\n    os.kill(os.getpid(), signal.SIGSTOP)\n"
STOP_SHIM = "    os.kill(os.getppid(), signal.SIGSTOP)\n    os.kill(os.getpid(), signal.SIGSTOP)\n"

VANISH_SECONDS = 3.0
DOCKER = pytest.mark.docker


def wait_until(claim: Callable[[], bool]) -> bool:
    until = time.monotonic() + VANISH_SECONDS
    while not claim():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def run_and_kill(kind: str, folder: Path, attack: str, token: str) -> int:
    """A host killed while its box is at work; returns its pid."""
    command = [sys.executable, "-c", HOST, kind, str(folder), attack, token]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment()) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"started\n"
        time.sleep(0.3)  # for the attack to go on
        host.send_signal(signal.SIGKILL)
    return host.pid


@pytest.mark.parametrize(
    ("ground", "ending", "needs_reaper"),
    [
        pytest.param("docker", WAIT, False, marks=DOCKER, id="docker"),
        pytest.param("docker", STOP_ALL, False, marks=DOCKER, id="docker, everything stopped"),
        pytest.param("process", WAIT, False, id="process"),
        pytest.param("process", STOP_SHIM, True, id="process, everything stopped"),
        pytest.param("bubblewrap", WAIT, False, id="bubblewrap"),
        pytest.param("bubblewrap", STOP_ALL, False, id="bubblewrap, everything stopped"),
    ],
    indirect=["ground"],
)
def test_nothing_outlives_a_killed_host(
    ground: Ground, ending: str, needs_reaper: bool, tmp_path: Path, attack_row: MakeRow
):
    token = uuid4().hex
    left = Leftovers(tokens={token}, folder=tmp_path)
    pid = run_and_kill(ground.kind, tmp_path, BUSY + ending, token)
    began = time.monotonic()
    left.note_boxes()
    vanished = wait_until(lambda: "processes" not in left.look())
    seconds = time.monotonic() - began
    attack_row(
        suite="box",
        name="host killed" + (", everything in the box stopped" if ending != WAIT else ""),
        sandbox=ground.kind,
        tried="SIGKILL to the host while the box and its daemons run",
        outcome="contained: " + (f"gone {seconds:.1f} s later" if vanished else "gone with the next reaper"),
        seconds=seconds,
        weaker=needs_reaper,
    )
    assert vanished is not needs_reaper
    reap(ground, tmp_path)
    assert left.find() == {}
    assert containers_of(ground, pid) == []


def reap(ground: Ground, folder: Path) -> None:
    reap_processes(folder)
    if ground.engine is not None:
        reap_containers(ground.engine)


def containers_of(ground: Ground, pid: int) -> list[str]:
    if ground.engine is None:
        return []
    labelled = ground.engine.labelled(OWNER_LABEL).items()
    return [box for box, labels in labelled if labels[OWNER_LABEL].startswith(f"{pid}/")]
