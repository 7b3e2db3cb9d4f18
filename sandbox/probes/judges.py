"""The limits that a box should have, and judges that decide from a guest's report whether they hold. Pure.

`LIMITS` says what a missing limit means and what to do about it; `SECTIONS` assigns judges to the sections of
a census. To add a limit, add a row to each, and one judge that turns the guest's report into a verdict.
`reading` turns a verdict into a finding. Does not decide how findings are displayed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from studbook.sandbox.contract import Limits
from studbook.sandbox.probes.guest.census import fingerprint

CGROUPS = (
    "give the engine's cgroups this controller: with cgroup v2 a rootless engine needs it delegated to its "
    "user (Delegate= of user@.service), with cgroup v1 it cannot have one; or use an engine that runs as root"
)
STRANGE = "find out what the engine adds by itself (daemon.json, containers.conf, a runtime, a plugin)"
DEFECT = "Studbook itself should enforce this: please report it, with the line above"
FILTER = "check that nothing in daemon.json or containers.conf turns off the engine's seccomp profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`is_wall`: without it hostile code is not contained; other limits bound what it can waste or learn."""

    name: str
    is_wall: bool
    next_step: str


_ROWS = (
    ("network", True, f"a box got a network without asking for one: {STRANGE}"),
    ("read-only root", True, f"a box can write to its image: {STRANGE}"),
    ("mounts", True, f"a box sees folders from outside: {STRANGE}"),
    ("environment", True, f"a box can read environment variables of this machine, including keys: {STRANGE}"),
    ("capabilities", True, f"a box keeps root privileges: {STRANGE}"),
    ("user", True, f"a box runs as root, or can become it: {STRANGE}"),
    ("memory", True, CGROUPS),
    ("processes", True, CGROUPS),
    ("removal", True, "stop what is listed, and see the engine's log for why it was not removed"),
    ("deadline", True, "see the engine's log: it does not end a box on request"),
    ("swap", False, CGROUPS),
    ("cpu", False, CGROUPS),
    ("tmpfs bytes", False, "a box can fill memory through its tmpfs, up to its memory limit"),
    ("tmpfs inodes", False, "a box can fill kernel memory with empty files; a newer kernel may help"),
    ("noexec tmpfs", False, "a box can run programs that it wrote; no more than what Python can do anyway"),
    ("other places to write", False, f"a box can write to places without a size limit: {STRANGE}"),
    ("open files", False, "the engine ignores ulimits: see its log"),
    ("file size", False, "the engine ignores ulimits: see its log"),
    ("no new privileges", False, FILTER),
    (
        "system calls",
        False,
        "this kernel does not accept a seccomp filter: use a kernel with CONFIG_SECCOMP_FILTER",
    ),
    ("engine's seccomp", False, FILTER),
    (
        "shim",
        False,
        "a harness can read the memory of the shim; the host trusts neither, so no score is at risk",
    ),
    ("kernel settings", False, f"only the box's user id protects what is listed: {STRANGE}"),
    ("kernel files", False, f"a box can read about this machine in what is listed: {STRANGE}"),
    ("devices", False, f"a box has extra device nodes: {STRANGE}"),
    ("output", False, DEFECT),
    ("log", False, "the output of a box is stored on the engine's disk: do not override our log driver"),
)
LIMITS = {name: Limit(name=name, is_wall=is_wall, next_step=step) for name, is_wall, step in _ROWS}
NO_ENGINE = "this cannot be enforced on a child process: use Docker for code that is not your own"


Facts = dict[str, Any]
"""A guest's report, as parsed from JSON."""


class State(StrEnum):
    ENFORCED = "enforced"
    NOT_ENFORCED = "not enforced"
    UNTRIED = "could not be tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`measured` says what was observed, or why nothing was; `next_step` is empty if there is nothing to do.

    `is_hole`: the limit is not enforced, and without it hostile code is not contained.
    """

    limit: str
    state: State
    measured: str
    is_hole: bool = False
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class LimitJudgment:
    """One judge's answer. `is_mild`: the limit does not hold exactly, but hostile code is still contained."""

    state: State
    measured: str
    is_mild: bool = False


def enforced(measured: str) -> LimitJudgment:
    return LimitJudgment(State.ENFORCED, measured)


def missing(measured: str, *, is_mild: bool = False) -> LimitJudgment:
    return LimitJudgment(State.NOT_ENFORCED, measured, is_mild)


def untried(reason: str) -> LimitJudgment:
    return LimitJudgment(State.UNTRIED, reason)


