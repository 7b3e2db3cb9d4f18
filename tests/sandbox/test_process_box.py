"""Process boxes end all they started with them, and tell nothing of the random names of their folders."""

import sys
import time
from pathlib import Path

import pytest
from support.boxes import Recorder, job_of

from studbook.sandbox.bubblewrap import PythonCopy
from studbook.sandbox.contract import BoxStatus, Job, Outcome
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

reads_proc = pytest.mark.skipif(sys.platform != "linux", reason="/proc is read")


@pytest.fixture(params=["plain", "bubblewrap"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path, python_copy: PythonCopy) -> ProcessSandbox:
    program = request.getfixturevalue("bubblewrap") if request.param == "bubblewrap" else None
    return ProcessSandbox(program, folder=tmp_path, copy=python_copy)


@reads_proc
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


@reads_proc
def test_this_process_is_among_all_of_them():
    assert 1 in all_pids()


PRELUDE = "from pathlib import Path\n\n\ndef main(box):\n    "


def outcome_of(sandbox: ProcessSandbox, body: str) -> Outcome:
    files = {"agent.py": (PRELUDE + body).encode()}
    payload = {"paper": {"id": "p", "title": "t", "text": "x"}, "knobs": {}, "max_rounds": 1}
    return sandbox.run(Job(files=files, entry="agent.py:main", payload=payload), lambda kind, body: {})


def test_a_crash_names_the_same_path_with_and_without_bubblewrap():
    bare = ProcessSandbox(None)
    missing = [outcome_of(bare, "(Path(__file__).parent / 'none.md').read_text()\n") for _ in range(2)]
    assert [each.status for each in missing] == [BoxStatus.CRASHED] * 2
    assert (
        missing[0].detail == "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/harness/none.md'"
    )
    assert missing[0].detail == missing[1].detail
    assert 'File "/tmp/harness/agent.py", line 5, in main' in missing[0].stderr_tail
    assert missing[0].stderr_tail == missing[1].stderr_tail


def test_a_path_that_was_cut_off_is_the_same_as_well():
    bare = ProcessSandbox(None)
    cut = [outcome_of(bare, f"raise ValueError('x' * {pad} + __file__)\n") for pad in range(200, 520, 7)]
    assert not any("studbook-box-" in each.detail + each.stderr_tail for each in cut)
