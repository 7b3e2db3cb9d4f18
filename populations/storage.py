"""A run on disk: its paths (docs/design.md, "On disk"), and writing that survives a crash.

A crash leaves either the old file or the new one, and there is one writer per run. Knows no formats. A full
disk or an unwritable folder is a StorageError that names it. The lock is advisory, and its file says who
holds it. The kernel releases it when its holder dies, so a leftover lock file has no effect.

`open_plain` and `read_plain` are for folders that somebody else may have made: they follow no link, wait for
no pipe, and read no more than is expected.
"""

import errno
import fcntl
import os
import platform
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from studbook.errors import IntegrityError, StorageError, remedy
from studbook.scratch import hold

_STRAY = re.compile(r"\.DS_Store|\._.+|\.nfs[0-9a-f]+", re.DOTALL)

LOCK = "journal.jsonl.lock"
"""In a run folder."""

RUNS_DIR = "runs"
"""Default directory of runs."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run; `root` is runs/<name>."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def spec(self) -> Path:
        return self.root / "spec.resolved.yaml"

    @property
    def environment(self) -> Path:
        return self.root / "environment.json"

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def lineage(self) -> Path:
        return self.root / "lineage.git"

    @property
    def calls(self) -> Path:
        return self.root / "calls.sqlite"

    @property
    def trajectories(self) -> Path:
        return self.root / "trajectories"

    @property
    def notices(self) -> Path:
        return self.root / "notices.jsonl"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def provenance(self) -> Path:
        return self.root / "provenance"

    @property
    def lock(self) -> Path:
        return self.root / LOCK

    @property
    def exists(self) -> bool:
        """A folder becomes a run with its journal."""
        return os.path.lexists(self.journal)

    def check_kinds(self) -> None:
        """Raises IntegrityError if something else stands where Studbook reads or writes a file or a folder.

        A link may lead to any file of the user, and whoever opens a pipe waits for its other end.
        """
        database = [self.calls.with_name(self.calls.name + end) for end in ("", "-wal", "-shm", "-journal")]
        texts = (self.spec, self.environment, self.notices, self.report, self.provenance)
        files = (self.journal, self.lock, *texts, *database)
        for path in files:
            check_kind(path, stat.S_ISREG)
        for path in (self.lineage, self.trajectories):
            check_kind(path, stat.S_ISDIR)

    def create(self) -> "RunFolder":
        """Creates missing folders; raises StorageError naming the one that cannot be created."""
        with storage_errors(self.root, "create"):
            self.trajectories.mkdir(parents=True, exist_ok=True)
        return self


def is_stray(name: str) -> bool:
    """Whether a file with this name was left by a file manager (macOS) or a network file system."""
    return _STRAY.fullmatch(name) is not None


@contextmanager
def storage_errors(path: Path, doing: str) -> Iterator[None]:
    """Turns an OSError into a StorageError that says what was being done to which path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot {doing} {path}: {reason}.\n{remedy(error)}, then resume.") from error


def check_kind(path: Path, is_right: Callable[[int], bool]) -> None:
    """Raises IntegrityError if something of another kind than a plain file, or folder, stands there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not is_right(mode):
        raise IntegrityError(
            f"{path} is {kind_words(mode)}, and a run has only plain files and folders of its own\n"
            "  remove it, or restore it from a backup of the run"
        )


def kind_words(mode: int) -> str:
    """What `mode` says that a path is, as words."""
    kinds = {
        stat.S_ISLNK: "a link",
        stat.S_ISDIR: "a folder",
        stat.S_ISREG: "a file",
        stat.S_ISFIFO: "a pipe",
        stat.S_ISSOCK: "a socket",
    }
    return next((words for is_kind, words in kinds.items() if is_kind(mode)), "a device")


def open_plain(path: Path, most_bytes: int) -> BinaryIO:
    """Opens a regular file for reading.

    Raises IntegrityError for a link, for anything else that is no regular file, and for more than
    `most_bytes`; OSError (FileNotFoundError too) if it cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # the latter on BSD
            raise IntegrityError(f"{path} is a link, and a run has only plain files") from error
        if error.errno == errno.ENXIO:  # a socket
            raise IntegrityError(f"{path} is a socket, and not a plain file") from error
        raise
    status = os.fstat(handle)
    if stat.S_ISREG(status.st_mode) and status.st_size <= most_bytes:
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISREG(status.st_mode):
        raise IntegrityError(f"{path} has {status.st_size:,} bytes, more than the {most_bytes:,} allowed")
    raise IntegrityError(f"{path} is {kind_words(status.st_mode)}, and not a plain file")


