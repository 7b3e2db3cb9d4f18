"""What a box can write to, and how much of it. Runs in the box; removes what it makes."""

# Importing pathlib would cost every box 10 ms.
# ruff: noqa: PTH101, PTH102, PTH108, PTH112, PTH118, PTH123

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Any

from studbook.sandbox.probes.guest.attempts import create_and_remove, error_of, read_text

SYSTEM_FOLDERS = ("/", "/etc", "/usr", "/var", "/var/tmp", "/opt", "/home", "/root")
ENGINE_MOUNTS = ("/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv")
KERNEL_FOLDERS = ("/proc", "/sys", "/dev")
SLOW_TYPES = ("nfs", "cifs", "smb", "fuse", "9p", "autofs")  # a dead server would hang the probe
CHUNK = bytes(64 * 1024)


def look(knobs: dict[str, Any]) -> dict[str, Any]:
    own = os.path.realpath(os.environ["TMPDIR"])
    places = [place for place in (own, "/dev/shm") if os.path.isdir(place)]
    return {
        "root": {folder: error_of(lambda f=folder: create_and_remove(f)) for folder in existing()},  # type: ignore[misc]
        "mounts": foreign_mounts(own),
        "bytes": {place: fill(place, 2 * int(knobs["tmpfs_bytes"])) for place in places},
        "files": {place: litter(place, 2 * int(knobs["tmpfs_inodes"])) for place in places},
        "exec": {place: error_of(lambda p=place: execute_in(p)) for place in places},  # type: ignore[misc]
        "open_files": open_many(int(knobs["open_files"]) + 64),
        "file_size": error_of(lambda: stretch(own, 2 * int(knobs["tmpfs_bytes"]))),
    }


def existing() -> list[str]:
    return [folder for folder in SYSTEM_FOLDERS if os.path.isdir(folder)]


def foreign_mounts(own: str) -> list[dict[str, Any]]:
    """Mounts that no engine makes by itself, each with what creating a file there came to."""
    found = []
    for row in (read_text("/proc/self/mountinfo") or "").splitlines():
        fields, _, source = row.partition(" - ")
        place, kind = fields.split()[4].replace("\\040", " "), source.split()[0]
        inside = any(place == top or place.startswith(top + "/") for top in KERNEL_FOLDERS)
        if place in (*ENGINE_MOUNTS, own) or inside:
            continue
        is_slow = kind.startswith(SLOW_TYPES)
        error = "not tried" if is_slow else error_of(lambda p=place: create_and_remove(p))  # type: ignore[misc]
        is_empty_tmpfs = kind == "tmpfs" and os.path.isdir(place) and is_empty(place)
        found.append({"place": place, "kind": kind, "error": error, "is_empty_tmpfs": is_empty_tmpfs})
    return found


def is_empty(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def fill(folder: str, most: int) -> int:
    """Bytes that fit, in files small enough for any limit on one file."""
    root = make_folder(folder)
    written = 0
    try:
        while root and written < most:
            with open(os.path.join(root, str(written)), "wb", buffering=0) as file:
                for _ in range(8):
                    written += file.write(CHUNK)
    except OSError:
        pass  # full: that is the answer
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return written


def litter(folder: str, most: int) -> int:
    """Empty files that fit."""
    root = make_folder(folder)
    made = 0
    try:
        while root and made < most:
            os.close(os.open(os.path.join(root, str(made)), os.O_CREAT | os.O_WRONLY, 0o600))
            made += 1
    except OSError:
        pass  # full: that is the answer
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return made


def make_folder(folder: str) -> str:
    path = os.path.join(folder, f".studbook-probe-{os.getpid()}")
    return "" if error_of(lambda: os.mkdir(path)) else path


def execute_in(folder: str) -> None:
    path = os.path.join(folder, f".studbook-probe-{os.getpid()}")
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!{sys.executable}\n")
        os.chmod(path, 0o700)
        subprocess.run([path], check=False, stdin=subprocess.DEVNULL)
    finally:
        error_of(lambda: os.unlink(path))


def open_many(most: int) -> int:
    files: list[int] = []
    try:
        while len(files) < most:
            files.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass  # the limit: that is the answer
    finally:
        for file in files:
            os.close(file)
    return len(files)


def stretch(folder: str, size: int) -> None:
    """A file with a hole: it takes no room, so only a limit on the size of files can refuse it."""
    path = os.path.join(folder, f".studbook-probe-{os.getpid()}")
    try:
        with open(path, "wb") as file:
            file.truncate(size)
    finally:
        error_of(lambda: os.unlink(path))
