"""Bubblewrap's walls around a child process: namespaces, and a private copy of this machine's Python as root.

The copy lives in memory where there is a tmpfs: all of it is always cached, and no other program reads it. So
no box finds out what an earlier one read, which the host's own folders would tell (docs/security.md).
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

from studbook.errors import SandboxError
from studbook.sandbox.frames import short_line
from studbook.sandbox.host_python import LIBRARIES, copy_to, executable_path
from studbook.sandbox.owner import is_stale, labels_of, labels_on, this_process, write_labels
from studbook.scratch import temporary_base

FIRST_USER = 1 << 30  # start of a range that no machine assigns to users or services
FOLDER = "/tmp"  # inside the box, a tmpfs
SHARED_BYTES = 1 << 20  # size of /dev/shm, as in a container
TRIAL_SECONDS = 10
NAMESPACES = (
    *("--die-with-parent", "--as-pid-1", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-net"),
    *("--unshare-uts", "--unshare-cgroup-try", "--hostname", "box"),
)


def find_bubblewrap() -> str | None:
    """Path of a bwrap that passed a trial run of Python in its namespaces; None without one."""
    program = shutil.which("bwrap")
    if program is None or sys.platform != "linux":
        return None
    around = [*_namespaces(program), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--"]
    return None if _obstacle([*around, str(executable_path())]) else program


def _obstacle(python: list[str]) -> str:
    """Why Python does not run in namespaces; "" if it does."""
    trial = "import json, ctypes, os"
    if os.geteuid() == 0:
        trial += f"; os.setgroups([]); os.setgid({FIRST_USER}); os.setuid({FIRST_USER})"
    command = [*python, "-I", "-S", "-c", trial]
    try:
        run = subprocess.run(command, capture_output=True, check=False, timeout=TRIAL_SECONDS, env={})
    except subprocess.TimeoutExpired:
        return f"no answer within {TRIAL_SECONDS} s"
    said = short_line(run.stderr.decode("utf-8", "replace")) or f"exit status {run.returncode}"
    return said if run.returncode else ""


def new_user() -> int:
    """A user id for one box: the kernel counts processes per user, so a fork bomb affects only its box."""
    return FIRST_USER + secrets.randbelow(FIRST_USER)


def wrapped(program: str, root: Path, tmpfs_bytes: int) -> list[str]:
    """The command line up to the interpreter, which is PID 1 of its namespace and dies with its parent."""
    command = [*_namespaces(program), "--ro-bind", str(root), "/", "--proc", "/proc", "--dev", "/dev"]
    command += _tmpfs("/dev/shm", SHARED_BYTES) + _tmpfs(FOLDER, tmpfs_bytes)
    command += ["--remount-ro", "/dev"]  # it is in memory and unlimited
    command += ["--setenv", "LD_LIBRARY_PATH", LIBRARIES, "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin"]
    return [*command, "--chdir", "/", "--", "/usr/local/bin/python3"]


def _namespaces(program: str) -> list[str]:
    if os.geteuid() == 0:  # root switches to another user inside instead; a user namespace would prevent that
        return [program, *NAMESPACES]
    return [program, *NAMESPACES, "--unshare-user", "--cap-drop", "ALL"]


def _tmpfs(folder: str, size_bytes: int) -> list[str]:
    return ["--perms", "1777", "--size", str(size_bytes), "--tmpfs", folder]


MEMORY = Path("/dev/shm")
COPY_BYTES = 256 << 20  # free memory wanted for the copy, which needs a third of it
COPY_PREFIX = "studbook-python-"
COPY_SECONDS = 24 * 3600.0  # after which another machine's reaper may take it for abandoned


class PythonCopy:
    """Made with the first `root`; removed by `close`, or when this object or process ends. Thread-safe.

    With `bubblewrap`, the path of bwrap, it lies where a trial run in it went well.
    """

    def __init__(self, bubblewrap: str | None = None) -> None:
        self._bubblewrap = bubblewrap
        self._lock = threading.Lock()
        self._root: Path | None = None
        self._remover: weakref.finalize | None = None  # type: ignore[type-arg]  # not generic when it runs

    def root(self) -> Path:
        """The folder that is a box's root. Raises SandboxError."""
        with self._lock:
            if self._root is None:
                self._root = self._make()
            return self._root

    def _make(self) -> Path:
        failures = []
        for place in places_for_copy():
            try:
                return self._make_in(place)
            except (OSError, SandboxError, subprocess.SubprocessError) as error:
                self._remove()
                failures.append(f"{place}: {short_line(str(error))}")
        told = "; ".join(failures) or "no folder allows programs to run; set TMPDIR to one that does"
        raise SandboxError(f"no copy of Python for the boxes: {told}")

    def _make_in(self, place: Path) -> Path:
        folder = Path(tempfile.mkdtemp(prefix=COPY_PREFIX, dir=place))
        self._remover = weakref.finalize(self, remove_copy, folder, os.getpid())
        write_labels(folder, labels_of(this_process(), COPY_SECONDS, time.time()))
        root = folder / "root"
        copy_to(root)
        if self._bubblewrap and (obstacle := _obstacle(wrapped(self._bubblewrap, root, SHARED_BYTES))):
            raise SandboxError(obstacle)
        return root

    def close(self) -> None:
        with self._lock:
            self._remove()
            self._root = None

    def _remove(self) -> None:
        if self._remover is not None:
            self._remover()
            self._remover = None


def remove_copy(folder: Path, owner: int) -> None:
    """The owner's note goes last, or a copy half removed would stay. A forked child removes nothing."""
    if os.getpid() == owner:
        shutil.rmtree(folder / "root", ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def places_for_copy() -> Iterator[Path]:
    """In memory, if there is room, and then on a disk; never where no program may be run."""
    with contextlib.suppress(OSError):
        if _may_run_programs(MEMORY) and os.access(MEMORY, os.W_OK) and _free_bytes(MEMORY) >= COPY_BYTES:
            yield MEMORY
    if _may_run_programs(on_disk := temporary_base()):
        yield on_disk


def _may_run_programs(place: Path) -> bool:
    return not os.statvfs(place).f_flag & os.ST_NOEXEC


def _free_bytes(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def reap_copies(now: float | None = None) -> list[str]:
    """Remove copies left behind by a crash, whose owner process is gone; returns their names."""
    moment = time.time() if now is None else now
    removed = []
    for place in (MEMORY, temporary_base()):
        for folder in place.glob(f"{COPY_PREFIX}*"):
            if (labels := labels_on(folder)) and is_stale(labels, moment):
                remove_copy(folder, os.getpid())
                removed.append(folder.name)
    return removed
