"""`make durability`: runs are killed and disturbed in every way we know; the table says what came of it.

    PYTHONPATH=.:tests python -m crash.durability [--short] [--jobs 2] [--only sweep,random,...] [--out FILE]

Ends with 1 when a finished evaluation was lost, a recorded call was paid again, or a run ended otherwise than
the undisturbed one; what is wrong is printed below the table, and the folders concerned are kept.
"""

import argparse
import itertools
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from crash.counting_server import Counter, counting_server
from crash.disturbances import CASES, DOCKER_CASES, Stage
from crash.engine_restarts import WAYS, Restarts
from crash.kills import Point, climbing, points_of, random_kills, sweep
from crash.same_lineage import same_lineage
from crash.trial import SMALLEST, UNKIND, Size, Tally, Trial, Undisturbed, undisturbed
from support.engines import engine_answers
from support.own_engine import OwnEngine, obstacle, own_engine

T = TypeVar("T")

SEED = 20_26
SMALL = Size()
PARTS = ("sweep", "resume", "random", "unkind", "lineage", "cases", "docker", "engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything; `part` of `parts` processes does every parts-th piece of it."""

    parts: int = 1
    part: int = 0
    only: tuple[str, ...] = PARTS
    points: int | None = None
    process_kills: int = 300
    unkind_kills: int = 60
    docker_kills: int = 100
    cases: tuple[str, ...] = tuple(CASES)
    ways: tuple[str, ...] = tuple(WAYS)
    restarts: int = 12
    """Of an engine, in each of these ways."""
    climbs: tuple[int, ...] = (2, 3, 5)
    workers: tuple[int, ...] = (1, 2, 8, 32)
    lags: tuple[int, ...] = (1, 3)
    kills_each: tuple[int, ...] = (0, 2)
    """In a run of so many workers."""
    size: Size = SMALL

    @property
    def share(self) -> float:
        return 1 / self.parts


SHORT = Plan(
    points=6,
    process_kills=5,
    unkind_kills=3,
    docker_kills=0,
    cases=tuple(case for case in CASES if not case.startswith("SIGINT")),  # the suite has them
    ways=("engine stopped",),
    restarts=1,
    climbs=(25,),
    workers=(1, 8),
    lags=(2,),
    kills_each=(1,),
    size=SMALLEST,
)


def carry_out(plan: Plan, folder: Path) -> Iterator[Tally]:
    with counting_server(folder / "server") as counter:
        yield from _Durability(plan, folder, counter).tallies()


class _Durability:
    def __init__(self, plan: Plan, folder: Path, counter: Counter) -> None:
        self._plan = plan
        self._folder = folder
        self._counter = counter
        self._known: dict[Size, Undisturbed] = {}

    def tallies(self) -> Iterator[Tally]:
        jobs = {
            "sweep": self._sweep,
            "resume": self._resume,
            "random": self._random,
            "unkind": self._unkind,
            "lineage": self._lineage,
            "cases": self._cases,
            "docker": self._docker,
            "engine": self._engine,
        }
        for name in PARTS:
            if name in self._plan.only:
                yield from jobs[name]()

    def _expected(self, size: Size) -> Undisturbed:
        if size not in self._known:
            number = len(self._known)
            self._known[size] = undisturbed(self._folder / f"undisturbed-{number}", size, self._counter)
        return self._known[size]

    def _sweep(self) -> Iterator[Tally]:
        points = points_of(self._folder / "points", SMALLEST, self._counter)
        chosen = _spread(points, self._plan.points)[self._plan.part :: self._plan.parts]
        tally = Tally("killed at each system call")

        def work() -> None:
            expected = self._expected(SMALLEST)
            sweep(self._folder / "sweep", SMALLEST, self._counter, expected, chosen, tally, tell)

        yield _timed(tally, work)

    def _resume(self) -> Iterator[Tally]:
        for step in self._mine(self._plan.climbs):
            tally = Tally("killed in every resume")
            folder = self._folder / f"climb-{step}"

            def work(step: int = step, folder: Path = folder, tally: Tally = tally) -> None:
                size = self._plan.size
                climbing(folder, size, self._counter, self._expected(size), step, tally)

            yield _timed(tally, work)

    def _random(self) -> Iterator[Tally]:
        kills = round(self._plan.process_kills * self._plan.share)
        if kills:
            yield self._kills("killed at random moments (process)", "random", self._plan.size, kills)

    def _unkind(self) -> Iterator[Tally]:
        """With models as unreliable as real ones: a bad reply is read in the same way at the second time."""
        kills = round(self._plan.unkind_kills * self._plan.share)
        if kills:
            yield self._kills("killed at random moments (unkind models)", "unkind", UNKIND, kills)

    def _kills(self, what: str, name: str, size: Size, kills: int) -> Tally:
        tally = Tally(what)

        def work() -> None:
            expected = self._expected(size)
            random_kills(
                self._folder / name,
                size,
                self._counter,
                expected,
                tally,
                seed=SEED + self._plan.part,
                kills=kills,
                mean_seconds=expected.seconds / 4,
                tell=tell,
            )

        return _timed(tally, work)

    def _lineage(self) -> Iterator[Tally]:
        """Lags are what tells specs apart, so each has a lineage of its own."""
        for lag in self._mine(self._plan.lags):
            tally = Tally(f"same lineage, {', '.join(map(str, self._plan.workers))} workers, lag {lag}")

            def work(lag: int = lag, tally: Tally = tally) -> None:
                iterations = max(3, self._plan.size.iterations)
                size = replace(self._plan.size, lag=lag, iterations=iterations)
                folder = self._folder / f"lag-{lag}"
                luck = random.Random(f"{SEED} {lag}")
                same_lineage(
                    folder, size, self._counter, tally, self._plan.workers, luck, self._plan.kills_each
                )

            yield _timed(tally, work)

    def _cases(self) -> Iterator[Tally]:
        for name in self._mine(self._plan.cases):
            yield self._case(name, CASES[name], self._plan.size)

    def _docker(self) -> Iterator[Tally]:
        if not self._plan.docker_kills:
            return
        if not engine_answers():
            yield skipped("Docker", "no engine answers")
            return
        in_docker = replace(SMALLEST, sandbox="docker", workers=2)
        kills = round(self._plan.docker_kills * self._plan.share)
        yield self._kills("killed at random moments (Docker)", "docker", in_docker, kills)
        for name in self._mine(tuple(DOCKER_CASES)):
            yield self._case(name, DOCKER_CASES[name], in_docker)

    def _engine(self) -> Iterator[Tally]:
        """Each way has an engine of its own, which holds nothing at first."""
        for name in self._mine(self._plan.ways):
            tally = Tally(f"{name} and started again")
            if why := obstacle():
                yield skipped(tally.what, why)
                continue

            def work(name: str = name, tally: Tally = tally) -> None:
                way = WAYS[name]
                with own_engine(*way.options, keeps_socket=way.keeps_socket) as engine:
                    self._restarts(name, engine, tally)

            yield _timed(tally, work)

    def _restarts(self, name: str, engine: OwnEngine, tally: Tally) -> None:
        size = replace(SMALLEST, sandbox="docker", workers=2)
        folder = self._folder / name.replace(",", "").replace(" ", "-")
        environment = {"DOCKER_HOST": engine.address}
        restarts = Restarts(
            engine=engine,
            how=WAYS[name].how,
            times=self._plan.restarts,
            luck=random.Random(f"{SEED} {name}"),
            expected=undisturbed(folder / "undisturbed", size, self._counter, environment),
            tally=tally,
        )
        for number in itertools.count():
            if restarts.are_done or not tally.is_clean:
                return
            trial = Trial(folder / f"run-{number}", size, self._counter, tally, environment)
            restarts.disturb(trial)
            trial.remove()
            tell(f"{tally.what}: {tally.kills} times in {tally.runs} runs")

    def _case(self, name: str, play: Callable[[Stage, Tally], None], size: Size) -> Tally:
        tally = Tally(name)

        def work() -> None:
            folder = self._folder / name.replace(",", "").replace(" ", "-")
            folder.mkdir()
            stage = Stage(
                folder=folder,
                size=size,
                counter=self._counter,
                expected=self._expected(size),
                luck=random.Random(f"{SEED} {name}"),
            )
            play(stage, tally)

        return _timed(tally, work)

    def _mine(self, items: Sequence[T]) -> Sequence[T]:
        return items[self._plan.part :: self._plan.parts]


def _spread(points: list[Point], count: int | None) -> list[Point]:
    """All, or `count` of them: of as many kinds of call as there is room for, from the middle of a run."""
    if count is None or count >= len(points):
        return points
    kinds: dict[tuple[str, bool], list[Point]] = {}
    for point in points:
        kinds.setdefault((point.name, point.half), []).append(point)
    middle = [each[len(each) // 2] for each in kinds.values()]
    middle.sort(key=lambda point: -point.number)
    return [middle[round(index * (len(middle) - 1) / (count - 1))] for index in range(count)]


def _timed(tally: Tally, work: Callable[[], None]) -> Tally:
    """A case that breaks the harness itself is a difference too, told with its place."""
    began = time.monotonic()
    try:
        work()
    except Exception:  # noqa: BLE001 - one broken case must not hide the others
        tally.differences.append(traceback.format_exc(limit=-4))
    tally.seconds = time.monotonic() - began
    tell(f"{tally.what}: {'clean' if tally.is_clean else 'NOT CLEAN'}, {tally.kills} kills")
    return tally


def skipped(what: str, why: str) -> Tally:
    """Where an engine is promised, as in CI, its absence is a fault."""
    is_promised = os.environ.get("STUDBOOK_REQUIRE_DOCKER") == "1"
    return Tally(what, skipped=why, differences=[f"STUDBOOK_REQUIRE_DOCKER=1: {why}"] if is_promised else [])


def tell(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stderr.flush()


def merged(tallies: list[Tally]) -> list[Tally]:
    """One row for each kind, in the order they came."""
    rows: dict[str, Tally] = {}
    for tally in tallies:
        row = rows.setdefault(tally.what, Tally(tally.what))
        row.kills += tally.kills
        row.runs += tally.runs
        row.lost += tally.lost
        row.paid_again += tally.paid_again
        row.differences += tally.differences
        row.in_flight += tally.in_flight
        row.most_in_flight = max(row.most_in_flight, tally.most_in_flight)
        row.papers += tally.papers
        row.calls += tally.calls
        row.skipped = row.skipped or tally.skipped
        row.seconds += tally.seconds
    return list(rows.values())


def table(rows: list[Tally]) -> str:
    head = ("what", "kills", "runs", "papers", "calls", "lost", "paid again", "in flight", "at once")
    head = (*head, "differences", "seconds")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _cells(row: Tally) -> tuple[str, ...]:
    if row.skipped:
        return (f"{row.what}: skipped, {row.skipped}", *[""] * 10)
    there = (row.kills, row.runs, row.papers, row.calls)
    counts = (*there, len(row.lost), len(row.paid_again), row.in_flight, row.most_in_flight)
    return (row.what, *(str(count) for count in counts), str(len(row.differences)), f"{row.seconds:.0f}")


def main() -> int:
    options = _options()
    began, load = time.monotonic(), os.getloadavg()
    folder = Path(tempfile.mkdtemp(prefix="studbook-durability-"))
    plan = replace(SHORT if options.short else Plan(), only=tuple(options.only.split(",")))
    plan = replace(
        plan,
        cases=tuple(options.case) or plan.cases,
        process_kills=options.process_kills or plan.process_kills,
        docker_kills=options.docker_kills or plan.docker_kills,
        restarts=options.restarts or plan.restarts,
    )
    if options.part is not None:
        part, parts = options.part.split("/")
        plan = replace(plan, part=int(part), parts=int(parts))
        rows = [*carry_out(plan, folder)]
    elif options.jobs > 1:
        rows = merged(_in_parallel(options, folder))
    else:
        rows = merged([*carry_out(plan, folder)])
    if options.out:
        options.out.write_text(json.dumps([asdict(row) for row in rows]))
    if options.part is None:
        _print(rows, time.monotonic() - began, load, folder)
    return 0 if all(row.is_clean for row in rows) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="kill and disturb runs; print what came of it")
    parser.add_argument("--short", action="store_true", help="a minute's worth")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--case", action="append", default=[], choices=CASES, help="only this one; repeatable"
    )
    parser.add_argument("--out", type=Path, help="also write the figures here, as JSON")
    parser.add_argument("--process-kills", type=int, help="so many at random moments")
    parser.add_argument("--docker-kills", type=int, help="so many at random moments")
    parser.add_argument("--restarts", type=int, help="so many of an engine, in each way")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_parallel(options: argparse.Namespace, folder: Path) -> list[Tally]:
    outs = [folder / f"part-{number}.json" for number in range(options.jobs)]
    command = [sys.executable, "-m", "crash.durability", "--only", options.only]
    command += ["--short"] if options.short else []
    command += [f"--case={name}" for name in options.case]
    for name in ("process_kills", "docker_kills", "restarts"):
        if (count := getattr(options, name)) is not None:
            command += [f"--{name.replace('_', '-')}={count}"]
    processes = [
        subprocess.Popen([*command, "--out", str(out), "--part", f"{number}/{options.jobs}"])
        for number, out in enumerate(outs)
    ]
    for process in processes:
        process.wait()
    return [Tally(**row) for out in outs for row in json.loads(out.read_text())]


def _print(rows: list[Tally], seconds: float, load: tuple[float, ...], folder: Path) -> None:
    problems = [text for row in rows for text in (*row.lost, *row.paid_again, *row.differences)]
    kills, runs = sum(row.kills for row in rows), sum(row.runs for row in rows)
    lines = [
        table(rows),
        "",
        f"{kills} kills and disturbances in {runs} runs, {seconds / 60:.1f} minutes",
        f"{os.cpu_count()} cores, load {load[0]:.0f} at the start, Python {platform.python_version()}",
        "papers, calls: finished and recorded ones that were there at the kills, added up.",
        "lost, paid again, differences: what must be 0. in flight: calls that were under way at a kill and",
        "are asked for again, altogether and at most at one kill (no more than the endpoint's concurrency).",
        *(f"\n✗ {problem}" for problem in problems),
        *([f"\nthe folders are kept: {folder}"] if problems else []),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