def judged(holds: bool, measured: str) -> LimitJudgment:
    return enforced(measured) if holds else missing(measured)


def reading(name: str, verdict: LimitJudgment, sandbox: str) -> Reading:
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


BOX_LIMITS = Limits(
    wall_seconds=20,
    memory_bytes=128 << 20,
    cpus=1.0,
    processes=32,
    open_files=64,
    tmpfs_bytes=4 << 20,
    tmpfs_inodes=128,
    output_bytes=1 << 20,
)
"""Small, so that exceeding them is quick, and harmless where they are not enforced."""

NO_CAPABILITIES = "0" * 16
SHORTEST_SECRET = 8
"""A shorter value is not a secret, and would be the same on many machines by chance."""
COMMON = frozenset({"PATH", "LANG", "HOME", "TERM", "HOSTNAME", "PWD", "SHLVL", "TMPDIR"})


def judge_user(found: Facts) -> LimitJudgment:
    if found["user"] == 0:
        return missing("a box runs as root")
    if not found["become_root"]:
        return missing(f"user {found['user']} could become root")
    return enforced(f"user {found['user']}; becoming root was refused")


def judge_capabilities(found: Facts) -> LimitJudgment:
    sets = {name: value for name, value in found["status"].items() if name.startswith("Cap")}
    kept = [f"{name} {value}" for name, value in sets.items() if value != NO_CAPABILITIES]
    if not sets:
        return untried("the kernel does not report it")
    return missing(", ".join(kept)) if kept else enforced("all sets are empty, including the bounding set")


def judge_privileges(found: Facts) -> LimitJudgment:
    value = found["status"].get("NoNewPrivs")
    return (
        untried("the kernel does not report it")
        if value is None
        else judged(value == "1", f"NoNewPrivs {value}")
    )


def judge_calls(found: Facts) -> LimitJudgment:
    possible = [name for name, error in found["calls"].items() if not error]
    if possible:
        return missing(f"{', '.join(possible)} succeeded")
    return enforced(", ".join(f"{name} {error}" for name, error in found["calls"].items()))


def judge_engine_filter(found: Facts) -> LimitJudgment:
    """Tests a call that only the engine's filter refuses, because our own filter is always present."""
    error = found["personality"]
    filters = found["status"].get("Seccomp_filters", "unknown")
    if error == "EOPNOTSUPP":
        return untried("there is no test for this architecture")
    is_refused = error in ("EPERM", "ENOSYS")  # of Docker and of Podman; the kernel knows this call
    return judged(is_refused, f"personality {error or 'succeeded'}; {filters} filters in total")


def judge_shim(found: Facts) -> LimitJudgment:
    return judged(bool(found["shim"]), f"reading its memory: {found['shim'] or 'possible'}")


def judge_settings(found: Facts) -> LimitJudgment:
    loose = {path: how for path, how in found["settings"].items() if how != "read-only"}
    writable = [path for path, how in loose.items() if how == "writable"]
    if writable:
        return missing(f"writable: {few(writable)}")
    if loose:
        return missing(f"not read-only, protected only by the box's user id: {few(list(loose))}")
    return enforced(f"{len(found['settings'])} trees of settings and cgroups are read-only")


def judge_kernel_files(found: Facts) -> LimitJudgment:
    seen = [path for path, is_visible in found["masked"].items() if is_visible]
    return missing(f"{few(seen)} visible") if seen else enforced("masked or absent")


def judge_devices(found: Facts) -> LimitJudgment:
    return missing(few(found["devices"])) if found["devices"] else enforced("only the harmless ones")


def judge_network(found: Facts) -> LimitJudgment:
    signs = {
        "interfaces": found["interfaces"],
        "a route to": found["ways"],
        "name servers answer:": found["name_servers"],
    }
    holes = [f"{what} {few(names)}" for what, names in signs.items() if names]
    return missing("; ".join(holes)) if holes else enforced("no interface, no route, no name server")


def judge_environment(found: Facts, hidden: Mapping[str, str]) -> LimitJudgment:
    seen = sorted({hidden[mark] for mark in found["fingerprints"] if mark in hidden})
    if seen:
        return missing(f"a box could read {few(seen)}")
    return enforced(f"none of {len(hidden)} variables in {found['processes']} processes")


def secrets_of(environment: Mapping[str, str], image_environment: Mapping[str, str]) -> dict[str, str]:
    """Fingerprint → name of the variables that a box must not see."""
    return {
        fingerprint(f"{name}={value}".encode("utf-8", "surrogateescape")): name
        for name, value in environment.items()
        if name not in COMMON and len(value) >= SHORTEST_SECRET and image_environment.get(name) != value
    }


