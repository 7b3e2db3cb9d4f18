"""A run is killed, interrupted, stopped, resumed and replayed, and comes out as if nothing had happened."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.studbook_cli import environment, start, studbook, write_tiny


def journal_lines(folder: Path) -> list[dict]:
    path = folder / "runs" / "trial" / "journal.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def wait_for_decision(folder: Path, process: "subprocess.Popen[str]", decisions: int = 1) -> None:
    """Until so many iterations are in the journal and the next one is under way."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if sum(line["kind"] == "decision_made" for line in journal_lines(folder)) >= decisions:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("no iteration ended in time")


def hashes(folder: Path) -> list[str]:
    return [line["hash"] for line in journal_lines(folder)]


def begin(folder: Path, sandbox: str, *flags: str) -> "subprocess.Popen[str]":
    write_tiny(folder)
    return start("run", "tiny.yaml", "-s", f"sandbox={sandbox}", "--name", "trial", *flags, cwd=folder)


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def sandbox(request):
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return request.param


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_ends_as_if_nothing_had_happened(tmp_path, sandbox):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    done = begin(whole, sandbox, "-s", "search.iterations=2")
    _, err = done.communicate(timeout=300)
    assert done.returncode == 0, err

    process = begin(broken, sandbox, "-s", "search.iterations=2")
    wait_for_decision(broken, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert 0 < len(hashes(broken)) < len(hashes(whole))
    listed = studbook("ls", cwd=broken)
    assert "interrupted" in listed.stdout

    resumed = studbook("resume", "trial", cwd=broken)
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after" in resumed.stderr
    assert hashes(broken) == hashes(whole)
    assert studbook("resume", "trial", cwd=broken).returncode == 0
    assert hashes(broken) == hashes(whole), "a finished run has nothing left to do"

    tree = studbook("tree", "trial", cwd=broken)
    assert tree.stdout.startswith("● seed")
    assert tree.stdout == studbook("tree", "trial", cwd=whole).stdout
    mutant = [line["data"]["mutant"] for line in journal_lines(broken) if line["kind"] == "mutant_made"][1]
    mutant = mutant["harness_id"]
    diff = studbook("diff", "trial:seed", mutant, cwd=broken)
    assert diff.returncode == 0
    assert f"seed → {mutant}" in diff.stdout
    for level in ("fold", "recorded"):
        replay = studbook("replay", "trial", "--level", level, cwd=broken)
        assert replay.returncode == 0, replay.stderr
        assert "✓ trial is identical" in replay.stdout
        assert hashes(broken)[-1] in replay.stdout
    fsck = subprocess.run(
        ["git", "-C", broken / "runs/trial/lineage.git", "fsck", "--strict"], capture_output=True, text=True
    )
    assert (fsck.returncode, fsck.stderr.strip()) == (0, "")


@pytest.mark.slow
def test_ctrl_c_saves_prints_how_to_go_on_and_exits_130(tmp_path):
    process = begin(tmp_path, "process")
    wait_for_decision(tmp_path, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "studbook resume trial" in err
    assert "Traceback" not in err
    replayed = studbook("replay", "trial", "--level", "recorded", cwd=tmp_path)
    assert replayed.returncode == 0, "an interrupted run replays as far as it came"
    resumed = studbook("resume", "trial", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert studbook("replay", "trial", cwd=tmp_path).returncode == 0


@pytest.mark.slow
def test_two_ctrl_c_exit_at_once_and_the_run_can_still_go_on(tmp_path):
    process = begin(tmp_path, "process")
    wait_for_decision(tmp_path, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.endswith("interrupted; resume with:\n  studbook resume trial\n")
    assert studbook("resume", "trial", cwd=tmp_path).returncode == 0


EARLY = """
import os, signal, sys
from studbook.experiments.cli.main import main

def kill(event, arguments):
    if event == "import" and arguments[0] == "studbook.experiments.run.execute":
        os.kill(os.getpid(), signal.{name})

sys.addaudithook(kill)
sys.argv = ["studbook", "run", "tiny.yaml"]
sys.exit(main())
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_before_the_run_has_begun_is_answered_too(tmp_path, name):
    write_tiny(tmp_path)
    program = [sys.executable, "-c", EARLY.format(name=name)]
    ended = subprocess.run(
        program, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (130, "✗ error: interrupted\n")
    assert not list(tmp_path.glob("runs/*"))


LATE = """
import atexit, os, signal, sys, time
from studbook.experiments.cli.main import main

atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(1)))
sys.argv = ["studbook", "ls"]
sys.exit(main())
"""

WAITED_FOR = """
import os, signal, sys, threading, time
from studbook.experiments.cli.main import main

sys.argv = ["studbook", "ls"]
code = main()
threading.Thread(target=time.sleep, args=(60,)).start()  # Python waits for it
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
sys.exit(code)
"""

VERY_LATE = """
import os, signal, sys
from studbook.experiments.cli.main import main

class Last:
    def __del__(self, kill=os.kill, me=os.getpid()):
        kill(me, {number})

last = Last()  # ends when Python has taken its handlers back
sys.argv = ["studbook", "ls"]
sys.exit(main())
"""


@pytest.mark.parametrize(
    "program", [LATE, WAITED_FOR, VERY_LATE.format(number=2), VERY_LATE.format(number=15)]
)
def test_a_signal_when_all_is_done_changes_nothing(tmp_path, program):
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.slow
def test_stop_ends_a_run_of_another_terminal_and_a_second_writer_is_refused(tmp_path):
    process = begin(tmp_path, "process", "-s", "search.iterations=40")
    wait_for_decision(tmp_path, process)
    second = studbook("resume", "trial", cwd=tmp_path)
    assert second.returncode == 1
    assert "is being written by process" in second.stderr
    asked = studbook("stop", "trial", cwd=tmp_path)
    assert asked.returncode == 0
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "studbook resume trial" in err
    assert studbook("stop", "trial", cwd=tmp_path).stdout == "trial is not running\n"


@pytest.mark.slow
def test_a_file_named_stop_ends_a_run_in_order_and_it_goes_on(tmp_path):
    process = begin(tmp_path, "process")
    wait_for_decision(tmp_path, process)
    stop = tmp_path / "runs" / "trial" / "STOP"
    stop.touch()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "found a file STOP in the run folder" in err
    assert not stop.exists()
    assert sum(line["kind"] == "decision_made" for line in journal_lines(tmp_path)) < 3
    stop.touch()  # left over: whoever resumes wants to go on
    assert studbook("resume", "trial", cwd=tmp_path).returncode == 0
    assert journal_lines(tmp_path)[-1]["kind"] == "run_finished"


@pytest.mark.slow
def test_a_disk_that_is_full_is_named_and_the_run_goes_on_when_there_is_room(tmp_path):
    """A file size limit stands for the full disk: both fail in the same write.

    Without bubblewrap: the limit would cut the copy of Python for its boxes as well.
    """
    write_tiny(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "rm").symlink_to(str(shutil.which("rm")))
    programs = {"PATH": str(tmp_path / "bin")}
    command = 'ulimit -f 40; exec "$@"'
    arguments = ["studbook", "run", "tiny.yaml", "--name", "trial"]
    limited = subprocess.run(
        [str(shutil.which("bash")), "-c", command, "bash", sys.executable, "-m", *arguments],
        cwd=tmp_path,
        env=environment(PYTHONDONTWRITEBYTECODE="1", **programs),  # the limit would cut byte code as well
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert limited.returncode == 1, limited.stderr
    assert "Traceback" not in limited.stderr
    assert str(Path("runs/trial")) in limited.stderr
    assert "studbook resume trial" in limited.stderr
    resumed = studbook("resume", "trial", cwd=tmp_path, **programs)
    assert resumed.returncode == 0, resumed.stderr
    assert studbook("replay", "trial", cwd=tmp_path, **programs).returncode == 0
