"""How busy a search keeps an endpoint: whole iterations of the real loop, with an endpoint that only waits.

    .venv/bin/python -m benchmarks.utilization [--slots 64] [--lags 1 4] [--iterations 8]

A run of the bundled spec `autodata` with its seed harness, 25 validation papers and the testbed's models.
Each reply comes 2/3 to 4/3 of a mean time after its request (uniform, by seed), and no more than `slots`
requests are in progress. Nothing else is slowed down. The real evaluator, relay, client, records, journal and
lineage are at work; harnesses run in this process (InlineSandbox), so that boxes take no CPU time.

Time is scaled: an endpoint takes 1 to 2 s for a call, and here it is less, so that CPU time weighs several
times as much as in a real run. The mean rises with the number of slots, to stay below one core; the CPU that
was used, and by how much replies were late, are printed.

`wasted`: calls of papers that no decision needed, as a share of all calls of papers, in the whole run.
`used`: of slots x seconds, from the end of the first evaluation of the seed to the last decision. The rest is
lost while an analyzer or implementer is at work (`dialogue`), while fewer papers are running than half of the
workers (`few papers`), and otherwise because a paper mostly makes one call at a time (`one call`).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from benchmarks.iterations import ROOT, Clocked, say
from benchmarks.scheduling import Interval, busy_seconds, lost_seconds
from studbook.evaluate.contracts import Paper, PaperEvaluator
from studbook.experiments.run.bench import Origin, open_bench
from studbook.experiments.run.corpus import load_papers
from studbook.experiments.run.environment import now
from studbook.experiments.run.execute import ActiveRun, execute
from studbook.experiments.run.ledger import opened_ledger
from studbook.experiments.run.notices import NoticeLog
from studbook.experiments.run.stopping import StopSwitch
from studbook.experiments.run.watching import Watcher
from studbook.experiments.spec.loading import load_spec
from studbook.experiments.spec.model import Spec, default_speculation
from studbook.experiments.views.displays.silent import SilentDisplay
from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import HarnessTree
from studbook.identity import hash_json
from studbook.llm.contracts import ChatReply, ChatRequest, Endpoint
from studbook.populations.population import Population
from studbook.populations.records import PaperResult
from studbook.populations.storage import RunFolder
from studbook.testbed.inline_sandbox import InlineSandbox
from studbook.testbed.models.backend import TestbedBackend

SLOTS_PER_SECOND = 160
SHORTEST_SECONDS = 0.2
Key = tuple[str, str, int]
"""Tree hash, paper and replicate."""
DIALOGUE = ("testbed-analyzer", "testbed-implementer")


@dataclass(slots=True, kw_only=True)
class Waiting:
    """A backend: the testbed, each reply after its time."""

    mean_seconds: float
    calls: list[tuple[str, Interval]] = field(default_factory=list)
    late_seconds: float = 0.0
    testbed: TestbedBackend = field(default_factory=TestbedBackend)

    def complete(self, request: ChatRequest) -> ChatReply:
        began = time.perf_counter()
        due = began + self.mean_seconds * Random(request.seed).uniform(2 / 3, 4 / 3)
        reply = self.testbed.complete(request)
        time.sleep(max(0.0, due - time.perf_counter()))
        self.calls.append((request.model, (began, due)))
        self.late_seconds += time.perf_counter() - due
        return reply


@dataclass(slots=True, kw_only=True)
class Noting:
    """An evaluator that notes when each paper ran, and how many calls it made."""

    evaluator: PaperEvaluator
    papers: list[Interval] = field(default_factory=list)
    calls: dict[Key, int] = field(default_factory=dict)

    @property
    def evaluator_hash(self) -> str:
        return self.evaluator.evaluator_hash

    def evaluate_paper(self, harness: HarnessTree, paper: Paper, replicate: int) -> PaperResult:
        began = time.perf_counter()
        result = self.evaluator.evaluate_paper(harness, paper, replicate)
        self.papers.append((began, time.perf_counter()))
        self.calls[harness.tree_hash, paper.paper_id, replicate] = result.calls
        return result

    def draw_again(self, harness: HarnessTree, paper: Paper, replicate: int) -> None:
        self.evaluator.draw_again(harness, paper, replicate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """`ends`: when the first evaluation of the seed was committed, then each iteration. `cpu` in seconds."""

    spec: Spec
    slots: int
    backend: Waiting
    papers: list[Interval]
    wasted: float
    ends: list[float]
    cpu: float
    wall: float
    lineage: str

    @property
    def window(self) -> Interval:
        return self.ends[0], self.ends[-1]

    @property
    def calls(self) -> list[tuple[str, Interval]]:
        first, last = self.window
        return [
            (model, (began, ended)) for model, (began, ended) in self.backend.calls if first <= began < last
        ]

    def used(self) -> float:
        first, last = self.window
        intervals = [interval for _, interval in self.backend.calls]
        return busy_seconds(intervals, first, last) / (self.slots * (last - first))

    def lost(self) -> dict[str, float]:
        """Shares of slots x seconds; with `used` they add up to 1."""
        first, last = self.window
        causes = {
            "dialogue": ([interval for model, interval in self.backend.calls if model in DIALOGUE], bool),
            "few papers": (self.papers, lambda running: 2 * running < self.spec.workers),
        }
        calls = [interval for _, interval in self.backend.calls]
        lost = lost_seconds(calls, self.slots, self.window, causes, otherwise="one call")
        return {cause: seconds / (self.slots * (last - first)) for cause, seconds in lost.items()}


def search(folder: RunFolder, spec: Spec, slots: int, mean_seconds: float) -> Searched:
    """One whole run in an empty folder."""
    seed = read_harness(ROOT / "harnesses" / "agentic_self_instruct")
    backend, switch, display = Waiting(mean_seconds=mean_seconds), StopSwitch(), SilentDisplay()
    with ExitStack() as stack:
        ledger = stack.enter_context(
            opened_ledger(folder, spec.name, clock=now, holder="benchmark", kind=Clocked)
        )
        bench = stack.enter_context(
            open_bench(
                spec,
                InlineSandbox(),
                Origin(sandbox="inline", roles=seed.manifest.roles),
                {},
                calls=folder.calls,
                trajectories=folder.trajectories,
                notices=NoticeLog(folder.notices, display.notice, now),
                switch=switch,
                endpoints={"testbed": Endpoint(name="testbed", backend=backend, max_concurrent=slots)},
            )
        )
        noting = Noting(evaluator=bench.evaluator)
        run = ActiveRun(
            spec=spec,
            seed=seed,
            splits=load_papers(spec.corpus, spec.seed).splits,
            bench=replace(bench, evaluator=noting),
            ledger=ledger,
            trees=ledger.trees,
            watcher=Watcher(display, bench, ledger, time.monotonic),
            switch=switch,
            tell=display.notice,
        )
        began, cpu = time.perf_counter(), time.process_time()
        ending = execute(run)
        assert ending.is_orderly, ending.error
        population = ledger.population
        wasted = sum(noting.calls[key] for key in unneeded(noting.calls, population))
    return Searched(
        spec=spec,
        slots=slots,
        backend=backend,
        papers=noting.papers,
        wasted=wasted / sum(noting.calls.values()),
        ends=ledger.ends[1 : 2 + population.iterations_done],  # the first commit is the beginning of the run
        cpu=time.process_time() - cpu,
        wall=time.perf_counter() - began,
        lineage=hash_json([[each.parent_id, each.verdict, each.reason] for each in population.decisions]),
    )


def unneeded(papers: Iterable[Key], population: Population) -> list[Key]:
    """Those of no recorded evaluation, except a harness's first papers before it is evaluated.

    Papers of a harness in the iteration that made it are its gate paper, or those that the implementer tried.
    """
    trees = {mutant.harness_id: mutant.tree_hash for mutant in population.mutants.values()}
    born = {mutant.tree_hash: mutant.iteration for mutant in population.mutants.values()}
    recorded = {
        (trees[each.harness_id], paper, each.replicate)
        for each in population.evaluations
        for paper, _ in each.verdicts
    }
    validation = set(population.start.splits["validation"]) if population.start else set()
    return [
        key
        for key in papers
        if key not in recorded and (key[1] in validation or born.get(key[0], key[2]) < key[2])
    ]


def spec_for(slots: int, lag: int, iterations: int, more: Iterable[str]) -> Spec:
    flags = [
        f"models.endpoints.testbed.concurrency={slots}",
        f"search.lag={lag}",
        f"search.iterations={iterations}",
        "champion.candidates=1",
        "champion.confirm_replicates=1",
        "champion.test_replicates=1",
        f"workers={slots}",
        f"speculation={default_speculation(slots)}",
    ]
    return load_spec(ROOT / "experiments" / "autodata.yaml", [*flags, *more], {})


HEAD = (
    "slots workers lag speculation  n   calls wasted  seconds   used   lost: dialogue  few papers  one call"
    "   late  cores  lineage"
)


def line_of(run: Searched) -> str:
    first, last = run.window
    lost = run.lost()
    late = run.backend.late_seconds / len(run.backend.calls) / run.backend.mean_seconds
    return (
        f"{run.slots:5} {run.spec.workers:7} {run.spec.search.lag:3} {run.spec.speculation:11}"
        f" {len(run.ends) - 1:2} {len(run.calls):7,} {run.wasted:6.1%} {last - first:8.0f} {run.used():6.1%}"
        f" {lost['dialogue']:15.1%} {lost['few papers']:11.1%} {lost['one call']:9.1%}"
        f" {late:6.1%} {run.cpu / run.wall:6.2f}  {run.lineage[:8]}"
    )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slots", type=int, nargs="+", default=[64])
    parser.add_argument("--lags", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--iterations", type=int, default=8)
    parser.add_argument("--mean", type=float, help="seconds of a call; by default slots / 160, at least 0.2")
    parser.add_argument("-s", action="append", default=[], metavar="KEY=VALUE", help="a key of the spec")
    options = parser.parse_args(arguments)
    say(HEAD)
    with tempfile.TemporaryDirectory(prefix="studbook-utilization-") as temporary:
        for slots in options.slots:
            mean_seconds = options.mean or max(SHORTEST_SECONDS, slots / SLOTS_PER_SECOND)
            for lag in options.lags:
                folder = RunFolder(Path(temporary) / f"{slots}-{lag}").create()
                spec = spec_for(slots, lag, options.iterations, options.s)
                say(line_of(search(folder, spec, slots, mean_seconds)))


if __name__ == "__main__":
    main(sys.argv[1:])