def read_plain(path: Path, most_bytes: int) -> bytes | None:
    """The content of a regular file, None if there is none. Raises what `open_plain` raises."""
    try:
        with open_plain(path, most_bytes) as file:
            return file.read(os.fstat(file.fileno()).st_size)  # a larger number takes as much memory
    except FileNotFoundError:
        return None


def sync_folder(folder: Path) -> None:
    """Makes renames and new files in `folder` survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """Writes all of `data`; `os.write` may write less."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def create_beside(path: Path, folder: Path | None = None) -> tuple[int, Path]:
    """Creates a temporary file for `path`, in its folder or another one: its descriptor and place.

    The user's umask applies to it, as to every file that a program creates.
    """
    temporary = (folder or path.parent) / f".{path.name[:200]}.{secrets.token_hex(6)}.part"
    return os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), temporary


@contextmanager
def atomic_file(path: Path, *, temporary_in: Path | None = None) -> Iterator[int]:
    """Writes the whole file or changes nothing: yields the descriptor of a temporary file, then renames it.

    The file is fsynced before the rename, its folder after it. A file that is replaced keeps its mode.
    `temporary_in`: another folder of the same file system, where leftovers of a crash do no harm.
    """
    with storage_errors(path, "write"):
        handle, temporary = create_beside(path, temporary_in)
        try:
            try:
                hold(handle)
                yield handle
                if (mode := _mode_of(path)) is not None:
                    os.fchmod(handle, mode)
                os.fsync(handle)
            finally:
                os.close(handle)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def _mode_of(path: Path) -> int | None:
    """The permissions of a plain file that exists."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(mode) if stat.S_ISREG(mode) else None


def atomic_write(path: Path, data: bytes, *, temporary_in: Path | None = None) -> None:
    """Writes `data` as a whole file, with `atomic_file`."""
    with atomic_file(path, temporary_in=temporary_in) as handle:
        write_all(handle, data)


def this_process() -> str:
    """Names this process in the message to a second writer."""
    return f"process {os.getpid()} on {platform.node() or 'this machine'}"


class WriterLock:
    """Held from construction to `close`; raises StorageError naming the holder if it is taken."""

    def __init__(self, path: Path, holder: str) -> None:
        check_kind(path, stat.S_ISREG)  # it is emptied below
        with storage_errors(path, "open the lock"):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._handle = os.open(path, flags, 0o644)
        try:
            self._take(path, holder)
        except StorageError:
            os.close(self._handle)
            raise

    def _take(self, path: Path, holder: str) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"{path.parent} is being written by {_read(self._handle)}.\n"
                "Wait for it to end, or stop it; two writers would corrupt the run."
            ) from error
        except OSError as error:
            raise StorageError(f"{path}: this file system has no locks ({error.strerror}).") from error
        with storage_errors(path, "write the lock"):
            os.ftruncate(self._handle, 0)
            write_all(self._handle, holder.encode("utf-8", "replace"))

    def close(self) -> None:
        """Releases the lock. The file stays: removing it could let two writers lock two files."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _read(handle: int) -> str:
    text = os.pread(handle, 200, 0).decode("utf-8", "replace").strip()
    return text or "another process"
