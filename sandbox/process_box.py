"""Boxes as child processes: for tests and for machines without Docker. They do not isolate untrusted code.

They use the same shim and protocol as containers, in a clean environment, with kernel limits per process and
a folder of their own. Where bubblewrap works, it adds walls (`bubblewrap.py`). They lack limits on memory,
processes and disk of the box as a whole, and, without bubblewrap, any isolation from the host's files and
network.

The shim is the subreaper of all its descendants, so a daemon that forks twice remains a descendant while the
shim runs; after that only the marker in the environment shows which box it belongs to. Both are read from
Linux's /proc; on other systems only the process group is killed.
"""

import contextlib
import math
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import OF_THE_MACHINE, SandboxError, remedy
from studbook.sandbox.bubblewrap import (
    FOLDER,
    PythonCopy,
    find_bubblewrap,
    new_user,
    wrapped,
)
from studbook.sandbox.contract import Handler, Job, Limits, Outcome
from studbook.sandbox.frames import printable
from studbook.sandbox.heartbeat import Heartbeat
from studbook.sandbox.host_python import executable_path
from studbook.sandbox.owner import is_stale, labels_of, labels_on, this_process, write_labels
from studbook.sandbox.session import (
    Ended,
    Place,
    Session,
    SessionEnd,
    job_lines,
    refuse_after_standstill,
)
from studbook.sandbox.shim import shim_hash, shim_source
from studbook.scratch import temporary_base

MARKER = "STUDBOOK_BOX"
ROUNDS = 200
PROC = Path("/proc")


def kill_descendants(root: int) -> None:
    """Send SIGKILL to all descendants of `root` repeatedly, until none is alive."""
    _kill_all(lambda: descendants(root))


def kill_marked(marker: str) -> None:
    """Send SIGKILL to every process with this box's marker in its environment."""
    _kill_all(lambda: marked(marker))


def _kill_all(find: Callable[[], set[int]]) -> None:
    for _ in range(ROUNDS):
        victims = find()
        if not victims:
            return
        for pid in victims:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def descendants(root: int) -> set[int]:
    """The living descendants of `root`."""
    parents = {}
    for pid in all_pids():
        found = _parent_and_state(pid)
        if found is not None:
            parents[pid] = found
    below: set[int] = set()
    grown = {root}
    while grown:
        grown = {pid for pid, (parent, _) in parents.items() if parent in grown}
        below |= grown
    return {pid for pid in below if parents[pid][1] != "Z"}


def marked(marker: str) -> set[int]:
    needle = f"{MARKER}={marker}".encode()
    others = all_pids() - {os.getpid()}
    return {pid for pid in others if needle in _strings(pid, "environ").split(b"\0")}


def all_pids() -> set[int]:
    if not PROC.is_dir():
        return set()
    return {int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()}


def _parent_and_state(pid: int) -> tuple[int, str] | None:
    try:
        state, parent = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(parent), state.decode("ascii")


def command_line(pid: int) -> bytes:
    """The arguments, each terminated by a zero byte; empty for a process that is gone."""
    return _strings(pid, "cmdline")


def _strings(pid: int, file: str) -> bytes:
    try:
        return (PROC / str(pid) / file).read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


SPARE_PROCESSES = 256  # processes of the same user that may start while the box runs


def rlimits_of(limits: Limits, user: int) -> tuple[tuple[int, int], ...]:
    """Limits per process. Memory is limited by RLIMIT_DATA, because threads reserve unused address space."""
    values = {
        resource.RLIMIT_DATA: limits.memory_bytes,
        resource.RLIMIT_AS: 4 * limits.memory_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.tmpfs_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: math.ceil(limits.wall_seconds * max(1.0, limits.cpus)) + 5,
    }
    if user != 0:  # the kernel counts tasks per user, except root's
        values[resource.RLIMIT_NPROC] = tasks_of(user) + limits.processes + SPARE_PROCESSES
    return tuple((number, capped(number, value)) for number, value in values.items())


