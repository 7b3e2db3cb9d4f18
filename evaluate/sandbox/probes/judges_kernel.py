"""What to make of what the kernel let a box do, of its network, and of the variables it saw. Pure."""

from collections.abc import Mapping

from evaluate.sandbox.probes.guest.surroundings import fingerprint
from evaluate.sandbox.probes.readings import Facts, Verdict, enforced, few, judged, missing, untried

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
