"""The limits that show themselves to one box that looks around: files, kernel, network, environment.

Each judge is a pure function of what the guest told. Nothing is strained here: see `strain.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from evaluate.sandbox.contract import Sandbox
from evaluate.sandbox.probes.guest.surroundings import fingerprint
from evaluate.sandbox.probes.readings import Reading, Verdict, enforced, judged, missing, reading, untried
from evaluate.sandbox.probes.visits import LIMITS, finished, visit

Facts = dict[str, Any]
Judge = Callable[[Facts], Verdict]

READ_ONLY = "EROFS"
SHORTEST_SECRET = 8
"""A value shorter than this is no secret, and would be the same on many machines by chance."""
COMMON = frozenset({"PATH", "LANG", "HOME", "TERM", "HOSTNAME", "PWD", "SHLVL", "TMPDIR"})
NO_CAPABILITIES = "0" * 16


def probe_census(
    sandbox: Sandbox, environment: Mapping[str, str], image_environment: Mapping[str, str]
) -> Iterator[Reading]:
    """`environment` is this machine's; what the image itself brings along is no leak. Raises SandboxError."""
    facts = finished(visit(sandbox, "census")).facts
    hidden = secrets_of(environment, image_environment)
    sections = {**SECTIONS, "surroundings": {"environment": lambda found: judge_environment(found, hidden)}}
    for section, judges in sections.items():
        found = facts.get(section, {"failure": "the box did not tell"})
        for name, judge in judges.items():
            yield reading(name, judge_section(judge, found, name, sandbox.name), sandbox.name)


def judge_section(judge: Judge, found: Facts, name: str, sandbox: str) -> Verdict:
    if "failure" in found:
        return untried(str(found["failure"]))
    if name == "engine's seccomp" and sandbox != "docker":
        return untried("there is no engine around a child process")
    return judge(found)


def judge_root(found: Facts) -> Verdict:
    """Only the file system's own refusal counts: one for want of rights would end with the box's user."""
    loose = {folder: error for folder, error in found["root"].items() if error != READ_ONLY}
    made = [folder for folder, error in loose.items() if not error]
    if made:
        return missing(f"a file could be made in {', '.join(made)}")
    if loose:
        return missing(f"not read-only, only closed to the box's user: {', '.join(loose)}")
    return enforced(f"no file could be made in any of {len(found['root'])} system folders")


def judge_mounts(found: Facts) -> Verdict:
    foreign = [mount for mount in found["mounts"] if not mount["is_empty_tmpfs"]]
    if not foreign:
        return enforced("nothing is mounted but the box's own")
    open_ones = [mount["place"] for mount in foreign if not mount["error"]]
    places = _few([mount["place"] for mount in foreign])
    return missing(f"{places}; writable: {_few(open_ones) or 'none'}")


def judge_other_places(found: Facts) -> Verdict:
    places = [mount["place"] for mount in found["mounts"] if mount["is_empty_tmpfs"] and not mount["error"]]
    return missing(f"{_few(places)} can be written to") if places else enforced("no place beside its tmpfs")


def judge_bytes(found: Facts) -> Verdict:
    return judged(
        max(found["bytes"].values(), default=0) <= LIMITS.tmpfs_bytes,
        _amounts(found["bytes"], 1024, "KiB") + f" of {LIMITS.tmpfs_bytes // 1024} KiB allowed",
    )


def judge_inodes(found: Facts) -> Verdict:
    holds = max(found["files"].values(), default=0) <= LIMITS.tmpfs_inodes
    return judged(holds, _amounts(found["files"], 1, "files") + f" of {LIMITS.tmpfs_inodes} allowed")


def judge_exec(found: Facts) -> Verdict:
    ran = [place for place, error in found["exec"].items() if not error]
    if ran:
        return missing(f"a program written to {_few(ran)} ran")
    refused = [place for place, error in found["exec"].items() if error == "EACCES"]
    if not refused:
        return untried(f"no program could be written: {_few(list(found['exec'].values()))}")
    return enforced(f"programs written to {_few(refused)} were refused")


def judge_open_files(found: Facts) -> Verdict:
    opened = found["open_files"]
    return judged(opened < LIMITS.open_files, f"{opened} opened of {LIMITS.open_files} allowed")


