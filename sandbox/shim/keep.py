"""The program of the keeper: a box of our own that holds the files all boxes read in memory while they run.

A mapped page stays in the page cache, and a locked one even when the machine runs short of memory; so all of
them are cached for every box, and none can leave a note by what it read. Writes one JSON line and waits for
the end of its input. Argument: the most bytes to hold. Runs alone, without harness and shim.
"""

# Standard library only, Python >= 3.9.
# ruff: noqa: PTH118

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys

SKIPPED = ("/proc", "/sys", "/dev", "/tmp")
PROT_READ, MAP_SHARED, MAP_POPULATE, MCL_CURRENT = 1, 1, 0x8000, 1


def hold(most_bytes: int, top: str = "/") -> dict[str, int | bool]:
    """Map every file that can be read; returns what is held. What no box can read either is not missed."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    files = size = 0
    missed: list[OSError] = []
    for folder, folders, names in os.walk(top, onerror=missed.append):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in SKIPPED]
        for name in names:
            try:
                held = hold_file(libc, os.path.join(folder, name), most_bytes - size)
            except OSError as error:
                missed.append(error)
            else:
                files, size = files + (held > 0), size + held
    lost = sum(not isinstance(error, PermissionError) for error in missed)
    return {"files": files, "bytes": size, "missed": lost, "locked": libc.mlockall(MCL_CURRENT) == 0}


def hold_file(libc: ctypes.CDLL, path: str, most_bytes: int) -> int:
    """The number of bytes that are held, 0 if there are none. Raises OSError."""
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return 0
    handle = os.open(path, os.O_RDONLY)
    try:
        if found.st_size > most_bytes or not map_file(libc, handle, found.st_size):
            raise OSError(f"not held: {path}")
    finally:
        os.close(handle)
    return found.st_size


def map_file(libc: ctypes.CDLL, handle: int, size: int) -> bool:
    address: int | None = libc.mmap(None, size, PROT_READ, MAP_SHARED | MAP_POPULATE, handle, 0)
    return address != ctypes.c_void_p(-1).value


def main() -> None:
    sys.stdout.write(json.dumps(hold(int(sys.argv[1]))) + "\n")
    sys.stdout.flush()
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main()
