"""The cost of the framework itself: the real loop, journal and lineage, with free models and evaluations.

    .venv/bin/python benchmarks/iterations.py [--iterations 2000] [--keep FOLDER]

Prints milliseconds per iteration in windows of 200, the memory of this process, and then how long it takes to
read the run back and to inspect it. The harness is the shipped seed with a growing page of notes; evaluations
have eight rounds per paper, like real ones. Nothing is scored here: the pass rates come from a checksum.
"""

import argparse
import importlib
import os
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean, median
from threading import Event as Flag
from typing import Any

from studbook.evaluate.contracts import Paper
from studbook.evolve.contracts import Diagnosis, HistoryEntry, Proposal, SearchSettings, Silent, TryHarness
from studbook.evolve.gates import SeenTrees
from studbook.evolve.iteration import Workshop
from studbook.evolve.loop import evolve
from studbook.evolve.measuring import TEST, TRAIN, VALIDATION, Measuring, StopToken, found
from studbook.evolve.policies.admission.strict import Strict
from studbook.evolve.policies.knob_proposers.optuna import KnobSampler
from studbook.evolve.policies.selection.boltzmann import Boltzmann
from studbook.evolve.prompting import summarize
from studbook.experiments.run.environment import now
from studbook.experiments.run.ledger import Ledger, opened_ledger
from studbook.experiments.spec.loading import load_spec, write_resolved
from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import Usage
from studbook.populations.events import Event, RunStarted
from studbook.populations.population import EMPTY, Population
from studbook.populations.records import FailureCategory, MutationKind, PaperResult, PaperVerdict, RoundResult
from studbook.populations.storage import RunFolder
from studbook.testbed.fakes import FakeAnalyzer, fake_papers, pass_chance

ROOT = Path(__file__).parents[1]
RUN = "speed"
WINDOW = 200
HISTORY_CHARACTERS = 12_000
PAPERS = {TRAIN: fake_papers("a", 50), VALIDATION: fake_papers("b", 25), TEST: fake_papers("c", 25)}
LEVEL = "prompts/level.md"
LOOKS = (["ls"], ["tree", RUN], ["show", RUN], ["show", f"{RUN}:seed"], ["diff", f"{RUN}:seed", "best"])


def seed_harness() -> HarnessTree:
    """The shipped seed with what the fakes read: a level, and a knob that adds to it."""
    files = dict(read_harness(ROOT / "harnesses" / "agentic_self_instruct").files)
    manifest = files["harness.yaml"].replace(
        b"\nknobs:\n", b"\nknobs:\n  bonus: {type: int, low: 0, high: 8, value: 0}\n"
    )
    return HarnessTree.of(
        {**files, "harness.yaml": manifest, LEVEL: b"20\n", "prompts/notes.md": b"# Notes\n"}
    )


class EightRounds:
    """An almost free evaluator: chance is a checksum. Results are as large as real ones, with 8 rounds."""

    evaluator_hash = "free"

    def draw_again(self, harness: HarnessTree, paper: Paper, replicate: int) -> None:
        """It has no judging roles, and nothing to draw."""

    def evaluate_paper(self, harness: HarnessTree, paper: Paper, replicate: int) -> PaperResult:
        luck = zlib.crc32(f"{paper.paper_id} {replicate}".encode()) / 2**32
        key = f"{harness.tree_hash[:48]}{zlib.crc32(paper.paper_id.encode()):08x}{replicate:08x}"
        passed = luck < pass_chance(harness)
        return PaperResult(
            key=key,
            paper_id=paper.paper_id,
            replicate=replicate,
            verdict=PaperVerdict.ACCEPTED if passed else PaperVerdict.NOT_ACCEPTED,
            reason="its luck was enough" if passed else "its luck was not enough",
            rounds=ROUNDS,
            usage=Usage(prompt_tokens=1, completion_tokens=1),
            calls=1,
            trajectory_hash=key,
        )


ROUNDS = tuple(
    RoundResult(
        number=number,
        status="rejected",
        category=FailureCategory.TOO_EASY,
        reason="weak average 0.81 is above 0.65: a solver without the paper answers it",
        weak_average=f"{number + 20}/37",
        strong_average=None,
    )
    for number in range(1, 9)
)


class NewEveryTime:
    """Adds a note to the parent and changes its level slightly: never a duplicate, sometimes better."""

    def implement(
        self,
        parent: HarnessTree,
        diagnosis: Diagnosis,
        history: Sequence[HistoryEntry],
        try_harness: TryHarness,
        seed: int,
    ) -> Proposal:
        summarize(history, HISTORY_CHARACTERS)
        level = min(60, max(10, int(parent.files[LEVEL]) + Random(seed).choice((-4, -2, 0, 0, 2, 4))))
        note = f"- note {seed}\n".encode()
        notes = parent.files["prompts/notes.md"][-4000:] + note
        tree = parent.replace({LEVEL: f"{level}\n".encode(), "prompts/notes.md": notes})
        try_harness(tree)
        return Proposal(tree=tree, kind=MutationKind.PROMPT, hypothesis=f"note {seed} will help somewhat")


