"""Worker utilization: the real loop, journal and lineage, with work that only sleeps.

    .venv/bin/python -m benchmarks.parallel [--seconds 60]

Every model call and every evaluation of a paper sleeps 1 s, or a heavy-tailed time of 1 s on average (seeded
by the request, so that a run always has the same latencies). All measurements run concurrently in this one
process; they sleep nearly all the time.

Efficiency = seconds slept / (workers x wall seconds). Sleeping longer than requested does not count as work.
`steady` covers the start of the search to the start of its last iteration, `whole` also its end, when workers
run out of work one by one. `in order` is the value of `steady` if the framework took no time, with the same
latencies (`scheduling.py`): iteration i starts when i - lag is committed, so a slow iteration delays later
ones unless `lag` is well above `workers`.

An iteration here has one training and one validation paper, so at most six sequential steps. The second table
is the paper pool alone: the papers of one evaluation, in parallel.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event as Flag

from benchmarks.iterations import NewEveryTime, begin, say, seed_harness
from benchmarks.scheduling import (
    Interval,
    Latency,
    efficiency,
    in_order_efficiency,
    many_durations,
)
from studbook.evaluate.contracts import Paper
from studbook.evaluate.evaluations import evaluate_many
from studbook.evaluate.paper_queue import PaperQueue
from studbook.evolve.contracts import Diagnosis, HistoryEntry, Proposal, SearchSettings, Silent, TryHarness
from studbook.evolve.gates import SeenTrees
from studbook.evolve.iteration import Workshop
from studbook.evolve.loop import evolve
from studbook.evolve.measuring import TEST, TRAIN, VALIDATION, Measuring, StopToken
from studbook.evolve.policies.admission.strict import Strict
from studbook.evolve.policies.knob_proposers.optuna import KnobSampler
from studbook.evolve.policies.selection.boltzmann import Boltzmann
from studbook.experiments.run.environment import now
from studbook.experiments.run.ledger import Ledger, opened_ledger
from studbook.harnesses.tree import HarnessTree
from studbook.identity import derive_seed
from studbook.populations.records import PaperResult
from studbook.populations.storage import RunFolder
from studbook.testbed.fakes import FakeAnalyzer, FakeEvaluator, fake_papers

RUN = "parallel"
PAPERS = {TRAIN: fake_papers("a", 50), VALIDATION: fake_papers("b", 1), TEST: fake_papers("c", 1)}
STEPS = 5.5
"""Rough duration of an iteration, to choose how many fit into the time."""
LATENCIES = {"1 s": Latency(), "heavy tail": Latency(sigma=1.0)}
SEARCHES = [("1 s", 4), ("1 s", 8), ("heavy tail", 4), ("heavy tail", 8)]
LAGS = (1, 2, 3, 4, 8)
"""In multiples of the number of workers."""


@dataclass(slots=True, kw_only=True)
class Diary:
    """Records the sleep intervals of each iteration. Thread-safe."""

    latency: Latency
    slept: list[tuple[int, Interval]] = field(default_factory=list)
    started: dict[int, float] = field(default_factory=dict)

    def sleep(self, iteration: int, *name: str | int) -> None:
        """Sleeps for the latency of `name`; the same name always has the same latency."""
        seconds = self.latency.draw(Random(derive_seed("latency", *name)))
        began = time.perf_counter()
        time.sleep(seconds)
        self.slept.append((iteration, (began, began + seconds)))

    @property
    def intervals(self) -> list[Interval]:
        return [interval for _, interval in self.slept]

    @property
    def durations(self) -> list[float]:
        """Seconds slept by each iteration, in order."""
        total: dict[int, float] = {}
        for iteration, (first, last) in self.slept:
            total[iteration] = total.get(iteration, 0.0) + last - first
        return [total[iteration] for iteration in sorted(total)]

    @property
    def steps(self) -> list[int]:
        """Number of steps of each iteration."""
        return list(Counter(iteration for iteration, _ in self.slept).values())


class Slow(FakeEvaluator):
    """The fake evaluator with known chances, but a paper takes time; a known result takes none."""

    def __init__(self, diary: Diary) -> None:
        FakeEvaluator.__init__(self)
        self.diary = diary
        self.known: set[tuple[str, str, int]] = set()

    def evaluate_paper(self, harness: HarnessTree, paper: Paper, replicate: int) -> PaperResult:
        name = (harness.tree_hash, paper.paper_id, replicate)
        if name not in self.known:
            self.diary.sleep(replicate, "paper", *name)
            self.known.add(name)
        return FakeEvaluator.evaluate_paper(self, harness, paper, replicate)


class Here(threading.local):
    """The iteration that this thread is working on."""

    iteration = 0


@dataclass(slots=True, kw_only=True)
class SlowModels(Silent):
    """Analyzer, implementer and observer in one: assigns a call to an iteration by its thread."""

    diary: Diary
    here: Here = field(default_factory=Here)

    def iteration_started(self, iteration: int, parent_id: str) -> None:
        self.here.iteration = iteration
        self.diary.started[iteration] = time.perf_counter()

    def analyze(
        self, parent: HarnessTree, results: Sequence[PaperResult], history: Sequence[HistoryEntry], seed: int
    ) -> Diagnosis:
        self.diary.sleep(self.here.iteration, "analyzer", seed)
        return FakeAnalyzer().analyze(parent, results, history, seed)

    def implement(
        self,
        parent: HarnessTree,
        diagnosis: Diagnosis,
        history: Sequence[HistoryEntry],
        try_harness: TryHarness,
        seed: int,
    ) -> Proposal:
        self.diary.sleep(self.here.iteration, "implementer", seed)
        return NewEveryTime().implement(parent, diagnosis, history, try_harness, seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """One search and its timing. `head` is the journal's head: it identifies the lineage."""

    workers: int
    lag: int
    diary: Diary
    begin: float
    end: float
    head: str

    @property
    def steady(self) -> float:
        return efficiency(self.diary.intervals, self.workers, self.begin, max(self.diary.started.values()))

    @property
    def whole(self) -> float:
        return efficiency(self.diary.intervals, self.workers, self.begin, self.end)


