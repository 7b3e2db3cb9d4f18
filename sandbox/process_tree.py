"""Ending every process of a box that has no container around it.

The shim is the subreaper of all that is below it, so a daemon that forks twice stays its descendant as long
as the shim lives; after that only the marker in the environment tells whose it was. Linux's /proc is read;
elsewhere the process group has to do.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

MARKER = "STUDBOOK_BOX"
ROUNDS = 200
PROC = Path("/proc")


def kill_descendants(root: int) -> None:
    """SIGKILL to everything below `root`, again and again until nothing alive is left there."""
    for _ in range(ROUNDS):
        victims = descendants(root)
        if not victims:
            return
        kill_all(victims)
        time.sleep(0.002)


def kill_marked(marker: str) -> None:
    """SIGKILL to everything that carries this box's marker in its environment."""
    for _ in range(ROUNDS):
        victims = marked(marker)
        if not victims:
            return
        kill_all(victims)
        time.sleep(0.002)


def kill_all(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def descendants(root: int) -> set[int]:
    """Living processes below `root`, without it."""
    parents = {}
    for pid in all_pids():
        found = _parent_and_state(pid)
        if found is not None:
            parents[pid] = found
    below: set[int] = set()
    grown = {root}
    while grown:
        grown = {pid for pid, (parent, _) in parents.items() if parent in grown}
        below |= grown
    return {pid for pid in below if parents[pid][1] != "Z"}


def marked(marker: str) -> set[int]:
    needle = f"{MARKER}={marker}".encode()
    return {pid for pid in all_pids() if pid != os.getpid() and needle in _environment(pid).split(b"\0")}


def all_pids() -> set[int]:
    if not PROC.is_dir():
        return set()
    return {int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()}


def _parent_and_state(pid: int) -> tuple[int, str] | None:
    try:
        state, parent = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(parent), state.decode("ascii")


def _environment(pid: int) -> bytes:
    try:
        return (PROC / str(pid) / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def command_line(pid: int) -> bytes:
    """Arguments, each ended by a zero byte; empty for a process that is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
