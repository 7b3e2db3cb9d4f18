"""Files that claim more than they hold: a hole takes no space on the disk, and reads as zeros.

Nothing that Studbook writes has holes, and limits that follow from a file's size are worth nothing if it can
have any size for free. Copying tools may turn a few blocks of zeros into holes; that is allowed.
"""

import errno
import os
from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024


def has_holes(path: Path) -> bool:
    """Whether more than `MAX_BYTES` of a plain file are holes. False where the system does not tell."""
    try:
        with path.open("rb") as file:
            return _has_more_than_allowed(file.fileno(), os.fstat(file.fileno()).st_size)
    except OSError:
        return False


def _has_more_than_allowed(handle: int, size: int) -> bool:
    holes = place = 0
    while size - place > MAX_BYTES - holes:  # else the rest is too short
        try:
            data = os.lseek(handle, place, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            data = size  # nothing but a hole until the end
        holes += data - place
        if holes > MAX_BYTES:
            return True
        place = os.lseek(handle, data, os.SEEK_HOLE)
    return False
