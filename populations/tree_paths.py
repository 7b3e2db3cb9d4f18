"""Which file paths may enter the lineage: relative POSIX paths that mean the same on every machine.

Paths come from harnesses, so they are hostile. `git fsck --strict` must have nothing to say, and a checkout
must never write outside its folder or into `.git`. Bytes of files are not looked at.
"""

from collections.abc import Iterable

from studbook.errors import ManifestError

_PART_BYTES = 255
_PATH_BYTES = 1024
_FORBIDDEN = frozenset('\\:*?"<>|')


def check_tree_paths(paths: Iterable[str]) -> None:
    """Raises ManifestError naming the first path that may not enter, and why."""
    names = set(paths)
    for path in sorted(names):
        reason = _find_fault(path)
        if reason is None and any(folder in names for folder in _folders(path)):
            reason = "one of its folders is a file as well"
        if reason is not None:
            raise ManifestError(f"a harness cannot hold the file {path[:200]!a}: {reason}")


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def _find_fault(path: str) -> str | None:
    if not path.isprintable():  # controls, lone surrogates, and the invisible characters that hide a ".git"
        return "it holds characters that cannot be printed"
    if len(path.encode("utf-8")) > _PATH_BYTES:
        return f"it is longer than {_PATH_BYTES} bytes"
    return next((fault for part in path.split("/") if (fault := _find_part_fault(part)) is not None), None)


def _find_part_fault(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "it is not a plain relative path"
    if part.casefold().startswith((".git", "git~")):
        return "names starting with .git belong to git"
    if _FORBIDDEN & set(part) or part != part.strip() or part.endswith("."):
        return "it means something else on another operating system"
    if len(part.encode("utf-8")) > _PART_BYTES:
        return f"a name in it is longer than {_PART_BYTES} bytes"
    return None
