"""The `bwrap` command line around a child process, where bubblewrap is installed and allowed to work.

It gives a box namespaces of its own, a read-only view of system folders and the interpreter, and a tmpfs. It
gives no limit on memory or processes taken together, and shares the host's kernel with few fences.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from evaluate.sandbox.host_image import executable_path

NOBODY = 65534
FOLDER = "/tmp"  # inside, a tmpfs
SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")
TRIAL_SECONDS = 10
BECOME_NOBODY = f"import os; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); import json, ctypes"


def find_bubblewrap() -> str | None:
    """Path of a bwrap that was seen to run Python in a box just now; None without one."""
    program = shutil.which("bwrap")
    if program is None or sys.platform != "linux":
        return None
    trial = BECOME_NOBODY if os.geteuid() == 0 else "import json, ctypes"
    command = [*wrapped(program, 1 << 20), str(executable_path()), "-I", "-c", trial]
    try:
        run = subprocess.run(command, capture_output=True, check=False, timeout=TRIAL_SECONDS, env={})
    except subprocess.TimeoutExpired:
        return None
    return program if run.returncode == 0 else None


def wrapped(program: str, tmpfs_bytes: int) -> list[str]:
    """The beginning of a command line; what runs is PID 1 of its own namespace and dies with its parent."""
    command = [program, "--die-with-parent", "--as-pid-1", "--new-session", "--unshare-ipc", "--unshare-pid"]
    command += ["--unshare-net", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "box"]
    if os.geteuid() != 0:  # root becomes nobody inside instead, which a user namespace would prevent
        command += ["--unshare-user", "--cap-drop", "ALL"]
    for folder in SYSTEM_FOLDERS:
        command += ["--ro-bind-try", folder, folder]
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        command += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    command += [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--perms",
        "1777",
        "--size",
        str(tmpfs_bytes),
        "--tmpfs",
        FOLDER,
    ]
    return [*command, "--remount-ro", "/", "--chdir", "/"]
