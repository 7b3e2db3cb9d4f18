"""Finds and opens the files of a folder of papers, and reads nothing that lies outside of it.

A folder may come from elsewhere, and what is read is sent to endpoints. So a link is followed only to what is
inside the folder, and a hard link is read only if all names of its file are inside (those of our own package
in any case: installers link files to their cache). Pipes, devices and files that the kernel makes up
(`/proc`) are never read. Whatever is not read is named with a reason; only hidden files and folders are
ignored without a word. Knows no formats.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
COPY = "copy it to have it read"
BUNDLED = Path(os.path.realpath(__file__)).parents[1] / "experiments"
LEAVES = f"a link that leaves the folder ({COPY})"

FileId = tuple[int, int]
"""Device and inode: the same for all names of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file or folder that was not read, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """`source` is its name for display, relative to the folder; `place` has no links left."""

    source: str
    place: Path


class UnreadableFile(Exception):
    """Why a file is not read, in the words of `Skipped.reason`."""


def find_files(path: Path) -> list[FoundFile | Skipped]:
    """The files under a folder: in every folder by name, before its subfolders. A file stands for itself."""
    if not path.is_dir():
        return [FoundFile(source=_shown(path.name), place=path)]
    root = Path(os.path.realpath(path))
    found = _Walk(root).entries()
    inside: Counter[FileId] | None = None
    checked: list[FoundFile | Skipped] = []
    for each in found:
        if isinstance(each, FoundFile) and (names := _names_of(each.place)) > 1:
            inside = _count_names(root) if inside is None else inside
            if names > inside[_file_id(each.place.lstat())]:
                each = Skipped(
                    source=each.source, reason=f"a hard link to a file outside the folder ({COPY})"
                )
        checked.append(each)
    return checked


def read_file(place: Path, max_bytes: int) -> bytes:
    """The content of a plain file; raises UnreadableFile for anything else, or more than `max_bytes`."""
    try:
        kind = stat.S_IFMT(place.stat().st_mode)
        if kind != stat.S_IFREG:
            raise UnreadableFile(f"{KINDS.get(kind, 'something')}, not a plain file")
        handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            size = os.fstat(handle).st_size
            data = b"" if size > max_bytes else file.read(max_bytes + 1)
    except OSError as error:
        raise UnreadableFile(f"cannot be read: {error.strerror}") from error
    if max(size, len(data)) > max_bytes:
        raise UnreadableFile(f"larger than {max_bytes:,} bytes")
    if data and not size:
        raise UnreadableFile("made up by the kernel (as in /proc), not a plain file")
    return data


class _Walk:
    """One pass over the tree without links, then over the folders that only links lead to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: dict[FileId, str] = {}
        self._linked: list[FoundFile] = []

    def entries(self) -> Iterator[FoundFile | Skipped]:
        yield from self._tree(self._root, "")
        while self._linked:
            link = self._linked.pop(0)
            seen = self._seen.get(_file_id(link.place.stat()))
            if seen is None:
                yield from self._tree(link.place, f"{link.source}/")
            else:
                reason = f"a link to a folder that is read already ({seen or 'the whole folder'})"
                yield Skipped(source=link.source, reason=reason)

    def _tree(self, folder: Path, source: str) -> Iterator[FoundFile | Skipped]:
        waiting = [(folder, source)]
        while waiting:
            folder, source = waiting.pop()
            try:
                self._seen[_file_id(folder.stat())] = source
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError as error:
                yield Skipped(source=source or ".", reason=f"cannot be read: {error.strerror}")
                continue
            folders: list[tuple[Path, str]] = []
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                place, name = Path(entry.path), source + _shown(entry.name)
                if entry.is_symlink():
                    yield from self._link(place, name)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append((place, f"{name}/"))
                else:
                    yield FoundFile(source=name, place=place)
            waiting += reversed(folders)

    def _link(self, link: Path, name: str) -> Iterator[FoundFile | Skipped]:
        try:
            target = Path(os.path.realpath(link, strict=True))
            is_folder = target.is_dir()
        except OSError as error:
            yield Skipped(source=name, reason=f"a link that leads nowhere: {error.strerror}")
            return
        if not target.is_relative_to(self._root):
            yield Skipped(source=name, reason=LEAVES)
        elif is_folder:
            self._linked.append(FoundFile(source=name, place=target))
        else:
            yield FoundFile(source=name, place=target)


def _names_of(place: Path) -> int:
    """How many names a plain file has, 1 for our own; 0 for anything else, which `read_file` refuses."""
    if place.is_relative_to(BUNDLED):
        return 1
    try:
        status = place.lstat()
    except OSError:
        return 0
    return status.st_nlink if stat.S_ISREG(status.st_mode) else 0


def _count_names(root: Path) -> Counter[FileId]:
    """How many names every file has under `root`, hidden ones included."""
    places = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)
    return Counter(_file_id(place.lstat()) for place in places)


def _file_id(status: os.stat_result) -> FileId:
    return status.st_dev, status.st_ino


def _shown(name: str) -> str:
    """A name that is no UTF-8 can be displayed and recorded too."""
    return os.fsencode(name).decode("utf-8", "replace")
