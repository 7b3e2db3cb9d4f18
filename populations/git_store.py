"""Git objects as loose files: stored durably, proved when they are read, and found in packs too.

Written directly instead of by `git`: a mutant takes a few files instead of a few processes, every object is
fsynced before anything refers to it, and is hashed again when it is read. `populations/lineage.py` manages
refs.
"""

import os
import secrets
import zlib
from itertools import islice
from pathlib import Path

from studbook.errors import IntegrityError
from studbook.populations.git_objects import MAX_OBJECT_BYTES, GitObject
from studbook.populations.storage import read_plain, sync_folder, write_all

KEPT_IDS = 2048
"""Number of remembered existing objects; a mutant adds about four and shares the others with its parent."""


def store(folder: Path, objects: list[GitObject], known: dict[str, None]) -> None:
    """Writes the missing objects to `folder` (a repository's objects/); durable when it returns.

    `known`: ids that certainly exist and are not looked up; the ids of `objects` are added, and the oldest
    are dropped when there are many.
    """
    unknown = [item for item in objects if item.sha not in known]
    missing = [item for item in unknown if not _path(folder, item.sha).exists()]
    fans = {folder / item.sha[:2] for item in missing}
    made = [fan for fan in fans if _made_folder(fan)]
    for item in missing:
        _write(_path(folder, item.sha), item)
    for fan in fans:
        sync_folder(fan)
    if made or (missing and not known):  # files of a killed process may not be durable
        sync_folder(folder)
    known.update((item.sha, None) for item in unknown)
    for old in list(islice(known, max(0, len(known) - KEPT_IDS))):
        del known[old]


def _path(folder: Path, sha: str) -> Path:
    return folder / sha[:2] / sha[2:]


def _made_folder(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def _write(path: Path, item: GitObject) -> None:
    temporary = path.parent / f"tmp_obj_{secrets.token_hex(6)}"  # `git gc` prunes such names
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            write_all(handle, zlib.compress(item.content, 1))
            os.fchmod(handle, os.fstat(handle).st_mode & 0o444)
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_loose(folder: Path, sha: str) -> GitObject | None:
    """A loose object, proved by its id; None without a file. Raises IntegrityError, OSError."""
    path = _path(folder, sha)
    data = read_plain(path, MAX_OBJECT_BYTES)
    if data is None:
        return None
    try:
        found = GitObject.parse(inflate(data))
    except IntegrityError as error:
        raise IntegrityError(f"{path} is damaged: {error}") from error
    if found.sha != sha:
        raise IntegrityError(f"{path} is damaged: its content does not match its name")
    return found


def inflate(data: bytes) -> bytes:
    """The content of a loose object; raises IntegrityError if it is not one, or too large."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(data, MAX_OBJECT_BYTES)
    except zlib.error as error:
        raise IntegrityError(str(error)) from error
    if not inflater.eof or inflater.unused_data:
        raise IntegrityError("cut short, too large, or followed by other bytes")
    return content