READ_ONLY = "EROFS"


def judge_root(found: Facts) -> LimitJudgment:
    """Only EROFS counts: a refusal for lack of permission depends on the box's user id."""
    loose = {folder: error for folder, error in found["root"].items() if error != READ_ONLY}
    made = [folder for folder, error in loose.items() if not error]
    if made:
        return missing(f"a file could be created in {', '.join(made)}")
    if loose:
        return missing(f"not read-only, protected only by the box's user id: {', '.join(loose)}")
    return enforced(f"no file could be created in any of {len(found['root'])} system folders")


def judge_mounts(found: Facts) -> LimitJudgment:
    foreign = [mount for mount in found["mounts"] if not mount["is_empty_tmpfs"]]
    if not foreign:
        return enforced("no mounts except the box's own")
    open_ones = [mount["place"] for mount in foreign if not mount["error"]]
    places = few([mount["place"] for mount in foreign])
    return missing(f"{places}; writable: {few(open_ones) or 'none'}")


def judge_other_places(found: Facts) -> LimitJudgment:
    places = [mount["place"] for mount in found["mounts"] if mount["is_empty_tmpfs"] and not mount["error"]]
    return missing(f"{few(places)} writable") if places else enforced("none except its tmpfs")


def judge_bytes(found: Facts) -> LimitJudgment:
    return judged(
        max(found["bytes"].values(), default=0) <= BOX_LIMITS.tmpfs_bytes,
        amounts(found["bytes"], 1024, "KiB") + f" of {BOX_LIMITS.tmpfs_bytes // 1024} KiB allowed",
    )


def judge_inodes(found: Facts) -> LimitJudgment:
    holds = max(found["files"].values(), default=0) <= BOX_LIMITS.tmpfs_inodes
    return judged(holds, amounts(found["files"], 1, "files") + f" of {BOX_LIMITS.tmpfs_inodes} allowed")


def judge_exec(found: Facts) -> LimitJudgment:
    ran = [place for place, error in found["exec"].items() if not error]
    if ran:
        return missing(f"a program written to {few(ran)} ran")
    refused = [place for place, error in found["exec"].items() if error == "EACCES"]
    if not refused:
        return untried(f"no program could be written: {few(list(found['exec'].values()))}")
    return enforced(f"programs written to {few(refused)} were refused")


def judge_open_files(found: Facts) -> LimitJudgment:
    opened = found["open_files"]
    return judged(opened < BOX_LIMITS.open_files, f"{opened} opened of {BOX_LIMITS.open_files} allowed")


def judge_file_size(found: Facts) -> LimitJudgment:
    error = found["file_size"]
    tried = (
        f"a file of {2 * BOX_LIMITS.tmpfs_bytes >> 20} MiB where {BOX_LIMITS.tmpfs_bytes >> 20} are allowed"
    )
    if error not in ("", "EFBIG"):
        return untried(f"{tried}: {error}")
    return judged(error == "EFBIG", f"{tried}: {error or 'created'}")


def amounts(found: Mapping[str, int], unit: int, word: str) -> str:
    return ", ".join(f"{place} {amount // unit} {word}" for place, amount in found.items())


Judge = Callable[[Facts], LimitJudgment]

SECTIONS: dict[str, dict[str, Judge]] = {
    "network": {"network": judge_network},
    "files": {
        "read-only root": judge_root,
        "mounts": judge_mounts,
        "other places to write": judge_other_places,
        "tmpfs bytes": judge_bytes,
        "tmpfs inodes": judge_inodes,
        "noexec tmpfs": judge_exec,
        "open files": judge_open_files,
        "file size": judge_file_size,
    },
    "kernel": {
        "user": judge_user,
        "capabilities": judge_capabilities,
        "no new privileges": judge_privileges,
        "system calls": judge_calls,
        "engine's seccomp": judge_engine_filter,
        "shim": judge_shim,
        "kernel settings": judge_settings,
        "kernel files": judge_kernel_files,
        "devices": judge_devices,
    },
}
"""The judges of a census, by section and limit."""


def judge_section(judge: Judge, found: Facts, name: str, sandbox: str) -> LimitJudgment:
    if "failure" in found:
        return untried(str(found["failure"]))
    if name == "engine's seccomp" and sandbox != "docker":
        return untried("a child process has no engine")
    return judge(found)