def search(root: Path, models: SlowModels, workers: int, settings: SearchSettings) -> Searched:
    """One run of the real loop in its own folder; each iteration has only a few papers, `PAPERS`."""
    folder, diary = RunFolder(root / RUN).create(), models.diary
    with (
        opened_ledger(folder, RUN, clock=now, holder="benchmark", kind=Ledger) as ledger,
        ThreadPoolExecutor(workers) as pool,
    ):
        trees = ledger.trees
        measuring = Measuring(
            evaluator=Slow(diary), pool=pool, workers=workers, observer=Silent(), stop_token=StopToken(Flag())
        )
        shop = Workshop(
            settings=settings,
            papers=PAPERS,
            selection=Boltzmann(),
            trees=trees,
            seen=SeenTrees(trees),
            measuring=measuring,
            analyzer=models,
            implementer=models,
            admission=Strict(),
            knobs=KnobSampler(),
            observer=models,
        )
        begin(ledger, shop)
        diary.slept.clear()
        began = time.perf_counter()
        evolve(shop, ledger.population, ledger.commit, workers=workers)
        ended = time.perf_counter()
        return Searched(
            workers=workers, lag=settings.lag, diary=diary, begin=began, end=ended, head=ledger.head
        )


def evaluate_papers(latency: Latency, workers: int, papers: int) -> Searched:
    """Evaluates one harness on many papers in the pool."""
    diary = Diary(latency=latency)
    with ThreadPoolExecutor(workers) as pool:
        began = time.perf_counter()
        evaluate_many(
            PaperQueue(Slow(diary), pool),
            seed_harness(),
            fake_papers("p", papers),
            harness_id="seed",
            split=VALIDATION,
            replicate=1,
            workers=workers,
            on_result=lambda _: None,
        )
        ended = time.perf_counter()
    diary.started = {number: first for number, (first, _) in enumerate(diary.intervals)}
    return Searched(workers=workers, lag=0, diary=diary, begin=began, end=ended, head="")


def print_searches(done: Sequence[tuple[str, Searched]]) -> None:
    say("the loop    workers  lag  iterations   wall   steady  whole  in order")
    for name, run in done:
        possible = in_order_efficiency(run.diary.durations, run.workers, run.lag)
        say(
            f"{name:10} {run.workers:8} {run.lag:4} {len(run.diary.started):11} {run.end - run.begin:4.0f} s"
            f" {run.steady:8.3f} {run.whole:6.3f} {possible:9.3f}"
        )


def print_lags(done: Sequence[tuple[str, Searched]]) -> None:
    """The efficiency that each lag allows, computed for 4,000 iterations like the measured ones."""
    say("\nin order, computed        " + "".join(f"  lag {factor} x" for factor in LAGS))
    for name, run in done:
        long_run = many_durations(run.diary.steps, LATENCIES[name], 4000, seed=1)
        found = [in_order_efficiency(long_run, run.workers, factor * run.workers) for factor in LAGS]
        say(f"{name:10} {run.workers:8} workers" + "".join(f"{each:9.3f}" for each in found))


def print_pools(done: Sequence[tuple[str, Searched]]) -> None:
    say("\nthe pool    workers  papers   wall   steady  whole")
    for name, run in done:
        say(
            f"{name:10} {run.workers:8} {len(run.diary.slept):7} {run.end - run.begin:4.0f} s"
            f" {run.steady:8.3f} {run.whole:6.3f}"
        )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="approximate time; all searches run at once"
    )
    parser.add_argument("--lag", type=int, default=3, help="in multiples of the number of workers")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="studbook-parallel-") as temporary,
        ThreadPoolExecutor(8) as side_by_side,
    ):
        searches = [
            side_by_side.submit(
                search,
                Path(temporary) / str(number),
                SlowModels(diary=Diary(latency=LATENCIES[name])),
                workers,
                SearchSettings(
                    run_seed=1,
                    iterations=max(1, round(options.seconds * workers / STEPS)),
                    minibatch=1,
                    lag=options.lag * workers,
                ),
            )
            for number, (name, workers) in enumerate(SEARCHES)
        ]
        pools = [
            side_by_side.submit(
                evaluate_papers, LATENCIES[name], workers, max(1, round(options.seconds * workers))
            )
            for name, workers in SEARCHES
        ]
        names = [name for name, _ in SEARCHES]
        done = list(zip(names, [future.result() for future in searches], strict=True))
        print_searches(done)
        print_lags(done)
        print_pools(list(zip(names, [future.result() for future in pools], strict=True)))


if __name__ == "__main__":
    main(sys.argv[1:])
