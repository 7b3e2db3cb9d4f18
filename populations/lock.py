"""One writer per run: an advisory lock whose file says who holds it.

The kernel drops the lock when its holder dies, however it dies, so a lock file that lies there means nothing.
Does not protect against programs that do not ask.
"""

import fcntl
import os
import platform
from pathlib import Path

from populations.storage import storage_errors, write_all
from studbook.errors import StorageError


def this_process() -> str:
    """How a holder is named to whom it keeps out."""
    return f"process {os.getpid()} on {platform.node() or 'this machine'}"


class WriterLock:
    """Held from construction to `close`; raises StorageError naming the holder when it is taken."""

    def __init__(self, path: Path, holder: str) -> None:
        with storage_errors(path, "open the lock"):
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
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
                "Wait for it to end, or stop it; two writers would spoil the run."
            ) from error
        except OSError as error:
            raise StorageError(f"{path}: this file system has no locks ({error.strerror}).") from error
        with storage_errors(path, "write the lock"):
            os.ftruncate(self._handle, 0)
            write_all(self._handle, holder.encode("utf-8", "replace"))

    def close(self) -> None:
        """Lets the next writer in. The file stays: removing it would let two writers lock two files."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _read(handle: int) -> str:
    text = os.pread(handle, 200, 0).decode("utf-8", "replace").strip()
    return text or "another process"
