"""The host, or its engine, stopped while a box runs: that time is nobody's, and never a verdict."""

import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from attacks.box.ground import Ground
from attacks.conftest import MakeRow
from support.boxes import job_of
from support.children import child_environment
from support.own_engine import freezing, obstacle, own_engine

from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.heartbeat import GAP_SECONDS

HOST = """
import sys
from pathlib import Path
from studbook.sandbox.bubblewrap import find_bubblewrap
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.process_box import ProcessSandbox
from support.boxes import job_of

kind, folder = sys.argv[1:]
said = ["started"]
def started(_kind, _body):
    if said:
        print(said.pop(), flush=True)
    return {}

source = "import time\\ndef main(box):\\n  for _ in range(3):\\n    box.log('')\\n    time.sleep(0.5)\\n"
sandbox = (DockerSandbox.connect() if kind == "docker" else
           ProcessSandbox(find_bubblewrap() if kind == "bubblewrap" else None, folder=Path(folder)))
outcome = sandbox.run(job_of(source, wall_seconds=2.5), started)
print(outcome.status.value, outcome.detail, flush=True)
sandbox.close()
"""
STOPPED_SECONDS = GAP_SECONDS + 1.0  # more than the box has


@pytest.mark.parametrize(
    "ground",
    [pytest.param("docker", marks=pytest.mark.docker), "process", "bubblewrap"],
    indirect=True,
)
def test_a_stopped_host_is_never_a_box_out_of_time(ground: Ground, tmp_path: Path, attack_row: MakeRow):
    command = [sys.executable, "-c", HOST, ground.kind, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=child_environment()) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "started\n"
        time.sleep(0.2)  # for the answer to go out, as the box's time stands still until then anyway
        host.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)
        host.send_signal(signal.SIGCONT)
        end = host.stdout.readline().strip()
    attack_row(
        suite="box",
        name="host stopped while the box runs",
        sandbox=ground.kind,
        tried=f"SIGSTOP to the host for {STOPPED_SECONDS:g} s, where the box has 2.5 s",
        outcome=f"contained: the box {end}",
    )
    assert end == "finished returned"


TALKATIVE = """
import time
def main(box):
    for _ in range(3):
        box.log('here')
        time.sleep(0.5)
"""


@pytest.mark.docker
def test_a_frozen_engine_is_never_a_box_out_of_time(monkeypatch: pytest.MonkeyPatch, attack_row: MakeRow):
    if why := obstacle():
        pytest.skip(f"no engine of our own: {why}")
    with own_engine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        with closing(DockerSandbox.connect()) as sandbox:
            outcome = sandbox.run(job_of(TALKATIVE, wall_seconds=4), freezing(engine, 6.0))
    attack_row(
        suite="box",
        name="engine frozen while the box runs",
        sandbox="docker",
        tried="SIGSTOP to an engine of our own for 6 s, where the box has 4 s",
        outcome=f"contained: the box {outcome.status.value} {outcome.detail}",
    )
    assert outcome.status is BoxStatus.FINISHED
