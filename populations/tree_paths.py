"""Which paths a harness may have in the lineage: those that mean the same on every machine.

Paths come from models and from runs of other people, so they are untrusted: no checkout may write outside its
folder or into `.git`.
"""

from collections.abc import Iterable
from functools import lru_cache

from studbook.errors import ManifestError

_PART_BYTES = 255
_PATH_BYTES = 1024
_FORBIDDEN = frozenset('\\:*?"<>|')


def check_tree_paths(paths: Iterable[str]) -> None:
    """Raises ManifestError naming the first path that is not allowed, and why."""
    fault = _find_first_fault(frozenset(paths))
    if fault is not None:
        raise ManifestError(fault)


@lru_cache(maxsize=256)  # most harnesses of a run have the same paths
def _find_first_fault(names: frozenset[str]) -> str | None:
    for path in sorted(names):
        reason = _find_fault(path)
        if reason is None and any(folder in names for folder in _folders(path)):
            reason = "one of its folders is also a file"
        if reason is not None:
            return f"a harness cannot contain the file {path[:200]!a}: {reason}"
    return None


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def _find_fault(path: str) -> str | None:
    if (
        not path.isprintable()
    ):  # control characters, lone surrogates, and invisible characters that could hide ".git"
        return "it contains characters that cannot be printed"
    if len(path.encode("utf-8")) > _PATH_BYTES:
        return f"it is longer than {_PATH_BYTES} bytes"
    return next((fault for part in path.split("/") if (fault := _find_part_fault(part)) is not None), None)


def _find_part_fault(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "it is not a plain relative path"
    if part.casefold().startswith((".git", "git~")):
        return "names starting with .git are reserved for git"
    if _FORBIDDEN & set(part) or part != part.strip() or part.endswith("."):
        return "it means something different on another operating system"
    if len(part.encode("utf-8")) > _PART_BYTES:
        return f"a name in it is longer than {_PART_BYTES} bytes"
    return None
