"""Where a command writes its result: checked before anything is measured or paid for.

Links are followed. Refused are a folder that is missing, anything but a plain file, and a file that the
command did not write itself: its content would be lost.
"""

from pathlib import Path

from studbook.errors import UsageError
from studbook.populations.storage import storage_errors

HEAD_BYTES = 1_000


def output_file(path: Path, beginning: bytes, option: str = "--out") -> Path:
    """The file to write, with links resolved. `beginning`: how every file of this command begins.

    Raises UsageError; StorageError for a file that cannot be read.
    """
    told = f"{option} {path}"
    if not path.parent.is_dir():
        raise UsageError(f"{told}: the folder {path.parent} does not exist\n  create it, or choose another")
    target = path.resolve()
    if not target.parent.is_dir():
        raise UsageError(f"{told}: a link to {target}, whose folder does not exist")
    if not target.exists():
        return target
    if not target.is_file():
        raise UsageError(f"{told}: it exists and is no plain file\n  choose another name")
    with storage_errors(target, "read"), target.open("rb") as handle:
        head = handle.read(HEAD_BYTES)
    if head and not head.startswith(beginning):
        raise UsageError(
            f"{told}: it exists, and this command did not write it\n  remove it, or choose another name"
        )
    return target
