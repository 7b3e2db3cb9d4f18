"""Live replay: re-evaluates harnesses of a run with fresh calls and compares with their recorded scores.

A harness that was selected for a high score was, on average, also lucky, so its fresh score tends to be
lower. This module computes how much lower, with a 95% CI.

Replicate numbers start above all numbers that runs use, so no random seed of the run is reused. Results are
stored beside those of `studbook evaluate`, never in the run: the same command picks up where it was
interrupted, pays for nothing twice, and appends further replicates.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from studbook.errors import RevisionError
from studbook.evaluate.contracts import Paper
from studbook.evolve.contracts import StopRequested
from studbook.experiments.replay.scope import (
    Part,
    PreparedPart,
    pieces_of,
    trees_of,
)
from studbook.experiments.run.bench import Bench, open_bench
from studbook.experiments.run.environment import now, read_user_environment
from studbook.experiments.run.notices import NoticeLog
from studbook.experiments.run.opening import OpenedRun
from studbook.experiments.run.stopping import StopSwitch, listening
from studbook.experiments.views.display import Display
from studbook.experiments.views.lines import spaced
from studbook.harnesses.tree import HarnessTree
from studbook.llm.meter import Totals, sum_totals
from studbook.populations.population import SEED_ID, EvaluationSummary, Population
from studbook.populations.records import PaperResult
from studbook.populations.statistics import shrunk_rate, unpaired_interval
from studbook.populations.storage import storage_errors
from studbook.rate import NO_RATE, Z95, Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDrop:
    """`drop` is old − new pass rate, from -1 to 1, with its 95% CI.

    Each paper has the same weight in `drop`, however often it was run. `expected` is the old score shrunk
    toward the seed's: the prior expectation of a fresh score; None for the seed itself. `is_stopped`: racing
    stopped the old evaluation early.
    """

    harness_id: str
    papers: int
    replicates: int
    old: Rate
    new: Rate
    drop: Fraction
    interval: tuple[float, float]
    expected: Fraction | None
    is_stopped: bool

    @property
    def is_shown(self) -> bool:
        return self.interval[0] > 0 or self.interval[1] < 0


def find_drop(
    harness_id: str,
    old: Mapping[str, Rate],
    new: Mapping[str, Rate],
    *,
    replicates: int,
    seed: Rate | None,
    strength: int,
    is_stopped: bool,
) -> ScoreDrop:
    """`old`, `new`: rates by paper, on the same papers. `seed`: its old rate; `strength`: shrinkage."""
    pairs = [(old[paper], new[paper]) for paper in sorted(old.keys() & new.keys())]
    before = sum((one for one, _ in pairs), NO_RATE)
    after = sum((two for _, two in pairs), NO_RATE)
    falls = [one.fraction - two.fraction for one, two in pairs]
    drop = sum(falls, Fraction(0)) / len(falls) if falls else Fraction(0)
    interval = mean_interval(falls) if len(falls) != 1 else unpaired_interval(after, before)
    return ScoreDrop(
        harness_id=harness_id,
        papers=len(pairs),
        replicates=replicates,
        old=before,
        new=after,
        drop=drop,
        interval=interval,
        expected=None if seed is None else shrunk_rate(before, seed, strength),
        is_stopped=is_stopped,
    )


def mean_interval(differences: list[Fraction]) -> tuple[float, float]:
    """95% CI for the mean of paired differences, each in [-1, 1].

    Wald with two pseudo-pairs, split as (+1, 0, 0, −1) halves: for pairs with one run on each side this is
    the interval of Agresti and Min (2005), as in `populations/statistics.py`; it never has zero width.
    """
    n = len(differences) + 2
    mean = float(sum(differences, Fraction(0))) / n
    square = (float(sum((each * each for each in differences), Fraction(0))) + 1.0) / n
    half = Z95 * math.sqrt(max(0.0, square - mean * mean) / n)
    return max(-1.0, mean - half), min(1.0, mean + half)


FIRST_REPLICATE = 3_000_000
"""Above every replicate number of a search, a confirmation or a test."""
SPLIT = "replayed"

OldScores = dict[str, dict[str, Rate]]
"""By harness, by paper."""


def whole_run(run: OpenedRun) -> Part:
    """The seed, the best harness and the champion: the harnesses that a run makes claims about."""
    population = run.population
    champion = population.champion.harness_id if population.champion else SEED_ID
    return Part(
        run=run, harness_ids=tuple(dict.fromkeys([SEED_ID, population.best_id, champion])), paper_id=None
    )


def old_scores(part: Part) -> OldScores:
    """The recorded validation results of each harness; for a single paper, all its results."""
    if part.paper_id is not None:
        return _on_one_paper(part)
    found = {each: _by_paper(_scored(part.run.population, each)) for each in part.harness_ids}
    known = {harness_id: scores for harness_id, scores in found.items() if scores}
    if not known:
        raise RevisionError(
            f"{', '.join(part.harness_ids)} has no validation score in {part.run.folder.name}, so there is "
            "nothing to compare\n  choose a harness that was evaluated: studbook tree RUN"
        )
    return known


def _on_one_paper(part: Part) -> OldScores:
    found: OldScores = defaultdict(dict)
    for piece in pieces_of(part):
        before = found[piece.harness_id].get(piece.result.paper_id, NO_RATE)
        found[piece.harness_id][piece.result.paper_id] = before + Rate(int(piece.result.passed), 1)
    return dict(found)


def _scored(population: Population, harness_id: str) -> list[EvaluationSummary]:
    """Complete evaluations; those that racing stopped only if there are no others."""
    scored = [each for each in population.evaluations_of(harness_id) if each.is_scored]
    return [each for each in scored if each.is_complete] or scored


def _by_paper(evaluations: Iterable[EvaluationSummary]) -> dict[str, Rate]:
    found: dict[str, Rate] = {}
    for each in evaluations:
        for paper, verdict in each.verdicts:
            found[paper] = found.get(paper, NO_RATE) + Rate(int(verdict.value == "accepted"), 1)
    return found


def measure_again(
    bench: Bench,
    part: Part,
    old: OldScores,
    trees: Mapping[str, HarnessTree],
    papers: Mapping[str, Paper],
    *,
    replicates: int,
    on_result: Callable[[PaperResult], None],
) -> tuple[ScoreDrop, ...]:
    """Evaluates one harness after another; keeps finished work. Raises what `Bench.evaluate` raises."""
    population = part.run.population
    seed = _total(_by_paper(_scored(population, SEED_ID))) if part.paper_id is None else None
    return tuple(
        find_drop(
            harness_id,
            scores,
            _measured(
                bench, trees[harness_id], harness_id, [papers[each] for each in scores], replicates, on_result
            ),
            replicates=replicates,
            seed=None if harness_id == SEED_ID else seed,
            strength=bench.spec.champion.shrinkage,
            is_stopped=part.paper_id is None
            and any(not each.is_complete for each in _scored(population, harness_id)),
        )
        for harness_id, scores in old.items()
    )


def _measured(
    bench: Bench,
    tree: HarnessTree,
    harness_id: str,
    papers: Sequence[Paper],
    replicates: int,
    on_result: Callable[[PaperResult], None],
) -> dict[str, Rate]:
    found: dict[str, Rate] = {}
    for replicate in range(FIRST_REPLICATE, FIRST_REPLICATE + replicates):
        evaluation = bench.evaluate(
            tree, papers, harness_id=harness_id, split=SPLIT, replicate=replicate, on_result=on_result
        )
        for result in evaluation.results:
            found[result.paper_id] = found.get(result.paper_id, NO_RATE) + Rate(int(result.passed), 1)
    return found


def _total(rates: Mapping[str, Rate]) -> Rate:
    return sum(rates.values(), NO_RATE)


DEFAULT_REPLICATES = 3


def measure_part(
    part: Part, old: OldScores, prepared: PreparedPart, replicates: int, store: Path, display: Display
) -> tuple[tuple[ScoreDrop, ...], Totals]:
    """Also returns the totals of the new calls. Raises StopRequested; finished work stays in `store`."""
    with storage_errors(store, "create"):
        store.mkdir(parents=True, exist_ok=True)
    switch = StopSwitch()
    done, total = 0, replicates * sum(len(papers) for papers in old.values())

    def finished(result: PaperResult) -> None:
        nonlocal done
        done += 1
        display.working(f"paper {done} of {total}: {spaced(result.verdict)}")
        if switch.event.is_set():
            raise StopRequested("stopped on request")

    with (
        open_bench(
            prepared.spec,
            prepared.sandbox,
            replace(prepared.origin, sandbox=prepared.sandbox.fingerprint),
            read_user_environment().variables,
            calls=store / "calls.sqlite",
            trajectories=store / "trajectories",
            notices=NoticeLog(store / "notices.jsonl", display.notice, now),
            switch=switch,
        ) as bench,
        listening(switch, store, display.notice),
    ):
        found = measure_again(
            bench, part, old, trees_of(part), prepared.papers, replicates=replicates, on_result=finished
        )
        return found, sum_totals(bench.client.meter.snapshot())
