"""What else happens to a run: signals, closed terminals, full disks, engines that go away, odd clocks.

Each case is begun, disturbed at a moment that the model server's count decides, resumed and compared. A case
that this machine cannot play says so in its row.
"""

import errno
import fcntl
import os
import pty
import random
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import docker
from crash.counting_server import Counter
from crash.engine_proxy import engine_proxy
from crash.process import Process, renew_streams, start
from crash.trial import NAME, Size, Tally, Trial, Undisturbed

from studbook.sandbox.owner import OWNER_LABEL

INTERRUPTED = 130
NO_ROOM = ("No space left on device", "database or disk is full")
OURS = {"experiments", "evolve", "evaluate", "populations", "studbook"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a case is played."""

    folder: Path
    size: Size
    counter: Counter
    expected: Undisturbed
    luck: random.Random

    def trial(self, name: str, tally: Tally) -> Trial:
        return Trial(self.folder / name, self.size, self.counter, tally)

    def reach(self, process: Process, share: float) -> None:
        """Waits until the run has made this share of its calls; or has ended."""
        target = self.counter.size + int(self.expected.calls * share) * 65
        while self.counter.size < target and process.find_code() is None:
            time.sleep(0.003)


def ends_with(tally: Tally, process: Process, code: int, *words: str) -> None:
    """Notes a difference unless the process ends so, saying these words and showing no traceback."""
    found = process.wait()
    text = process.text()
    if found != code or "Traceback" in text or any(word not in text for word in words):
        tally.differences.append(f"ended with {found}, not {code} and {words}:\n{text[-1500:]}")


def signalled(stage: Stage, tally: Tally, number: signal.Signals, times: int = 1) -> None:
    trial = stage.trial(f"{number.name}-{times}", tally)
    process = trial.start()
    stage.reach(process, stage.luck.uniform(0.2, 0.6))
    for _ in range(times):
        process.send(number)
        time.sleep(0.05)
    words = ("studbook resume trial",) if times == 1 else ()
    ends_with(tally, process, INTERRUPTED, *words)
    trial.was_killed()
    trial.finish(stage.expected.outcome)
    trial.remove()


def terminal_closed(stage: Stage, tally: Tally) -> None:
    """The run's own terminal goes away: SIGHUP comes, and every write to it fails."""
    trial = stage.trial("terminal", tally)
    near, far = pty.openpty()
    name = os.ttyname(far)

    def take_terminal() -> None:
        handle = os.open(name, os.O_RDWR)
        fcntl.ioctl(handle, termios.TIOCSCTTY, 0)
        for number in (0, 1, 2):
            os.dup2(handle, number)
        renew_streams()

    process = trial.start(take_terminal)
    reader = os.fork()
    if reader == 0:
        _read_until_closed(near, far)
    os.close(near)
    stage.reach(process, stage.luck.uniform(0.2, 0.6))
    os.kill(reader, signal.SIGKILL)  # with it the last handle of the terminal's other side is closed
    os.waitpid(reader, 0)
    os.close(far)
    if (code := process.wait()) != INTERRUPTED:
        tally.differences.append(f"a run whose terminal was closed ended with {code}")
    trial.was_killed()
    trial.finish(stage.expected.outcome)
    trial.remove()


def _read_until_closed(near: int, far: int) -> None:
    os.close(far)
    while True:
        try:
            os.read(near, 65536)
        except OSError:
            os._exit(0)


def second_writer(stage: Stage, tally: Tally) -> None:
    trial = stage.trial("two", tally)
    process = trial.start()
    stage.reach(process, 0.2)
    second = trial.start()
    code = second.wait()
    if code != 1 or "is being written by process" not in second.text():
        tally.differences.append(f"a second process on one run ended with {code}")
    tally.kills += 1
    code = process.wait()
    trial.ended_by_force()
    trial.compare(code, process, stage.expected.outcome)
    trial.remove()


def clock_goes_back(stage: Stage, tally: Tally) -> None:
    """Every seventh look at the clock of the day it is an hour earlier; killed once, resumed a day before."""
    trial = stage.trial("clock", tally)
    process = trial.start(lambda: jumping_clock(0.0))
    stage.reach(process, stage.luck.uniform(0.3, 0.6))
    process.send(signal.SIGKILL)
    process.wait()
    trial.was_killed()
    process = trial.start(lambda: jumping_clock(-86400.0))
    code = process.wait()
    trial.ended_by_force()
    trial.compare(code, process, stage.expected.outcome)
    trial.remove()


def jumping_clock(offset: float) -> None:
    """Replaces the clocks of the day in every module of this process; never the monotonic one."""
    real_time, real_datetime, back = time.time, datetime, [offset, 0.0]

    def jumped() -> float:
        back[1] += 1
        if back[1] % 7 == 0:
            back[0] -= 3600
        return back[0]

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Jumping":  # type: ignore[override]
            moment = real_datetime.now(tz) + timedelta(seconds=jumped())
            return cls.fromtimestamp(moment.timestamp(), tz)

    time.time = lambda: real_time() + jumped()
    for name, module in list(sys.modules.items()):
        ours = name.partition(".")[0] in OURS
        if ours and getattr(module, "datetime", None) is real_datetime:
            module.datetime = Jumping  # type: ignore[attr-defined]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[bool]:
    """A file system of its own; False where only root may have one."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def full_disk(stage: Stage, tally: Tally) -> None:
    """Filled up in the middle of a run, five times, and given room again."""
    disk = stage.folder / "disk"
    with small_disk(disk, "64m") as mounted:
        if not mounted:
            tally.skipped = "only root may mount a small disk"
            return
        trial = Trial(disk / "full", stage.size, stage.counter, tally)
        for share in (0.05, 0.15, 0.15, 0.15, 0.15):
            process = trial.start()
            stage.reach(process, share)
            fill(disk)
            code = process.wait()
            (disk / "ballast").unlink()
            if code == 0:
                break  # it was faster
            trial.was_killed()
            if code != 1 or not any(words in process.text() for words in NO_ROOM):
                tally.differences.append(f"a full disk ended it with {code}:\n{process.text()[-800:]}")
        trial.finish(stage.expected.outcome)


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12, 1):
            while True:
                try:
                    ballast.write(b"x" * size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC
                    break


def read_only_folder(stage: Stage, tally: Tally) -> None:
    """In the middle of a run, and at a resume."""
    disk = stage.folder / "disk-read-only"
    with small_disk(disk, "64m") as mounted:
        if not mounted:
            tally.skipped = "only root may mount a small disk"
            return
        trial = Trial(disk / "read-only", stage.size, stage.counter, tally)
        process = trial.start()
        stage.reach(process, 0.3)
        process.send(signal.SIGKILL)  # a file system with open files cannot be made read-only
        process.wait()
        trial.was_killed()
        remount(disk, "ro")
        outside = replace(stage, folder=stage.folder / "outside")
        outside.folder.mkdir()
        process = start_outside(trial, outside.folder)
        code = process.wait()
        tally.kills += 1
        if code != 1 or "Read-only file system" not in process.text() or "Traceback" in process.text():
            tally.differences.append(f"a read-only folder ended it with {code}:\n{process.text()[-800:]}")
        remount(disk, "rw")
        trial.finish(stage.expected.outcome)


def start_outside(trial: Trial, folder: Path) -> Process:
    return start(["resume", NAME, "--runs-dir", str(trial.run.root.parent)], cwd=folder)


def containers_killed(stage: Stage, tally: Tally) -> None:
    """While the run lives: a box that is lost is run again, and nothing is to be seen of it."""
    trial = stage.trial("containers", tally)
    client = docker.from_env()
    try:
        process = trial.start()
        for share in (0.1, 0.2, 0.2):
            stage.reach(process, share)
            tally.kills += kill_containers(client, process.pid)
        code = process.wait()
    finally:
        client.close()
    trial.ended_by_force()
    if code != 0:
        trial.finish(stage.expected.outcome)
    else:
        trial.compare(code, process, stage.expected.outcome)
    trial.remove()


def kill_containers(client: "docker.DockerClient", owner: int) -> int:
    killed = 0
    for box in client.containers.list(filters={"label": OWNER_LABEL}):
        if box.labels[OWNER_LABEL].startswith(f"{owner}/"):
            try:
                box.kill()
                killed += 1
            except docker.errors.APIError:  # it was just ending
                continue
    return killed


def engine_away(stage: Stage, tally: Tally) -> None:
    """As a run sees it: its connections end, and for seconds nobody answers. The engine is not touched."""
    with engine_proxy() as proxy:
        environment = {"DOCKER_HOST": proxy.address}
        trial = Trial(stage.folder / "engine", stage.size, stage.counter, tally, environment)
        process = trial.start()
        for share in (0.1, 0.2, 0.2):
            stage.reach(process, share)
            proxy.say("down")
            tally.kills += 1
            time.sleep(3)
            proxy.say("up")
        code = process.wait()
        trial.ended_by_force()
        trial.compare(code, process, stage.expected.outcome)  # it waits as long as that
        trial.remove()


CASES: dict[str, Callable[[Stage, Tally], None]] = {
    "SIGINT once": lambda stage, tally: signalled(stage, tally, signal.SIGINT),
    "SIGINT twice": lambda stage, tally: signalled(stage, tally, signal.SIGINT, times=2),
    "SIGTERM": lambda stage, tally: signalled(stage, tally, signal.SIGTERM),
    "SIGHUP": lambda stage, tally: signalled(stage, tally, signal.SIGHUP),
    "terminal closed": terminal_closed,
    "two processes on one run": second_writer,
    "clock jumping back": clock_goes_back,
    "full disk": full_disk,
    "read-only folder": read_only_folder,
}
DOCKER_CASES: dict[str, Callable[[Stage, Tally], None]] = {
    "containers killed": containers_killed,
    "engine away": engine_away,
}