def capped(number: int, value: int) -> int:
    hard = resource.getrlimit(number)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def tasks_of(user: int) -> int:
    """Number of threads of all this user's processes, as far as /proc shows."""
    count = 0
    for pid in all_pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if os.stat(f"/proc/{pid}").st_uid == user:  # noqa: PTH116 (no Path for every process of the machine)
                count += len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    return count


PREFIX = "studbook-box-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folder of one box on the host; only `work` belongs to the box."""

    root: Path

    @property
    def marker(self) -> str:
        return self.root.name

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def stderr(self) -> Path:
        return self.root / "stderr"

    def hide_in(self, text: str) -> str:
        """Remove the random name of this folder from `text`, so that rerunning a box gives the same text.

        Also removes a name that was truncated at the end of the text.
        """
        beginning = re.escape(str(self.root.parent / PREFIX))
        return re.sub(rf"{beginning}\w*(/work)?", FOLDER, text)


@contextlib.contextmanager
def open_home(folder: Path | None, labels: Mapping[str, str]) -> Iterator[Home]:
    """A new folder with a note naming its owner; it is removed afterwards with everything in it."""
    try:
        home = Home(root=Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder or temporary_base())))
        write_labels(home.root, labels)
        home.work.mkdir()
    except OSError as error:
        raise SandboxError(f"no folder for a box: {error}") from error
    try:
        yield home
    finally:
        remove_folder(home.root)


def box_folders(folder: Path | None) -> list[Path]:
    """Folders that may be boxes, whatever process owns them."""
    return list((folder or temporary_base()).glob(f"{PREFIX}*"))


def reap_processes(folder: Path | None = None, now: float | None = None) -> list[str]:
    """End boxes left behind by a crash, whose owner process is gone; returns their folders' names."""
    moment = time.time() if now is None else now
    stale = [box for box in box_folders(folder) if (labels := labels_on(box)) and is_stale(labels, moment)]
    for box in stale:
        kill_marked(box.name)
        remove_folder(box)
    return [box.name for box in stale]


def remove_folder(root: Path) -> None:
    """Uses `rm`, because a hostile tree may be nested deeper than Python can recurse."""
    command = ["rm", "-rf", "--", str(root)]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode != 0:
        subprocess.run(["chmod", "-R", "u+rwx", "--", str(root)], capture_output=True, check=False)
        subprocess.run(command, capture_output=True, check=False)


END_SECONDS = 0.5  # for a shim to exit after its last frame
ISOLATED = ["-I", "-S"]  # Python without user settings and installed packages
CONTAINS = "it does not isolate untrusted code"


class ProcessChannel:
    """One end of a socket pair whose other end is the shim's stdin and stdout."""

    def __init__(self, ours: socket.socket) -> None:
        ours.setblocking(False)
        self._socket = ours

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def receive(self) -> bytes | None:
        try:
            return self._socket.recv(1 << 18)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        self._socket.close()


