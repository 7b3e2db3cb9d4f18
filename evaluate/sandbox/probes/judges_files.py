"""What to make of where a box could write, and how much. Pure: from what the guest told to a verdict."""

from collections.abc import Mapping

from evaluate.sandbox.probes.readings import Facts, Verdict, enforced, few, judged, missing, untried
from evaluate.sandbox.probes.visits import LIMITS

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
