"""SIGKILL, in two ways: at every system call on a run's folder, one after the other, and at random times."""

import itertools
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from crash.counting_server import Counter
from crash.dying import Doom
from crash.process import Prepare, Process, no_preparation
from crash.trial import Size, Tally, Trial, Undisturbed, killed_until_done


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The n-th counted call of a process, and what it is."""

    number: int
    name: str
    half: bool = False

    def __str__(self) -> str:
        return f"{self.number} ({'half of ' if self.half else 'before '}{self.name})"


def points_of(folder: Path, size: Size, counter: Counter) -> list[Point]:
    """Every counted call of a whole run, each once; a write also half done."""
    trial = Trial(folder, size, counter, Tally("points"))
    log = folder / "points.log"
    assert trial.start(Doom(folder / "runs", log).arm).wait() == 0
    names = log.read_text().splitlines()
    whole = [Point(number=number, name=name) for number, name in enumerate(names, start=1)]
    halves = [
        Point(number=point.number, name=point.name, half=True)
        for point in whole
        if point.name.startswith("write ")
    ]
    return [*whole, *halves]


def sweep(
    folder: Path,
    size: Size,
    counter: Counter,
    expected: Undisturbed,
    points: Iterable[Point],
    tally: Tally,
    tell: Callable[[str], None],
) -> None:
    """For each point a run of its own that is killed there, and resumed."""
    for done, point in enumerate(points, start=1):
        name = f"at-{point.number}{'h' if point.half else ''}"
        trial = Trial(folder / name, size, counter, tally)
        doom = Doom(trial.folder / "runs", trial.folder / "doom.log", at=point.number, half=point.half)
        code = trial.start(doom.arm).wait()
        if code == -9:
            trial.was_killed()
            trial.finish(expected.outcome)
        else:  # threads take turns: this time it was one call less
            trial.ended_by_force()
        trial.remove()
        tell(f"{tally.what}: {done} points, {tally.kills} kills")


def climbing(
    folder: Path, size: Size, counter: Counter, expected: Undisturbed, step: int, tally: Tally
) -> None:
    """One run, killed again and again: resume n at its n·step-th call. So every part of a resume is hit."""
    trial = Trial(folder, size, counter, tally)

    def prepare(number: int) -> Prepare:
        """The first process dies as soon as there is a run to resume."""
        doom = Doom(trial.folder / "runs", trial.folder / "doom.log")
        doom.at = 1 + (number - 1) * step if trial.run.exists else None
        doom.first = None if trial.run.exists else "write journal"
        return doom.arm

    killed_until_done(trial, expected.outcome, lambda _: _leave_alone, prepare)
    trial.remove()


def _leave_alone(_: Process) -> None:
    """It kills itself."""


def random_kills(
    folder: Path,
    size: Size,
    counter: Counter,
    expected: Undisturbed,
    tally: Tally,
    *,
    seed: int,
    kills: int,
    mean_seconds: float,
    tell: Callable[[str], None],
    environment: dict[str, str] | None = None,
) -> None:
    """Runs that are killed after random times until each is done; until there were so many kills."""
    luck = random.Random(seed)
    for number in itertools.count():
        if tally.kills >= kills or not tally.is_clean:
            return
        trial = Trial(folder / f"random-{number}", size, counter, tally, environment)

        def attempt(times: int) -> Callable[[Process], None]:
            """Killed later and later, so that it comes to its end."""
            seconds = mean_seconds * (1 + times / 4)
            enough = tally.kills >= kills
            return _leave_alone if enough else lambda process: _kill_after(process, luck, seconds)

        killed_until_done(trial, expected.outcome, attempt, lambda _: no_preparation)
        trial.remove()
        tell(f"{tally.what}: {tally.kills} kills in {tally.runs} runs")


def _kill_after(process: Process, luck: random.Random, mean_seconds: float) -> None:
    """Half of the moments lie close to the start, where a resume reads and repairs."""
    longest = mean_seconds * (0.5 if luck.random() < 0.5 else 3.5)
    deadline = time.monotonic() + luck.random() * longest
    while time.monotonic() < deadline:
        if process.find_code() is not None:
            return
        time.sleep(0.005)
    process.send(9)
