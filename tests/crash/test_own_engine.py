"""An engine of our own, stopped and started again under a run; and that nothing is left of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crash.short_form import ROOT, durability
from support.own_engine import cgroups_of, obstacle

CONTROLLER = """
import sys, time
from support.own_engine import own_engine
with own_engine() as engine:
    print(engine.folder, flush=True)
    {then}
"""


@pytest.mark.slow
@pytest.mark.docker
def test_nothing_is_lost_or_paid_twice_when_the_engine_is_started_again(tmp_path):
    done, rows = durability(tmp_path, "--only", "engine")
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = rows
    assert row["kills"] == 1 or row["skipped"], row
    if row["skipped"]:
        pytest.skip(row["skipped"])


def test_where_there_can_be_no_engine_of_our_own_it_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert obstacle() in {"there is no dockerd and no unshare here", "only root may start an engine"}


@pytest.mark.docker
@pytest.mark.parametrize("end", ["time.sleep(60)", "sys.exit('failed')"])
def test_nothing_is_left_of_an_engine_whose_controller_is_killed_or_fails(end):
    if why := obstacle():
        pytest.skip(why)  # (the case above fails then where an engine is promised)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, "-c", CONTROLLER.format(then=end)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as controller:
        assert controller.stdout is not None
        folder = Path(controller.stdout.readline().strip())
        assert folder.is_dir() or "exit" in end
        if "sleep" in end:
            controller.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while traces(folder) and time.monotonic() < until:
        time.sleep(0.05)
    assert traces(folder) == []


def traces(folder: Path) -> list[str]:
    """Processes (mounts of their own end with them), control groups and files."""
    processes = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        processes += [text] if str(folder) in text else []
    files = [str(folder)] if folder.exists() else []
    return [*processes, *files, *map(str, cgroups_of(folder))]
