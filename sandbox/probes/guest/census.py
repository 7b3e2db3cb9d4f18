"""Examines everything a box can access without exceeding a limit. Runs in the box.

Reports where it can write and how much, what the kernel permits, whether it has network access, and which
environment variables it can read: its own and those of every process it sees. Removes the files it creates,
changes nothing outside its own process, and sends at most one DNS query. Only fingerprints of variables leave
the box, never a value.
"""

# Importing pathlib would cost every box 10 ms.
# ruff: noqa: PTH101, PTH102, PTH108, PTH110, PTH112, PTH116, PTH118, PTH123, PTH208

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from studbook.sandbox.probes.guest.attempts import create_and_remove, error_of, read_text

SYSTEM_FOLDERS = ("/", "/etc", "/usr", "/var", "/var/tmp", "/opt", "/home", "/root")
ENGINE_MOUNTS = ("/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv")
KERNEL_FOLDERS = ("/proc", "/sys", "/dev")
SLOW_TYPES = ("nfs", "cifs", "smb", "fuse", "9p", "autofs")  # a dead server would hang the probe
CHUNK = bytes(64 * 1024)


def look_at_files(knobs: dict[str, Any]) -> dict[str, Any]:
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
    """Mounts that no engine adds by default, each with the error from creating a file there."""
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
    """Number of bytes that fit, in files small enough for any limit on the size of one file."""
    root = make_folder(folder)
    written = 0
    try:
        while root and written < most:
            with open(os.path.join(root, str(written)), "wb", buffering=0) as file:
                for _ in range(8):
                    written += file.write(CHUNK)
    except OSError:
        pass  # full: this is the result
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return written


def litter(folder: str, most: int) -> int:
    """Number of empty files that fit."""
    root = make_folder(folder)
    made = 0
    try:
        while root and made < most:
            os.close(os.open(os.path.join(root, str(made)), os.O_CREAT | os.O_WRONLY, 0o600))
            made += 1
    except OSError:
        pass  # full: this is the result
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
        pass  # limit reached: this is the result
    finally:
        for file in files:
            os.close(file)
    return len(files)


def stretch(folder: str, size: int) -> None:
    """Makes a sparse file: it takes no space, so only a limit on file size can refuse it."""
    path = os.path.join(folder, f".studbook-probe-{os.getpid()}")
    try:
        with open(path, "wb") as file:
            file.truncate(size)
    finally:
        error_of(lambda: os.unlink(path))


STATUS = ("CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters")
DEVICES = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"}
MASKED = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/proc/acpi", "/sys/firmware")
SETTINGS = ("/proc/sys", "/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")
CGROUPS = "/sys/fs/cgroup"
VSOCK = 40
TRACE_ME, NEW_USER_NAMESPACE, NO_RANDOM_ADDRESSES = 0, 0x10000000, 0x0040000
PERSONALITY_CALLS = {"x86_64": 135, "aarch64": 92}
IO_URING_SETUP = 425  # the same number on every architecture


def look_at_kernel(_knobs: dict[str, Any]) -> dict[str, Any]:
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
    """The error's name, "" when the call succeeded. Runs in a child: some calls cannot be undone."""
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
    """Passes no parameters, so EFAULT means that the call was permitted."""
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
    """A harmless call that is refused by every known engine's filter, and by nothing else."""
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
    """Device nodes anywhere in /dev, except the harmless ones."""
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
    """Engines mask paths that reveal the machine with an empty folder or /dev/null."""
    try:
        found = os.stat(path)
        return bool(os.listdir(path)) if stat.S_ISDIR(found.st_mode) else not stat.S_ISCHR(found.st_mode)
    except OSError:
        return False


def cgroups() -> list[str]:
    """Every mounted cgroup hierarchy: one with cgroup v2, several with v1."""
    rows = (row.partition(" - ") for row in (read_text("/proc/self/mountinfo") or "").splitlines())
    return [fields.split()[4] for fields, _, source in rows if source.startswith("cgroup")]


def writable(path: str) -> str:
    """ "read-only", "writable", or "refused" when only the box's user id prevents writing."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "read-only"
    return "writable" if os.access(path, os.W_OK) else "refused"


UP = 1
NOBODY = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # addresses reserved for documentation
QUESTION = b"\x5b\x1d\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x08studbook\x07invalid\x00\x00\x01\x00\x01"
NO_WAY = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def look_at_network(_knobs: dict[str, Any]) -> dict[str, Any]:
    return {
        "interfaces": interfaces(),
        "ways": [address for family, address in NOBODY.items() if has_way(family, address)],
        "name_servers": [server for server in name_servers() if answers(server)],
    }


def interfaces() -> list[str]:
    """Interfaces that are up, except loopback; kernels create some unused ones, all of them down."""
    names = [name for _, name in socket.if_nameindex() if name != "lo"]
    return [name for name in names if is_up(name)]


def is_up(name: str) -> bool:
    flags = (
        read_text(f"/sys/class/net/{name}/flags") or "0x1"
    ).strip()  # unreadable counts as up: better to report it
    return bool(int(flags, 16) & UP)


def has_way(family: int, address: str) -> bool:
    """Any error except "no route" means that there is a network."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.settimeout(0.5)
            trial.connect((address, 80))
    except OSError as error:
        return error.errno not in NO_WAY
    return True


def name_servers() -> list[str]:
    rows = [row.split() for row in (read_text("/etc/resolv.conf") or "").splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"][:3]


def answers(server: str) -> bool:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.settimeout(0.5)
            trial.connect((server, 53))
            trial.send(QUESTION)
            return bool(trial.recv(512))
    except OSError:
        return False


MOST_PROCESSES = 2000


def look_at_surroundings(_knobs: dict[str, Any]) -> dict[str, Any]:
    seen = {f"{name}={value}".encode("utf-8", "surrogateescape") for name, value in os.environ.items()}
    processes = [name for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []
    for process in processes[:MOST_PROCESSES]:
        seen.update(environment_of(process))
    return {"fingerprints": sorted(fingerprint(pair) for pair in seen if pair), "processes": len(processes)}


def environment_of(process: str) -> list[bytes]:
    try:
        with open(f"/proc/{process}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def fingerprint(pair: bytes) -> str:
    return hashlib.sha256(pair).hexdigest()[:24]


SECTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "files": look_at_files,
    "kernel": look_at_kernel,
    "network": look_at_network,
    "surroundings": look_at_surroundings,
}


def census(box: Any) -> None:
    for name, look in SECTIONS.items():
        try:
            found = look(box.knobs)
        except Exception as error:  # noqa: BLE001 (a section that fails on an unusual kernel must not hide the others)
            found = {"failure": f"{type(error).__name__}: {error}"}
        box.log(json.dumps({name: found}))
