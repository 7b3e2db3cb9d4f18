"""Boxes as child processes: for tests and for machines without Docker. They do not contain hostile code.

The same shim and protocol as in a container, a scrubbed environment, limits of the kernel's per process, a
folder of its own, and bubblewrap around it where that works. What is missing: one limit on the memory,
processes and disk of a whole box, and (without bubblewrap) any wall towards the host's files and network.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from evaluate.sandbox.bubblewrap import FOLDER, find_bubblewrap, new_user, wrapped
from evaluate.sandbox.bundle import shim_hash, shim_source
from evaluate.sandbox.contract import Handler, Job, Limits, Outcome
from evaluate.sandbox.ending import Ended, SessionEnd
from evaluate.sandbox.frames import printable
from evaluate.sandbox.host_image import executable_path
from evaluate.sandbox.job_frames import Place, job_lines
from evaluate.sandbox.owner import labels_of, this_process
from evaluate.sandbox.process_home import Home, open_home
from evaluate.sandbox.process_tree import MARKER, kill_descendants, kill_marked
from evaluate.sandbox.rlimits import rlimits_of
from evaluate.sandbox.session import Session
from studbook.errors import SandboxError

END_SECONDS = 0.5  # for a shim that has said its last word to be gone
ISOLATED = ["-I", "-S"]  # Python without what this machine's user and packages add
CONTAINS = "it does not contain hostile code"


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
    """Child processes. `bubblewrap` is a path of bwrap, or None to do without.

    `python` is the interpreter of boxes without bubblewrap, and its packages. By default this one, without:
    a harness is not to lean on what happens to be installed here and would be missing in a container.
    """

    def __init__(
        self,
        bubblewrap: str | None,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        python: Path | None = None,
    ) -> None:
        self.name = "process"
        self.contains_hostile_code = False
        self.identity = {
            "kind": self.name,
            "bubblewrap": "yes" if bubblewrap else "no",
            "python": ".".join(map(str, sys.version_info[:3])),
            "shim": shim_hash(),
        }
        walls = "bubblewrap" if bubblewrap else "no walls towards this machine's files and network"
        self.statement = f"child processes with limits, {walls}: {CONTAINS}"
        self._bubblewrap, self.folder = bubblewrap, folder
        self._python = [str(python), "-I"] if python else [str(executable_path()), *ISOLATED]
        self._clock, self._wall_clock = clock, wall_clock

    @staticmethod
    def open() -> "ProcessSandbox":
        """With bubblewrap if a trial shows that it works here."""
        return ProcessSandbox(find_bubblewrap())

    def close(self) -> None:
        """Nothing is kept between boxes."""

    def run(self, job: Job, handler: Handler) -> Outcome:
        began = self._clock()
        labels = labels_of(this_process(), job.limits.wall_seconds, self._wall_clock())
        with open_home(self.folder, labels) as home:
            try:
                lines = job_lines(job, self._place(home, job.limits))
            except Ended as refusal:
                status, detail = refusal.args
                return Outcome(status=status, detail=detail, stderr_tail="", seconds=0.0)
            end = self._attend(home, job, handler, lines)
        return Outcome(
            status=end.status,
            detail=home.hide_in(end.detail),
            stderr_tail=home.hide_in(printable(end.output)),
            seconds=self._clock() - began,
            warnings=end.warnings,
        )

    def _attend(self, home: Home, job: Job, handler: Handler, lines: list[bytes]) -> SessionEnd:
        ours, theirs = socket.socketpair()
        channel = ProcessChannel(ours)
        session = Session(channel, job, handler, self._clock)
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
                said = home.stderr.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise SandboxError(f"{error} {printable(said)}".strip()) from error
        finally:
            session.close()
        session.raise_late_errors()
        return end

    def _launch(self, home: Home, limits: Limits, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        python = self._python
        if self._bubblewrap:
            python = [*wrapped(self._bubblewrap, limits.tmpfs_bytes), *ISOLATED]
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
            raise SandboxError(f"a box did not start: {error}") from error

    def _place(self, home: Home, limits: Limits) -> Place:
        user = new_user() if self._bubblewrap and os.geteuid() == 0 else None
        return Place(
            folder=FOLDER if self._bubblewrap else str(home.work),
            environment={MARKER: home.marker},
            rlimits=rlimits_of(limits, os.geteuid() if user is None else user),
            user=user,
        )


def end_process(process: "subprocess.Popen[bytes]", marker: str) -> None:
    """A shim that ended in order took everything along; otherwise everything is hunted down."""
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        kill_descendants(process.pid)
        process.kill()
        process.wait()
    if process.returncode != 0:
        kill_marked(marker)
