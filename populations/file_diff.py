"""How the files of two harnesses differ, as unified diffs. Pure; drawing is `experiments/views`."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class FileChange(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """`lines` is a unified diff without line ends; empty when a side is not text (`is_binary`)."""

    path: str
    change: FileChange
    lines: tuple[str, ...]
    is_binary: bool = False


def diff_files(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[FileDiff, ...]:
    """The files that differ, by path."""
    paths = sorted(before.keys() | after.keys())
    return tuple(
        _diff_file(path, before.get(path), after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    )


def _diff_file(path: str, before: bytes | None, after: bytes | None) -> FileDiff:
    change = (
        FileChange.ADDED if before is None else FileChange.REMOVED if after is None else FileChange.CHANGED
    )
    try:
        old, new = (_lines(side) for side in (before, after))
    except UnicodeDecodeError:
        return FileDiff(path=path, change=change, lines=(), is_binary=True)
    names = ("/dev/null" if before is None else f"a/{path}", "/dev/null" if after is None else f"b/{path}")
    return FileDiff(
        path=path, change=change, lines=tuple(difflib.unified_diff(old, new, *names, lineterm=""))
    )


def _lines(side: bytes | None) -> list[str]:
    """Split at newlines only, so that a carriage return or a form feed is seen as the difference it is."""
    if not side:
        return []
    lines = side.decode("utf-8").split("\n")
    return lines[:-1] if lines[-1] == "" else [*lines[:-1], f"{lines[-1]} (no newline at the end)"]
