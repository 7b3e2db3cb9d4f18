"""Finds and makes run folders. What lies inside a folder is `populations/layout.py`'s business."""

import difflib
import re
from pathlib import Path

from populations.layout import RunFolder
from populations.storage import storage_errors
from studbook.errors import RevisionError, UsageError

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def list_runs(runs_dir: Path) -> list[RunFolder]:
    """Folders with a journal, oldest first by when their journal was begun."""
    if not runs_dir.is_dir():
        return []
    found = [folder for path in runs_dir.iterdir() if (folder := RunFolder(path)).exists]
    return sorted(found, key=_begun)


def _begun(folder: RunFolder) -> tuple[float, str]:
    return (folder.spec.stat().st_mtime if folder.spec.exists() else 0.0, folder.name)


def find_run(name: str, runs_dir: Path) -> RunFolder:
    """By name in `runs_dir`, or by path; raises RevisionError with the nearest name."""
    for folder in _places(name, runs_dir):
        if folder.exists:
            return folder
    names = [folder.name for folder in list_runs(runs_dir)]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        raise RevisionError(f"no run {name!r} in {runs_dir}\n  did you mean {near[0]}?")
    there = (
        f"runs there: {', '.join(names[-5:])}" if names else "there are none; begin with: studbook run SPEC"
    )
    raise RevisionError(f"no run {name!r} in {runs_dir}\n  {there}")


def is_run(name: str, runs_dir: Path) -> bool:
    return any(folder.exists for folder in _places(name, runs_dir))


def _places(name: str, runs_dir: Path) -> tuple[RunFolder, RunFolder]:
    return RunFolder(runs_dir / name), RunFolder(Path(name))


def create_run(runs_dir: Path, spec_name: str, wanted: str | None = None) -> RunFolder:
    """A new folder, `wanted` or spec_name-N; two runs started at once get two folders."""
    with storage_errors(runs_dir, "create"):
        runs_dir.mkdir(parents=True, exist_ok=True)
    if wanted is not None:
        return _create_named(runs_dir, wanted)
    number = _highest_number(runs_dir, spec_name) + 1
    while True:
        path = runs_dir / f"{spec_name}-{number}"
        if _make(path):
            return RunFolder(path).create()
        number += 1


def _create_named(runs_dir: Path, wanted: str) -> RunFolder:
    if not RUN_NAME.fullmatch(wanted):
        raise UsageError(f"--name {wanted!r}: letters, digits, dot, dash and underscore only")
    path = runs_dir / wanted
    if not _make(path):
        if RunFolder(path).exists:
            raise UsageError(f"{path} exists already\n  take another --name, or: studbook resume {wanted}")
        raise UsageError(f"{path} exists already, and is no run\n  take another --name, or remove it")
    return RunFolder(path).create()


def _make(path: Path) -> bool:
    """False when it is there already."""
    with storage_errors(path, "create"):
        try:
            path.mkdir()
        except FileExistsError:
            return False
    return True


def _highest_number(runs_dir: Path, spec_name: str) -> int:
    numbers = [
        int(match[1])
        for path in runs_dir.iterdir()
        if (match := re.fullmatch(re.escape(spec_name) + r"-(\d{1,9})", path.name))
    ]
    return max(numbers, default=0)
