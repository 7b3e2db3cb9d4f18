"""Where a command writes its result: tried before anything is measured or paid for, and written as a whole.

A plain file is replaced in one step, through links, and only if the command wrote it itself: anything else
would be lost. What is no plain file (a pipe, a terminal, `/dev/stdout`) is written to and stays what it is.
New files have the mode that the user's umask says. Refused: folders, block devices, and places that cannot be
written.
"""

import errno
import fcntl
import glob
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import UsageError
from studbook.populations.storage import atomic_file, create_beside, storage_errors, write_all
from studbook.scratch import remove_abandoned

HEAD_BYTES = 1_000
MAX_LINKS = 40
STDOUT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A place that was found to be writable. `named` is what the user called it.

    `is_stdout`: nothing else must be written to standard output then.
    `writing` gives the descriptor to write to; leaving it without an error makes the content visible. It
    raises UsageError if a file that the command did not write has appeared there, and StorageError.
    """

    named: Path
    is_file: bool
    is_stdout: bool = False
    writing: Callable[[], AbstractContextManager[int]]

    def write(self, data: bytes) -> None:
        with self.writing() as handle:
            write_all(handle, data)


@contextmanager
def opened_output(path: Path, beginning: bytes | None, option: str = "--out") -> Iterator[Output]:
    """Tries the place, and keeps a stream open during the block.

    `beginning`: how every file of this command begins; None: no file is replaced. Raises UsageError.
    """
    told = f"{option} {path}"
    stream = _open_stream(path, told)
    if stream is None:
        target = _check_file(path, beginning, told)
        _try_folder(target, told)
        remove_abandoned(target.parent.glob(f".{glob.escape(target.name)}.*.part"))
        yield Output(
            named=path, is_file=True, writing=lambda: atomic_file(_check_file(path, beginning, told))
        )
        return
    try:
        is_stdout = os.path.samestat(os.fstat(stream), os.fstat(STDOUT))
        yield Output(named=path, is_file=False, is_stdout=is_stdout, writing=lambda: _into(stream, path))
    finally:
        os.close(stream)


@contextmanager
def _into(stream: int, path: Path) -> Iterator[int]:
    """Other programs may have the stream too, so it gets its mode back."""
    with storage_errors(path, "write to"):
        is_blocking = os.get_blocking(stream)
        os.set_blocking(stream, True)
        try:
            yield stream
        finally:
            os.set_blocking(stream, is_blocking)


def _open_stream(path: Path, told: str) -> int | None:
    """A descriptor of what is no plain file, and of a file that is open already; None for a file."""
    try:
        number = _descriptor(path)
        if number is not None:
            if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise UsageError(f"{told}: it is open for reading only")
            return os.dup(number)
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind not in (stat.S_IFIFO, stat.S_IFCHR):
            return None
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENXIO and path.is_fifo():
            raise UsageError(f"{told}: nothing reads from this pipe\n  start its reader first") from error
        raise UsageError(f"{told}: it cannot be written: {error.strerror}") from error


def _descriptor(path: Path) -> int | None:
    """The number for `/dev/stdout`, `/dev/fd/3` and links to them; opened anew, a file would start over."""
    for _ in range(MAX_LINKS):
        folder = os.path.realpath(path.parent)
        if folder in (f"/proc/{os.getpid()}/fd", "/dev/fd") and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            return None
        path = Path(folder, path.readlink())
    return None


def _check_file(path: Path, beginning: bytes | None, told: str) -> Path:
    """The file to write, with links resolved. Raises UsageError if it must not be replaced."""
    if not path.parent.is_dir():
        raise UsageError(f"{told}: the folder {path.parent} does not exist\n  create it, or choose another")
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise UsageError(f"{told}: a link to {target}, whose folder does not exist")
    if target.is_dir():
        raise UsageError(f"{told}: it is a folder\n  name a file in it")
    if not os.path.lexists(target):
        return target
    if not target.is_file():
        raise UsageError(f"{told}: it exists and is no plain file\n  choose another name")
    if beginning is None:
        raise UsageError(f"{told}: it already exists\n  choose another name, or remove it")
    with storage_errors(target, "read"), target.open("rb") as handle:
        head = handle.read(HEAD_BYTES)
    if head and not head.startswith(beginning):
        raise UsageError(
            f"{told}: it exists, and this command did not write it\n  remove it, or choose another name"
        )
    if not os.access(target, os.W_OK):
        raise UsageError(f"{told}: it is write-protected\n  choose another name")
    return target


def _try_folder(target: Path, told: str) -> None:
    """Creates and removes a file, because neither permissions nor mount options tell whether that works."""
    try:
        handle, temporary = create_beside(target)
        os.close(handle)
        temporary.unlink()
    except OSError as error:
        raise UsageError(
            f"{told}: no file can be created in {target.parent}: {error.strerror}\n  choose another folder"
        ) from error
