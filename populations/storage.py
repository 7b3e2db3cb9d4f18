"""Writing so that a crash leaves the old file or the new one, and saying which path refused.

Knows no format. A disk that is full or a folder that cannot be written is a StorageError that names it.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studbook.errors import StorageError


@contextmanager
def storage_errors(path: Path, doing: str) -> Iterator[None]:
    """Turns an OSError into a StorageError that says what was being done to which path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"cannot {doing} {path}: {reason}.\nMake room or fix the permissions, then go on."
        ) from error


def sync_folder(folder: Path) -> None:
    """Makes renames and creations in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """`os.write` may write less than it was given; this one does not."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def atomic_write(path: Path, data: bytes, *, temporary_in: Path | None = None) -> None:
    """The whole file or no change: written beside `path`, fsynced, renamed over it, folder fsynced.

    `temporary_in`: another folder of the same file system, where a leftover of a crash would not matter.
    """
    with storage_errors(path, "write"):
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=".part", dir=temporary_in or path.parent
        )
        temporary = Path(name)
        try:
            try:
                write_all(handle, data)
                os.fchmod(handle, 0o644)
                os.fsync(handle)
            finally:
                os.close(handle)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
