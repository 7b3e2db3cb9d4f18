"""What to make of where a box could write, and how much. Pure: from what the guest told to a verdict.

What to make of what the kernel let a box do, of its network, and of the variables it saw. Pure.
"""

from collections.abc import Mapping

from studbook.sandbox.probes.guest.surroundings import fingerprint
from studbook.sandbox.probes.readings import Facts, Verdict, enforced, few, judged, missing, untried
from studbook.sandbox.probes.visits import LIMITS

NO_CAPABILITIES = "0" * 16
SHORTEST_SECRET = 8
"""A value shorter than this is no secret, and would be the same on many machines by chance."""
COMMON = frozenset({"PATH", "LANG", "HOME", "TERM", "HOSTNAME", "PWD", "SHLVL", "TMPDIR"})


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
        return missing(f"writable: {few(writable)}")
    if loose:
        return missing(f"not read-only, only closed to the box's user: {few(list(loose))}")
    return enforced(f"{len(found['settings'])} trees of settings and cgroups are read-only")


def judge_kernel_files(found: Facts) -> Verdict:
    seen = [path for path, is_visible in found["masked"].items() if is_visible]
    return missing(f"{few(seen)} can be seen") if seen else enforced("masked or absent")


def judge_devices(found: Facts) -> Verdict:
    return missing(few(found["devices"])) if found["devices"] else enforced("none but the harmless ones")


def judge_network(found: Facts) -> Verdict:
    signs = {
        "interfaces": found["interfaces"],
        "a way to": found["ways"],
        "name servers answer:": found["name_servers"],
    }
    holes = [f"{what} {few(names)}" for what, names in signs.items() if names]
    return missing("; ".join(holes)) if holes else enforced("no interface, no way out, no name server")


def judge_environment(found: Facts, hidden: Mapping[str, str]) -> Verdict:
    seen = sorted({hidden[mark] for mark in found["fingerprints"] if mark in hidden})
    if seen:
        return missing(f"a box could read {few(seen)}")
    return enforced(f"none of {len(hidden)} variables in {found['processes']} processes")


def secrets_of(environment: Mapping[str, str], image_environment: Mapping[str, str]) -> dict[str, str]:
    """Fingerprint → name, of what a box should not see."""
    return {
        fingerprint(f"{name}={value}".encode("utf-8", "surrogateescape")): name
        for name, value in environment.items()
        if name not in COMMON and len(value) >= SHORTEST_SECRET and image_environment.get(name) != value
    }


READ_ONLY = "EROFS"


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
    places = few([mount["place"] for mount in foreign])
    return missing(f"{places}; writable: {few(open_ones) or 'none'}")


def judge_other_places(found: Facts) -> Verdict:
    places = [mount["place"] for mount in found["mounts"] if mount["is_empty_tmpfs"] and not mount["error"]]
    return missing(f"{few(places)} can be written to") if places else enforced("no place beside its tmpfs")


def judge_bytes(found: Facts) -> Verdict:
    return judged(
        max(found["bytes"].values(), default=0) <= LIMITS.tmpfs_bytes,
        amounts(found["bytes"], 1024, "KiB") + f" of {LIMITS.tmpfs_bytes // 1024} KiB allowed",
    )


def judge_inodes(found: Facts) -> Verdict:
    holds = max(found["files"].values(), default=0) <= LIMITS.tmpfs_inodes
    return judged(holds, amounts(found["files"], 1, "files") + f" of {LIMITS.tmpfs_inodes} allowed")


def judge_exec(found: Facts) -> Verdict:
    ran = [place for place, error in found["exec"].items() if not error]
    if ran:
        return missing(f"a program written to {few(ran)} ran")
    refused = [place for place, error in found["exec"].items() if error == "EACCES"]
    if not refused:
        return untried(f"no program could be written: {few(list(found['exec'].values()))}")
    return enforced(f"programs written to {few(refused)} were refused")


def judge_open_files(found: Facts) -> Verdict:
    opened = found["open_files"]
    return judged(opened < LIMITS.open_files, f"{opened} opened of {LIMITS.open_files} allowed")


def judge_file_size(found: Facts) -> Verdict:
    error = found["file_size"]
    tried = f"a file of {2 * LIMITS.tmpfs_bytes >> 20} MiB where {LIMITS.tmpfs_bytes >> 20} are allowed"
    if error not in ("", "EFBIG"):
        return untried(f"{tried}: {error}")
    return judged(error == "EFBIG", f"{tried}: {error or 'made'}")


def amounts(found: Mapping[str, int], unit: int, word: str) -> str:
    return ", ".join(f"{place} {amount // unit} {word}" for place, amount in found.items())
