"""Finds and opens the files of a folder of papers, and reads nothing that lies outside of it.

A folder may come from elsewhere, and what is read is sent to endpoints. So a link is followed only to what is
inside the folder, and a hard link is read only if all names of its file are inside (those of our own package
in any case: installers link files to their cache). Pipes, devices and files that the kernel makes up
(`/proc`) are never read, nor is a file that was replaced after it was found, nor one reached through a folder
that has become a link. Whatever is not read is named with a reason; only hidden files and folders are ignored
without a word. Knows no formats.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from studbook.populations.storage import kind_words

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
    """`source` is its name for display, relative to the folder; `place` has no links left.

    `root`: the folder of papers, without links too; None for a file that the user named, whose links count.
    """

    source: str
    place: Path
    root: Path | None = None
    file_id: FileId | None = None


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
        if isinstance(each, FoundFile):
            try:
                status = each.place.lstat()
            except OSError as error:
                checked.append(_unreadable(each.source, error))
                continue
            each = replace(each, root=root, file_id=_file_id(status))
            if _may_be_outside(each.place, status):
                inside = _count_names(root) if inside is None else inside
                if status.st_nlink > inside[_file_id(status)]:
                    each = Skipped(
                        source=each.source, reason=f"a hard link to a file outside the folder ({COPY})"
                    )
        checked.append(each)
    return checked


def read_file(found: FoundFile, max_bytes: int) -> bytes:
    """The content of a plain file; raises UnreadableFile for anything else, or more than `max_bytes`."""
    try:
        with os.fdopen(_open(found), "rb") as file:
            status = os.fstat(file.fileno())
            if found.file_id not in (None, _file_id(status)):
                raise UnreadableFile("replaced while the folder was being read")
            size = status.st_size
            data = b"" if size > max_bytes else file.read(max_bytes + 1)
    except OSError as error:
        raise UnreadableFile(f"cannot be read: {error.strerror}") from error
    if max(size, len(data)) > max_bytes:
        raise UnreadableFile(f"larger than {max_bytes:,} bytes")
    if data and not size:
        raise UnreadableFile("made up by the kernel (as in /proc), not a plain file")
    return data


def _open(found: FoundFile) -> int:
    """Opens a plain file; below `root` no link is followed, whatever was put there since it was found."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    if found.root is None:
        _check_is_plain(found.place.stat())
        return os.open(found.place, flags)
    *folders, name = found.place.relative_to(found.root).parts
    handle = os.open(found.root, flags | os.O_DIRECTORY)
    try:
        for folder in folders:
            inner = os.open(folder, flags | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        _check_is_plain(os.stat(name, dir_fd=handle, follow_symlinks=False))
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=handle)
    finally:
        os.close(handle)


def _check_is_plain(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFile(f"{kind_words(status.st_mode)}, not a plain file")


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
            try:
                seen = self._seen.get(_file_id(link.place.stat()))
            except OSError as error:
                yield _unreadable(link.source, error)
                continue
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
                yield _unreadable(source or ".", error)
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


def _may_be_outside(place: Path, status: os.stat_result) -> bool:
    """Whether a plain file that is not our own has several names; anything else `read_file` refuses."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and not place.is_relative_to(BUNDLED)


def _count_names(root: Path) -> Counter[FileId]:
    """How many names every file has under `root`, hidden ones included."""
    counts: Counter[FileId] = Counter()
    for folder, _, names in os.walk(root):
        for name in names:
            with suppress(OSError):  # it has vanished meanwhile, or its path is too long
                counts[_file_id(Path(folder, name).lstat())] += 1
    return counts


def _unreadable(source: str, error: OSError) -> Skipped:
    return Skipped(source=source, reason=f"cannot be read: {error.strerror}")


def _file_id(status: os.stat_result) -> FileId:
    return status.st_dev, status.st_ino


def _shown(name: str) -> str:
    """A name that is no UTF-8 can be displayed and recorded too."""
    return os.fsencode(name).decode("utf-8", "replace")
