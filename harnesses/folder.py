"""Harness folders on disk, read into a tree and written from one. Follows no link and runs nothing."""

import os
import stat
from pathlib import Path

from harnesses.files import MAX_FILE_BYTES, MAX_FILES, check_files, check_path
from harnesses.tree import HarnessTree
from studbook.errors import ManifestError, StorageError

LEFT_BEHIND = {"__pycache__", ".DS_Store", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
"""What tools leave in a folder; not part of a harness, so not read."""


def read_harness(folder: Path) -> HarnessTree:
    """The folder as a tree with a valid manifest; raises ManifestError naming file and key."""
    if not folder.is_dir():
        raise ManifestError(f"{folder} is not a folder; a harness is a folder with a harness.yaml in it.")
    files: dict[str, bytes] = {}
    try:
        _read_into(files, folder, "")
    except OSError as error:
        raise ManifestError(f"{error.filename or folder} cannot be read: {error.strerror}.") from error
    except ManifestError as error:
        raise _named(folder, error) from error
    try:
        check_files(files)
        tree = HarnessTree.of(files)
        _ = tree.manifest
    except ManifestError as error:
        raise _named(folder, error) from error
    return tree


def _named(folder: Path, error: ManifestError) -> ManifestError:
    """Errors inside a tree name files of the harness; here it is known where that lies."""
    return ManifestError(f"harness {folder}: {error}")


def write_harness(tree: HarnessTree, folder: Path) -> None:
    """Write into a new or empty folder; raises ManifestError when it is not, StorageError when disk fails."""
    check_files(tree.files)
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise ManifestError(f"{folder} exists and is not an empty folder; choose another name.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, data in tree.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    except OSError as error:
        raise StorageError(
            f"{error.filename or folder} cannot be written: {error.strerror}.\n"
            "Make room or permit writing there, then repeat."
        ) from error


def _read_into(files: dict[str, bytes], folder: Path, prefix: str) -> None:
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        if entry.name in LEFT_BEHIND or entry.name.endswith(".pyc"):
            continue
        path = prefix + entry.name
        check_path(path)
        if entry.is_symlink():
            raise ManifestError(f"{path} is a link; a harness holds plain files only.")
        if entry.is_dir(follow_symlinks=False):
            _read_into(files, Path(entry.path), path + "/")
        else:
            files[path] = _read_plain(entry, path)
        if len(files) > MAX_FILES:
            raise ManifestError(f"{folder}: a harness has at most {MAX_FILES} files.")


def _read_plain(entry: "os.DirEntry[str]", path: str) -> bytes:
    status = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise ManifestError(f"{path} is not a plain file.")
    if status.st_size > MAX_FILE_BYTES:
        raise ManifestError(f"{path} has {status.st_size} bytes, more than the {MAX_FILE_BYTES} allowed.")
    return Path(entry.path).read_bytes()
