"""Reads a harness folder into a tree and writes a tree to a folder. Follows no links and runs no code.

Reading, writing and editing share one set of rules for names, sizes and encodings.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from studbook.errors import ManifestError, StorageError
from studbook.harnesses.text_files import find_other_encoding
from studbook.harnesses.tree import HarnessTree

MAX_FILES = 200
MAX_FILE_BYTES = 512 * 1024
MAX_TREE_BYTES = 2 * 1024 * 1024
MAX_PATH_CHARACTERS = 200
MAX_PATH_PARTS = 8  # a box has few inodes, and every folder uses one
TEXT_SUFFIXES = (".py", ".md", ".txt", ".yaml", ".yml", ".json", ".toml", ".jinja")

_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)
"""Names reserved for devices on Windows, with any suffix."""
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?\Z")


def check_path(path: str) -> None:
    """Raises ManifestError unless `path` is a simple relative POSIX path inside the folder."""
    if len(path) > MAX_PATH_CHARACTERS:
        raise ManifestError(
            f"{path[:60]}…: a path in a harness has at most {MAX_PATH_CHARACTERS} characters."
        )
    parts = path.split("/")
    if len(parts) > MAX_PATH_PARTS:
        raise ManifestError(f"{path}: a path in a harness has at most {MAX_PATH_PARTS} parts.")
    bad = next((part for part in parts if not _PART.match(part)), None)
    if bad is not None:
        raise ManifestError(
            f"{path!r}: `{bad}` is not allowed in a path of a harness.\n"
            "Use letters, digits, `_`, `-` and `.`, not first or last; no links, no `..`, nothing hidden."
        )
    device = next((part for part in parts if _DEVICES.match(part)), None)
    if device is not None:
        raise ManifestError(f"{path!r}: `{device}` is a device on Windows, not a file; choose another name.")


def check_files(files: Mapping[str, bytes]) -> None:
    """Raises ManifestError naming the first file that a harness must not have."""
    if len(files) > MAX_FILES:
        raise ManifestError(f"a harness has at most {MAX_FILES} files, this one has {len(files)}.")
    total = sum(len(data) for data in files.values())
    if total > MAX_TREE_BYTES:
        raise ManifestError(f"a harness has at most {MAX_TREE_BYTES} bytes, this one has {total}.")
    for path, data in files.items():
        check_path(path)
        check_content(path, data)
    clash = find_clash(files)
    if clash is not None:
        raise ManifestError(clash)


def find_clash(paths: Iterable[str]) -> str | None:
    """Why these paths cannot all exist in one folder on every operating system; None when they can."""
    files, spelled = set(paths), dict[str, str]()
    for path in sorted(files):
        for place in (path, *_folders_of(path)):
            if spelled.setdefault(place.lower(), place) != place:
                return f"{place} and {spelled[place.lower()]} differ only in case."
            if place != path and place in files:
                return f"{place} is a file, so it cannot hold {path}."
    return None


def _folders_of(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def check_content(path: str, data: bytes) -> None:
    """Raises ManifestError when a file is too large, or text that is not UTF-8."""
    if len(data) > MAX_FILE_BYTES:
        raise ManifestError(f"{path} has {len(data)} bytes, more than the {MAX_FILE_BYTES} allowed.")
    if path.endswith(TEXT_SUFFIXES):
        if other := find_other_encoding(data):
            raise ManifestError(f"{path} is not UTF-8 but {other} text; save it as UTF-8.")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ManifestError(
                f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8."
            ) from error
        if "\0" in text:
            raise ManifestError(f"{path} holds a NUL character (UTF-16 text?); save it as UTF-8.")


def is_left_out(name: str) -> bool:
    """Whether a file or folder is no part of a harness but of the tools around it: hidden, backup or cache.

    A path in a tree cannot have such a name, except caches of Python.
    """
    return (
        name.startswith(".")
        or name.endswith(("~", ".pyc"))
        or (name.startswith("#") and name.endswith("#"))
        or name == "__pycache__"
    )


def find_left_out(folder: Path) -> tuple[str, ...]:
    """The files and folders in a harness folder that `read_harness` leaves out; folders end in a slash.

    Without the caches of Python, which nobody wonders about.
    """
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        prefix = "" if Path(place) == folder else Path(place).relative_to(folder).as_posix() + "/"
        found += [f"{prefix}{name}/" for name in folders if is_left_out(name)]
        found += [prefix + name for name in files if is_left_out(name)]
        folders[:] = [name for name in folders if not is_left_out(name)]
    return tuple(sorted(name for name in found if not name.endswith(("__pycache__/", ".pyc"))))


def read_harness(folder: Path) -> HarnessTree:
    """Read the folder as a tree with a valid manifest; raises ManifestError naming file and key.

    What `find_left_out` lists is not read, and may be anything.
    """
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
    """Adds the folder to an error: errors inside a tree only name the harness's files."""
    return ManifestError(f"harness {folder}: {error}")


def write_harness(tree: HarnessTree, folder: Path) -> None:
    """Write into a new or empty folder; raises ManifestError if it is not, StorageError if writing fails."""
    check_files(tree.files)
    check_is_unused(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, data in tree.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    except OSError as error:
        raise StorageError(
            f"{error.filename or folder} cannot be written: {error.strerror}.\n"
            "Free disk space or fix the permissions, then try again."
        ) from error


def check_is_unused(folder: Path) -> None:
    """Raises ManifestError unless the folder is missing or empty; a link to an empty one is followed."""
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise ManifestError(f"{folder} exists and is not an empty folder; choose another name.")


def _read_into(files: dict[str, bytes], folder: Path, prefix: str) -> None:
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        if is_left_out(entry.name):
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


INJECTED = "harness_kit.py"
"""Injected into every box; a file with that name would shadow it."""
