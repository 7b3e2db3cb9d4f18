"""Temporary files and folders that a killed process does not leave behind for good.

Whoever makes one holds a lock on it, which the kernel releases when its holder dies. The next one that needs
a temporary of the same kind removes those that nobody holds.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from studbook.errors import StorageError

PREFIX = "studbook-scratch-"
YOUNG_SECONDS = 60.0
"""A younger one may not be locked yet."""


def temporary_base() -> Path:
    """The folder for temporary files. Raises StorageError if none can be written."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise StorageError(
            "no folder for temporary files can be written\n"
            "set TMPDIR to one that you can write, or free some space"
        ) from error


@contextmanager
def scratch_folder(purpose: str, *, within: Path | None = None) -> Iterator[Path]:
    """An empty folder of this user alone, removed after the block. Raises OSError and StorageError.

    `within`: a folder to hide it in, for what is moved from there in the same file system.
    """
    base, prefix = (temporary_base(), PREFIX) if within is None else (within, f".{PREFIX}")
    remove_abandoned(base.glob(f"{prefix}*"))
    path = Path(tempfile.mkdtemp(prefix=f"{prefix}{purpose}-", dir=base))
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        hold(handle)
        yield path
    finally:
        os.close(handle)
        shutil.rmtree(path, ignore_errors=True)


def remove_abandoned(paths: Iterable[Path]) -> None:
    """Removes those of this user that no process holds and that are not young."""
    for path in paths:
        with suppress(OSError):  # its owner has just removed it, or the file system has no locks
            status = path.lstat()
            is_plain = stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)
            is_young = time.time() - status.st_mtime < YOUNG_SECONDS
            if not is_plain or status.st_uid != os.geteuid() or is_young:
                continue
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISDIR(status.st_mode):
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
            finally:
                os.close(handle)


def hold(handle: int) -> None:
    """Locks a temporary file or folder until its descriptor is closed, if the file system has locks."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