class ProcessSandbox:
    """Child processes. `bubblewrap` is the path of bwrap, or None to run without it.

    `python` is an interpreter, with its packages, for boxes without bubblewrap. The default is this one
    without its packages: a harness must not rely on packages that would be missing in a container. `copy`:
    the root of boxes behind bubblewrap, which `close` removes; by default one of its own. `why_not`: what
    keeps a bubblewrap that is there from being used.
    """

    def __init__(
        self,
        bubblewrap: str | None,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        python: Path | None = None,
        copy: PythonCopy | None = None,
        why_not: str = "",
    ) -> None:
        self.name = "process"
        self.isolates_untrusted_code = False
        self.identity = {
            "kind": self.name,
            "bubblewrap": "yes" if bubblewrap else "no",
            "python": ".".join(map(str, sys.version_info[:3])),
            "shim": shim_hash(),
        }
        walls = "bubblewrap" if bubblewrap else "no isolation from this machine's files and network"
        walls += f" (bubblewrap cannot be used: {why_not})" if why_not else ""
        around = "bubblewrap" if bubblewrap else "plain"
        self.fingerprint = f"process, {around}, Python {self.identity['python']}"
        self.statement = f"child processes with limits, {walls}: {CONTAINS}"
        self._bubblewrap, self.folder = bubblewrap, folder
        self.copy = copy or PythonCopy()
        self._python = [str(python), "-I"] if python else [str(executable_path()), *ISOLATED]
        self._clock, self._wall_clock = clock, wall_clock
        self._heartbeat = Heartbeat()

    @staticmethod
    def open() -> "ProcessSandbox":
        """With bubblewrap if a trial run in the root of the boxes shows that it works here."""
        bubblewrap = find_bubblewrap()
        if bubblewrap is None:
            return ProcessSandbox(None)
        copy = PythonCopy(bubblewrap)
        try:
            copy.root()
        except SandboxError as error:
            return ProcessSandbox(None, why_not=str(error))
        return ProcessSandbox(bubblewrap, copy=copy)

    def close(self) -> None:
        self.copy.close()

    def run(self, job: Job, handler: Handler) -> Outcome:
        began = self._clock()
        labels = labels_of(this_process(), job.limits.wall_seconds, self._wall_clock())
        with open_home(self.folder, labels) as home:
            try:
                lines = job_lines(job, self._place(home, job.limits))
            except Ended as refusal:
                status, detail = refusal.args
                return Outcome(status=status, detail=detail, stderr_tail="", seconds=0.0)
            with self._heartbeat as heartbeat:
                lost_before = heartbeat.lost_seconds
                end = self._attend(home, job, handler, lines, heartbeat)
                refuse_after_standstill(end, heartbeat.lost_seconds - lost_before)
        return Outcome(
            status=end.status,
            detail=home.hide_in(end.detail),
            stderr_tail=home.hide_in(printable(end.output)),
            seconds=self._clock() - began,
            warnings=end.warnings,
        )

    def _attend(
        self, home: Home, job: Job, handler: Handler, lines: list[bytes], heartbeat: Heartbeat
    ) -> SessionEnd:
        ours, theirs = socket.socketpair()
        channel = ProcessChannel(ours)
        session = Session(channel, job, handler, heartbeat)
        try:
            try:
                with theirs:
                    process = self._launch(home, job.limits, theirs)
                try:
                    end = session.run(lines)
                finally:
                    channel.close()
                    end_process(process, home.marker)
            except SandboxError as error:
                said = ""
                with contextlib.suppress(OSError):  # it may not have begun
                    said = home.stderr.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise SandboxError(f"{error} {printable(said)}".strip()) from error
        finally:
            session.close()
        session.raise_late_errors()
        return end

    def _launch(self, home: Home, limits: Limits, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        python = self._python
        if self._bubblewrap:
            python = [*wrapped(self._bubblewrap, self.copy.root(), limits.tmpfs_bytes), *ISOLATED]
        command = [*python, "-u", "-c", shim_source()]
        environment = {"LANG": "C.UTF-8", "PATH": os.defpath, MARKER: home.marker}
        try:
            with home.stderr.open("wb") as stderr:
                return subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=stderr,
                    cwd=home.work,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            step = f"\n{remedy(error, starts_process=True)}" if error.errno in OF_THE_MACHINE else ""
            raise SandboxError(f"a box did not start: {error}{step}") from error

    def _place(self, home: Home, limits: Limits) -> Place:
        user = new_user() if self._bubblewrap and os.geteuid() == 0 else None
        return Place(
            folder=FOLDER if self._bubblewrap else str(home.work),
            environment={MARKER: home.marker},
            rlimits=rlimits_of(limits, os.geteuid() if user is None else user),
            user=user,
        )


def end_process(process: "subprocess.Popen[bytes]", marker: str) -> None:
    """A shim that exited cleanly has ended its descendants; otherwise find and kill them all."""
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        kill_descendants(process.pid)
        process.kill()
        process.wait()
    if process.returncode != 0:
        kill_marked(marker)
