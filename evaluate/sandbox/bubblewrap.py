"""The `bwrap` command line around a child process, where bubblewrap is installed and allowed to work.

It gives a box namespaces of its own, a read-only view of system folders and the interpreter, and a tmpfs. It
gives no limit on memory or processes taken together, and shares the host's kernel with few fences.
"""

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from evaluate.sandbox.host_image import executable_path

FIRST_USER = 1 << 30  # of a range that no machine gives to people or services
FOLDER = "/tmp"  # inside, a tmpfs
PYTHON = "/python"
SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")
SHARED_BYTES = 1 << 20  # of /dev/shm, as in a container
TRIAL_SECONDS = 10


def find_bubblewrap() -> str | None:
    """Path of a bwrap that was seen to run Python in a box just now; None without one."""
    program = shutil.which("bwrap")
    if program is None or sys.platform != "linux":
        return None
    trial = "import json, ctypes"
    if os.geteuid() == 0:
        trial = f"import os; os.setgroups([]); os.setgid({FIRST_USER}); os.setuid({FIRST_USER}); {trial}"
    command = [*wrapped(program, 1 << 20), "-I", "-c", trial]
    try:
        run = subprocess.run(command, capture_output=True, check=False, timeout=TRIAL_SECONDS, env={})
    except subprocess.TimeoutExpired:
        return None
    return program if run.returncode == 0 else None


def new_user() -> int:
    """An id for one box: the kernel counts processes by user, and a fork bomb is not to spend another's."""
    return FIRST_USER + secrets.randbelow(FIRST_USER)


def wrapped(program: str, tmpfs_bytes: int) -> list[str]:
    """A command line up to the interpreter, which is PID 1 of its own namespace and dies with its parent."""
    command = [program, "--die-with-parent", "--as-pid-1", "--new-session", "--unshare-ipc", "--unshare-pid"]
    command += ["--unshare-net", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "box"]
    if os.geteuid() != 0:  # root becomes another user inside instead, which a user namespace would prevent
        command += ["--unshare-user", "--cap-drop", "ALL"]
    for folder in SYSTEM_FOLDERS:
        command += ["--ro-bind-try", folder, folder]
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += _tmpfs("/dev/shm", SHARED_BYTES) + _tmpfs(FOLDER, tmpfs_bytes)
    command += [
        *_python(),
        "--remount-ro",
        "/dev",
        "--remount-ro",
        "/",
    ]  # both are of memory, without a limit
    return [*command, "--chdir", "/", "--", _python_in_box()]


def _tmpfs(folder: str, size_bytes: int) -> list[str]:
    return ["--perms", "1777", "--size", str(size_bytes), "--tmpfs", folder]


def _python() -> list[str]:
    """A Python outside the system's folders is shown under a path that does not tell whose it is."""
    prefix = Path(sys.base_prefix).resolve()
    if prefix.is_relative_to("/usr"):
        return []
    return ["--ro-bind", str(prefix), PYTHON, "--setenv", "LD_LIBRARY_PATH", f"{PYTHON}/lib"]


def _python_in_box() -> str:
    prefix, executable = Path(sys.base_prefix).resolve(), executable_path()
    if prefix.is_relative_to("/usr") or not executable.is_relative_to(prefix):
        return str(executable)
    return f"{PYTHON}/{executable.relative_to(prefix)}"