def judge_file_size(found: Facts) -> Verdict:
    error = found["file_size"]
    tried = f"a file of {2 * LIMITS.tmpfs_bytes >> 20} MiB where {LIMITS.tmpfs_bytes >> 20} are allowed"
    if error not in ("", "EFBIG"):
        return untried(f"{tried}: {error}")
    return judged(error == "EFBIG", f"{tried}: {error or 'made'}")


def judge_user(found: Facts) -> Verdict:
    if found["user"] == 0:
        return missing("a box runs as root")
    if not found["become_root"]:
        return missing(f"user {found['user']} could become root")
    return enforced(f"user {found['user']}; becoming root was refused")


def judge_capabilities(found: Facts) -> Verdict:
    sets = {name: value for name, value in found["status"].items() if name.startswith("Cap")}
    kept = [f"{name} {value}" for name, value in sets.items() if value != NO_CAPABILITIES]
    if not sets:
        return untried("the kernel does not tell")
    return missing(", ".join(kept)) if kept else enforced("all sets empty, the bounding set too")


def judge_privileges(found: Facts) -> Verdict:
    value = found["status"].get("NoNewPrivs")
    return (
        untried("the kernel does not tell") if value is None else judged(value == "1", f"NoNewPrivs {value}")
    )


def judge_calls(found: Facts) -> Verdict:
    possible = [name for name, error in found["calls"].items() if not error]
    if possible:
        return missing(f"{', '.join(possible)} got through")
    return enforced(", ".join(f"{name} {error}" for name, error in found["calls"].items()))


def judge_engine_filter(found: Facts) -> Verdict:
    """By what only an engine's filter refuses: ours would be there without it."""
    error = found["personality"]
    filters = found["status"].get("Seccomp_filters", "unknown")
    if error == "EOPNOTSUPP":
        return untried("no trial is known for this architecture")
    return judged(error == "EPERM", f"personality {error or 'got through'}; {filters} filters in all")


def judge_shim(found: Facts) -> Verdict:
    return judged(bool(found["shim"]), f"reading its memory: {found['shim'] or 'possible'}")


def judge_settings(found: Facts) -> Verdict:
    loose = {path: how for path, how in found["settings"].items() if how != "read-only"}
    writable = [path for path, how in loose.items() if how == "writable"]
    if writable:
        return missing(f"writable: {_few(writable)}")
    if loose:
        return missing(f"not read-only, only closed to the box's user: {_few(list(loose))}")
    return enforced(f"{len(found['settings'])} trees of settings and cgroups are read-only")


def judge_kernel_files(found: Facts) -> Verdict:
    seen = [path for path, is_visible in found["masked"].items() if is_visible]
    return missing(f"{_few(seen)} can be seen") if seen else enforced("masked or absent")


def judge_devices(found: Facts) -> Verdict:
    return missing(_few(found["devices"])) if found["devices"] else enforced("none but the harmless ones")


def judge_network(found: Facts) -> Verdict:
    signs = {
        "interfaces": found["interfaces"],
        "a way to": found["ways"],
        "name servers answer:": found["name_servers"],
    }
    holes = [f"{what} {_few(names)}" for what, names in signs.items() if names]
    return missing("; ".join(holes)) if holes else enforced("no interface, no way out, no name server")


def judge_environment(found: Facts, hidden: Mapping[str, str]) -> Verdict:
    seen = sorted({hidden[mark] for mark in found["fingerprints"] if mark in hidden})
    if seen:
        return missing(f"a box could read {_few(seen)}")
    return enforced(f"none of {len(hidden)} variables in {found['processes']} processes")


def secrets_of(environment: Mapping[str, str], image_environment: Mapping[str, str]) -> dict[str, str]:
    """Fingerprint → name, of what a box should not see."""
    return {
        fingerprint(f"{name}={value}".encode("utf-8", "surrogateescape")): name
        for name, value in environment.items()
        if name not in COMMON and len(value) >= SHORTEST_SECRET and image_environment.get(name) != value
    }


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _amounts(found: Mapping[str, int], unit: int, word: str) -> str:
    return ", ".join(f"{place} {amount // unit} {word}" for place, amount in found.items())


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
