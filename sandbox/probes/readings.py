"""What a probe found out about one limit. Data; how it is shown is not decided here.

Every limit a box is promised, what is lost without it, and what to do about an engine that drops it.

A table, so that a limit is added by one row here and one judge in a probe.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CGROUPS = (
    "give the engine's cgroups this controller: with cgroup v2 a rootless engine needs it delegated to its "
    "user (Delegate= of user@.service), with cgroup v1 it can have none; or use an engine that runs as root"
)
STRANGE = "find out what the engine adds by itself (daemon.json, containers.conf, a runtime, a plugin)"
DEFECT = "this is Studbook's own to enforce: please report it, with the line above"
FILTER = "see that nothing in daemon.json or containers.conf turns the engine's seccomp profile off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`is_wall`: without it hostile code is not contained; the rest bound what it can waste or learn."""

    name: str
    is_wall: bool
    next_step: str


_ROWS = (
    ("network", True, f"a box got a network without asking for one: {STRANGE}"),
    ("read-only root", True, f"a box can write to its image: {STRANGE}"),
    ("mounts", True, f"a box sees folders from outside: {STRANGE}"),
    ("environment", True, f"a box can read variables of this machine, keys among them: {STRANGE}"),
    ("capabilities", True, f"a box keeps rights of root: {STRANGE}"),
    ("user", True, f"a box runs as root, or can become it: {STRANGE}"),
    ("memory", True, CGROUPS),
    ("processes", True, CGROUPS),
    ("removal", True, "stop what is named, and see the engine's log for why it was not removed"),
    ("deadline", True, "see the engine's log: it does not end a box when it is told to"),
    ("swap", False, CGROUPS),
    ("cpu", False, CGROUPS),
    ("tmpfs bytes", False, "a box can fill memory through its tmpfs, as far as its memory goes"),
    ("tmpfs inodes", False, "a box can fill kernel memory with empty files; a newer kernel may help"),
    ("noexec tmpfs", False, "a box can run programs that it wrote; no more than what Python can do anyway"),
    ("other places to write", False, f"a box can write where nothing bounds it: {STRANGE}"),
    ("open files", False, "the engine ignores ulimits: see its log"),
    ("file size", False, "the engine ignores ulimits: see its log"),
    ("no new privileges", False, FILTER),
    (
        "system calls",
        False,
        "this kernel takes no filter from a box: use a kernel with CONFIG_SECCOMP_FILTER",
    ),
    ("engine's seccomp", False, FILTER),
    (
        "shim",
        False,
        "a harness can read the memory of the shim; the host believes neither, so no score is at stake",
    ),
    ("kernel settings", False, f"only the box's user stands before what is named: {STRANGE}"),
    ("kernel files", False, f"a box reads about this machine in what is named: {STRANGE}"),
    ("devices", False, f"a box has device nodes it did not ask for: {STRANGE}"),
    ("output", False, DEFECT),
    ("log", False, "what a box prints is kept on the engine's disk: set no log driver over ours"),
)
LIMITS = {name: Limit(name=name, is_wall=is_wall, next_step=step) for name, is_wall, step in _ROWS}
NO_ENGINE = "a child process cannot be held to this: use Docker for code that is not your own"


Facts = dict[str, Any]
"""What a guest told, as JSON gives it."""


class State(StrEnum):
    ENFORCED = "enforced"
    NOT_ENFORCED = "not enforced"
    UNTRIED = "could not be tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`measured` is what was seen, or why nothing could be; `next_step` is empty where all is well.

    `is_hole`: not enforced, and without it hostile code is not contained.
    """

    limit: str
    state: State
    measured: str
    is_hole: bool = False
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge's answer. `is_mild`: not what was asked for, and yet no hole in a wall."""

    state: State
    measured: str
    is_mild: bool = False


def enforced(measured: str) -> Verdict:
    return Verdict(State.ENFORCED, measured)


def missing(measured: str, *, is_mild: bool = False) -> Verdict:
    return Verdict(State.NOT_ENFORCED, measured, is_mild)


def untried(reason: str) -> Verdict:
    return Verdict(State.UNTRIED, reason)


def judged(holds: bool, measured: str) -> Verdict:
    return enforced(measured) if holds else missing(measured)


def reading(name: str, verdict: Verdict, sandbox: str) -> Reading:
    limit = LIMITS[name]
    is_missing = verdict.state is State.NOT_ENFORCED
    step = limit.next_step if sandbox == "docker" else NO_ENGINE
    return Reading(
        limit=name,
        state=verdict.state,
        measured=verdict.measured,
        is_hole=is_missing and limit.is_wall and not verdict.is_mild,
        next_step=step if is_missing else "",
    )


def few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
