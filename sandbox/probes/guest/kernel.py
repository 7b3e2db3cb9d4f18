"""What the kernel lets a box do. Runs in the box; tries only what changes nothing outside its own process."""

# Importing pathlib would cost every box 10 ms.
# ruff: noqa: PTH110, PTH116, PTH118, PTH123, PTH208

from __future__ import annotations

import ctypes
import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Any

from studbook.sandbox.probes.guest.attempts import error_of, read_text

STATUS = ("CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters")
DEVICES = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"}
MASKED = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/proc/acpi", "/sys/firmware")
SETTINGS = ("/proc/sys", "/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")
CGROUPS = "/sys/fs/cgroup"
VSOCK = 40
TRACE_ME, NEW_USER_NAMESPACE, NO_RANDOM_ADDRESSES = 0, 0x10000000, 0x0040000
PERSONALITY_CALLS = {"x86_64": 135, "aarch64": 92}
IO_URING_SETUP = 425  # the same number everywhere


def look(_knobs: dict[str, Any]) -> dict[str, Any]:
    return {
        "user": os.getuid(),
        "become_root": error_of(lambda: os.setuid(0)) if os.getuid() else "",
        "status": read_status(),
        "calls": {name: in_child(call) for name, call in CALLS.items()},
        "personality": in_child(change_personality),
        "shim": error_of(lambda: open(f"/proc/{os.getppid()}/mem", "rb").close()),
        "devices": other_devices(),
        "masked": {path: is_visible(path) for path in MASKED},
        "settings": {path: writable(path) for path in [*SETTINGS, *cgroups()] if os.path.exists(path)},
    }


def read_status() -> dict[str, str]:
    rows = (row.partition(":") for row in (read_text("/proc/self/status") or "").splitlines())
    return {name: value.strip() for name, _, value in rows if name in STATUS}


def in_child(call: Callable[[], None]) -> str:
    """The error's name, "" when the call worked; in a child, because some of them cannot be undone."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, (error_of(call) or "done").encode("ascii"))
        finally:
            os._exit(0)
    os.close(write)
    answer = os.read(read, 64).decode("ascii")
    os.close(read)
    os.waitpid(child, 0)
    return "" if answer == "done" else answer or "KILLED"


def checked(result: int) -> None:
    if result == -1:
        raise OSError(ctypes.get_errno(), "")


def library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def open_vsock() -> None:
    socket.socket(VSOCK, socket.SOCK_STREAM).close()


def make_ring() -> None:
    """Without arguments: EFAULT comes from a call that was let through."""
    try:
        checked(library().syscall(IO_URING_SETUP, 1, None))
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise


def be_traced() -> None:
    checked(library().ptrace(TRACE_ME, 0, None, None))


def make_user_namespace() -> None:
    checked(library().unshare(NEW_USER_NAMESPACE))


def change_personality() -> None:
    """Harmless, refused by the filter of every engine known, and by nothing else."""
    call = PERSONALITY_CALLS.get(os.uname().machine)
    if call is None:
        raise OSError(errno.EOPNOTSUPP, "")
    checked(library().syscall(call, NO_RANDOM_ADDRESSES))


CALLS: dict[str, Callable[[], None]] = {
    "vsock": open_vsock,
    "io_uring": make_ring,
    "ptrace": be_traced,
    "user namespace": make_user_namespace,
}


def other_devices() -> list[str]:
    """Device nodes beside the harmless ones, wherever they lie in /dev."""
    found = []
    for folder, folders, names in os.walk("/dev"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/dev/pts", "/dev/fd")]
        for name in names:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            is_device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
            if is_device and not (folder == "/dev" and name in DEVICES):
                found.append(os.path.join(folder, name))
    return sorted(found)[:50]


def is_visible(path: str) -> bool:
    """Engines put an empty folder or /dev/null over what tells about the machine."""
    try:
        found = os.stat(path)
        return bool(os.listdir(path)) if stat.S_ISDIR(found.st_mode) else not stat.S_ISCHR(found.st_mode)
    except OSError:
        return False


def cgroups() -> list[str]:
    """Every mounted hierarchy: one with cgroup v2, several with v1."""
    rows = (row.partition(" - ") for row in (read_text("/proc/self/mountinfo") or "").splitlines())
    return [fields.split()[4] for fields, _, source in rows if source.startswith("cgroup")]


def writable(path: str) -> str:
    """ "read-only", "writable", or "refused" when only the box's user stands in the way."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "read-only"
    return "writable" if os.access(path, os.W_OK) else "refused"
