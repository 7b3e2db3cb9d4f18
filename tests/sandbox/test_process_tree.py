"""Whatever a process box starts, it ends with the box."""

import sys
import time
from pathlib import Path

import pytest
from support.boxes import Recorder, job_of

from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.process_box import ProcessSandbox, all_pids, marked

DAEMONS = """
import os, signal, subprocess, sys, time
def main(box):
    box.log(os.environ["STUDBOOK_BOX"])
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(1000)
            os._exit(0)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    {ending}
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is read")


@pytest.fixture(params=["plain", "bubblewrap"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> ProcessSandbox:
    program = request.getfixturevalue("bubblewrap") if request.param == "bubblewrap" else None
    return ProcessSandbox(program, folder=tmp_path)


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("return", BoxStatus.FINISHED),
        ("raise ValueError", BoxStatus.CRASHED),
        ("time.sleep(1000)", BoxStatus.TIMED_OUT),
        ("os.kill(os.getppid(), 9); time.sleep(1000)", None),  # the shim, where it is not PID 1
    ],
)
def test_daemons_end_with_their_box(sandbox: ProcessSandbox, ending: str, status: BoxStatus | None):
    recorder = Recorder({})
    outcome = sandbox.run(job_of(DAEMONS.format(ending=ending), wall_seconds=1.5), recorder)
    assert status is None or outcome.status is status
    time.sleep(0.05)
    assert marked(recorder.logged[0]) == set()


def test_a_folder_nested_deeper_than_python_recurses_is_removed(tmp_path: Path):
    job = job_of("""
        import os
        def main(box):
            for _ in range(3000):
                os.mkdir("d")
                os.chdir("d")
        """)
    assert ProcessSandbox(None, folder=tmp_path).run(job, Recorder()).status is BoxStatus.FINISHED
    assert list(tmp_path.iterdir()) == []


def test_this_process_is_among_all_of_them():
    assert 1 in all_pids()