class Clocked(Ledger):
    """Records when each iteration was committed, and the memory in use."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ends: list[float] = []
        self.megabytes: list[float] = []

    def commit(self, events: Sequence[Event]) -> Population:
        population = Ledger.commit(self, events)
        self.ends.append(time.perf_counter())
        self.megabytes.append(resident_megabytes())
        return population


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def resident_megabytes() -> float:
    """Current memory of this process; the peak on systems that do not report it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def opened(folder: RunFolder) -> Iterator[tuple[Clocked, Workshop]]:
    """Opens or reopens the run in `folder`."""
    with (
        opened_ledger(folder, RUN, clock=now, holder="benchmark", kind=Clocked) as ledger,
        ThreadPoolExecutor(4) as pool,
    ):
        trees = ledger.trees
        measuring = Measuring(
            evaluator=EightRounds(), pool=pool, workers=4, observer=Silent(), stop_token=StopToken(Flag())
        )
        yield (
            ledger,
            Workshop(
                settings=SearchSettings(run_seed=1, iterations=0, minibatch=5),
                papers=PAPERS,
                selection=Boltzmann(),
                trees=trees,
                seen=SeenTrees(trees),
                measuring=measuring,
                analyzer=FakeAnalyzer(),
                implementer=NewEveryTime(),
                admission=Strict(),
                knobs=KnobSampler(),
                observer=Silent(),
            ),
        )


def begin(ledger: Ledger, shop: Workshop) -> None:
    seed = seed_harness()
    started = RunStarted(
        run_name=RUN,
        spec_hash="benchmark",
        evaluator_hash="fake",
        seed_tree_hash=seed.tree_hash,
        splits={split: tuple(paper.paper_id for paper in papers) for split, papers in shop.papers.items()},
        sandbox="process",
        isolates_untrusted_code=False,
    )
    ledger.commit((started, *found(seed, shop.trees, shop.measuring, shop.papers[VALIDATION])))


def search(folder: RunFolder, iterations: int) -> Clocked:
    with opened(folder) as (ledger, shop):
        if ledger.population == EMPTY:
            begin(ledger, shop)
        shop = replace(shop, settings=replace(shop.settings, iterations=iterations))
        evolve(shop, ledger.population, ledger.commit)
        return ledger


def plain_milliseconds() -> float:
    """Times a reference loop: a shared machine may be 50% slower at times."""
    began, total = time.perf_counter(), 0
    for number in range(1_000_000):
        total += number * number
    return 1000 * (time.perf_counter() - began)


def print_import() -> None:
    """A cost paid once per process, at the first iteration that changes a knob; not part of an iteration."""
    began = time.perf_counter()
    importlib.import_module("studbook.evolve.policies.knob_study")
    say(f"optuna's import, once per process: {time.perf_counter() - began:.2f} s, not included below\n")


def print_windows(ledger: Clocked) -> None:
    taken = [1000 * (end - start) for start, end in zip(ledger.ends, ledger.ends[1:], strict=False)]
    say("iterations   ms each: mean  median    max   memory")
    for first in range(0, len(taken), WINDOW):
        window = taken[first : first + WINDOW]
        memory = ledger.megabytes[first + len(window)]
        say(
            f"{first + 1:5}–{first + len(window):<5} {fmean(window):12.1f} {median(window):7.1f}"
            f" {max(window):6.0f} {memory:5.0f} MB"
        )


def print_reading(folder: RunFolder, iterations: int) -> None:
    """Startup time of resume, and of the read-only commands beyond Python's own start."""
    began = time.perf_counter()
    with opened(folder) as (ledger, _):
        say(f"\nreopened {ledger.population.iterations_done} iterations: {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    search(folder, iterations + 1)
    say(f"resumed, one more iteration: {time.perf_counter() - began:.2f} s, plus optuna's import above")
    start = best_of(["--version"])
    say(f"studbook --version: {start:.2f} s; in addition to that:")
    for look in LOOKS:
        taken = best_of([*look, "--runs-dir", str(folder.root.parent)]) - start
        say(f"  studbook {' '.join(look):28} {taken:5.2f} s")


def best_of(arguments: Sequence[str], times: int = 3) -> float:
    command = [sys.executable, "-m", "studbook", *arguments]
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        taken.append(time.perf_counter() - began)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--keep", type=Path, help="write the run here and leave it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="studbook-speed-") as temporary:
        folder = RunFolder((options.keep or Path(temporary)) / RUN).create()
        spec = load_spec(ROOT / "experiments" / "quickstart.yaml", [], {})
        folder.spec.write_text(write_resolved(spec.model_copy(update={"name": RUN})), encoding="utf-8")
        print_import()
        before = plain_milliseconds()
        print_windows(search(folder, options.iterations))
        say(f"a million multiplications took {before:.0f} ms before and {plain_milliseconds():.0f} ms after")
        print_reading(folder, options.iterations)


if __name__ == "__main__":
    main()
