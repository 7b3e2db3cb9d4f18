"""The root of boxes behind bubblewrap: made where programs run; what prevents it is told at opening."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.boxes import Recorder, job_of

from studbook.sandbox.bubblewrap import MEMORY
from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.process_box import ProcessSandbox

ROOT = Path(__file__).resolve().parents[2]
HARDENED = """
import sys, tempfile
from contextlib import closing
from pathlib import Path
from support.boxes import Recorder, job_of
from studbook.sandbox.process_box import ProcessSandbox

with closing(ProcessSandbox.open()) as sandbox:
    root = sandbox.copy.root()
    status = sandbox.run(job_of("def main(box): box.log('')"), Recorder({})).status
    print(sandbox.identity["bubblewrap"], root.is_relative_to(tempfile.gettempdir()), status.value)
"""
NOEXEC = 'mount -t tmpfs -o noexec,mode=1777 none "$0" && exec "$@"'


def without_exec(folder: Path, *command: str) -> list[str]:
    """The command line in a mount namespace in which no program may be run from the folder."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", NOEXEC, str(folder), *command]


@pytest.fixture
def may_mount() -> None:
    if subprocess.run(without_exec(MEMORY, "true"), capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a tmpfs")


def test_boxes_run_where_no_program_may_be_run_from_memory(bubblewrap: str, may_mount: None):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = without_exec(MEMORY, sys.executable, "-c", HARDENED)
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (run.stdout, run.stderr) == ("yes True finished\n", "")


def test_no_copy_is_made_in_a_temporary_folder_that_runs_no_programs(may_mount: None, tmp_path: Path):
    script = "from studbook.sandbox.bubblewrap import *; print([str(p) for p in places_for_copy()])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    command = without_exec(tmp_path, sys.executable, "-c", script)
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.strip() in {"[]", f"['{MEMORY}']"}


FAILS_IN_THE_COPY = """#!/bin/sh
case "$*" in *"--ro-bind / / "*) exit 0;; esac
echo "bwrap: execvp /usr/local/bin/python3: Permission denied" >&2
exit 1
"""


def break_walls(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (programs / "bwrap").write_text(FAILS_IN_THE_COPY)
    (programs / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


def hang_the_loader(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studbook.sandbox.host_python.LDD_SECONDS", 0.0)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (break_walls, "execvp /usr/local/bin/python3: Permission denied"),
        (hang_the_loader, "gave no answer within 0"),
    ],
)
def test_what_keeps_boxes_out_of_bubblewrap_is_told_at_opening_and_they_run_without(
    bubblewrap: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fault: Callable[[Path, pytest.MonkeyPatch], None],
    told: str,
):
    programs, place = tmp_path / "bin", tmp_path / "place"
    programs.mkdir()
    place.mkdir()
    fault(programs, monkeypatch)
    monkeypatch.setattr("studbook.sandbox.bubblewrap.MEMORY", tmp_path / "none")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with closing(ProcessSandbox.open()) as sandbox:
        assert (sandbox.identity["bubblewrap"], "plain" in sandbox.fingerprint) == ("no", True)
        assert "bubblewrap cannot be used: no copy of Python for the boxes" in sandbox.statement
        assert told in sandbox.statement
        job = job_of("def main(box): box.log('')")
        assert sandbox.run(job, Recorder({})).status is BoxStatus.FINISHED
    assert list(place.iterdir()) == []
