"""What displays, tables and the report show, as plain frozen values: no styles, no file access.

A view is computed from a population or from the current state of a run; the display or report decides how to
draw it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import Any

from studbook.experiments.views.text import count
from studbook.populations.diff import ScoreDiff, diff_evaluations
from studbook.populations.events import EvaluationDone, Event, Purpose, RunStarted
from studbook.populations.family import lineage_chain
from studbook.populations.population import SEED_ID, Population
from studbook.populations.records import Decision, MutationKind, PaperVerdict, Verdict
from studbook.rate import NO_RATE, Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class StartView:
    """`notes` are warnings to read before money is spent (skipped papers, a weak sandbox)."""

    run: str
    folder: str
    models: str
    is_testbed: bool
    sandbox: str
    isolates_untrusted_code: bool
    papers: str
    splits: dict[str, int]
    harness: str
    search: str
    iterations: int
    finished_iterations: int = 0
    is_finished: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationView:
    iteration: int
    iterations: int
    parent_id: str
    mutant_id: str | None
    kind: MutationKind | None
    hypothesis: str
    verdict: Verdict
    reason: str
    parent_rate: Rate = NO_RATE
    mutant_rate: Rate = NO_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressView:
    """`best_rate` pools the complete validation evaluations of the best harness. Only paid calls cost.

    Calls, tokens and dollars are the whole run's; seconds and cached calls are this process's.
    `expected_dollars` is what the whole run is expected to cost; None if that is unknown or nothing.
    """

    done: int
    iterations: int
    best_id: str
    best_rate: Rate
    best_is_stopped: bool = False
    calls: int
    recorded_calls: int
    tokens: int
    cost_dollars: float
    seconds: float
    eta_seconds: float | None
    is_resumed: bool = False
    expected_dollars: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageStep:
    harness_id: str
    kind: MutationKind
    hypothesis: str
    rate: Rate
    is_stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndView:
    """`next_commands` are (command, what it does); `test_difference` is champion against seed."""

    run: str
    reason: str
    lineage: tuple[LineageStep, ...]
    verdicts: dict[str, int]
    champion_id: str | None
    champion_reason: str
    champion_test: Rate
    seed_test: Rate
    is_testbed: bool
    progress: ProgressView
    next_commands: tuple[tuple[str, str], ...]
    test_difference: ScoreDiff | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of `studbook ls`. `state`: see `studbook.experiments.run.costs.state_of`."""

    run: str
    state: str
    iterations: int
    admitted: int
    best_id: str
    best_rate: Rate
    seed_rate: Rate
    champion_test: Rate
    sandbox: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """After one iteration: the pooled score of the best harness so far, and the mutant's own evaluation."""

    iteration: int
    best_id: str
    best: Rate
    mutant: Rate
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessView:
    """`studbook show RUN:m0031`: a mutant, its verdict, and its results on papers so far."""

    harness_id: str
    parent_id: str | None
    iteration: int
    kind: MutationKind
    hypothesis: str
    verdict: Verdict | None
    reason: str
    tree_hash: str
    commit: str
    knobs: dict[str, float]
    score: Rate
    is_stopped: bool
    evaluations: tuple["EvaluationLine", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationLine:
    purpose: Purpose
    iteration: int
    split: str
    replicate: int
    is_complete: bool
    rate: Rate
    confirmed: Rate
    papers: tuple[tuple[str, PaperVerdict], ...]


def iteration_views(population: Population, iterations: int = 0) -> tuple[IterationView, ...]:
    total = max(iterations, population.iterations_done)
    return tuple(iteration_view(population, decision, total) for decision in population.decisions)


def iteration_view(population: Population, decision: Decision, iterations: int) -> IterationView:
    mutant = population.mutants.get(decision.mutant_id or "")
    return IterationView(
        iteration=decision.iteration,
        iterations=iterations,
        parent_id=decision.parent_id,
        mutant_id=decision.mutant_id,
        kind=mutant.kind if mutant else None,
        hypothesis=mutant.hypothesis if mutant else "",
        verdict=decision.verdict,
        reason=decision.reason,
        parent_rate=decision.parent_rate,
        mutant_rate=decision.mutant_rate,
    )


def lineage_steps(population: Population, harness_id: str) -> tuple[LineageStep, ...]:
    return tuple(
        LineageStep(
            harness_id=mutant.harness_id,
            kind=mutant.kind,
            hypothesis=mutant.hypothesis,
            rate=population.tally(mutant.harness_id).observed,
            is_stopped=population.tally(mutant.harness_id).is_stopped,
        )
        for mutant in lineage_chain(population, harness_id)
    )


def champion_reason(population: Population) -> str:
    """Why this harness is the champion, or why there is none."""
    if population.champion is not None:
        return population.champion.reason
    return "the run is not finished yet" if population.finish is None else population.finish.reason


def verdict_counts(population: Population) -> dict[str, int]:
    counted = Counter(decision.verdict for decision in population.decisions)
    return {verdict.value: counted[verdict] for verdict in Verdict}


def curve(population: Population) -> tuple[CurvePoint, ...]:
    searched = replace(population, champion=None)  # chosen after the search, from other evaluations
    points = []
    for decision in population.decisions:
        then = searched.as_of(decision.iteration)
        points.append(
            CurvePoint(
                iteration=decision.iteration,
                best_id=then.best_id,
                best=then.tally(then.best_id).observed,
                mutant=decision.mutant_rate,
                verdict=decision.verdict,
            )
        )
    return tuple(points)


def pooled_rate(population: Population, harness_id: str, *purposes: Purpose) -> Rate:
    """All complete evaluations for these purposes, added up."""
    total = NO_RATE
    for summary in population.evaluations_of(harness_id):
        if summary.purpose in purposes and summary.is_complete:
            total += summary.rate
    return total


def confirmed_rate(population: Population, harness_id: str, *purposes: Purpose) -> Rate:
    """How many of the examples accepted in these evaluations were accepted again on fresh rollouts."""
    found = (each for each in population.evaluations_of(harness_id) if each.purpose in purposes)
    return sum((each.confirmed for each in found), NO_RATE)


def sealed_difference(population: Population) -> ScoreDiff | None:
    """Champion against seed on the sealed test papers; None unless both were evaluated."""
    champion = population.champion.harness_id if population.champion else SEED_ID
    if champion == SEED_ID or not pooled_rate(population, champion, Purpose.TEST).n:
        return None
    return diff_evaluations(population, SEED_ID, champion, split="test").score


def failure_counts(events: Iterable[Event], harness_id: str) -> dict[str, int]:
    """Rounds that were not accepted, by category, and papers that ended otherwise, by verdict."""
    counted: Counter[str] = Counter()
    for event in events:
        if not isinstance(event, EvaluationDone) or event.evaluation.harness_id != harness_id:
            continue
        for result in event.evaluation.results:
            counted.update(each.category.value for each in result.rounds if each.category)
            if result.verdict not in {PaperVerdict.ACCEPTED, PaperVerdict.NOT_ACCEPTED}:
                counted[result.verdict.value] += 1
    return dict(counted.most_common())


def harness_view(population: Population, harness_id: str) -> HarnessView:
    mutant = population.mutants[harness_id]
    decision = population.find_decision(harness_id)
    lines = tuple(
        EvaluationLine(
            purpose=each.purpose,
            iteration=each.iteration,
            split=each.split,
            replicate=each.replicate,
            is_complete=each.is_complete,
            rate=each.rate,
            confirmed=each.confirmed,
            papers=each.verdicts,
        )
        for each in population.evaluations_of(harness_id)
    )
    return HarnessView(
        harness_id=harness_id,
        parent_id=mutant.parent_id,
        iteration=mutant.iteration,
        kind=mutant.kind,
        hypothesis=mutant.hypothesis,
        verdict=decision.verdict if decision else None,
        reason=decision.reason if decision else "the harness the run started from",
        tree_hash=mutant.tree_hash,
        commit=mutant.commit,
        knobs=dict(mutant.knobs),
        score=population.tally(harness_id).observed,
        is_stopped=population.tally(harness_id).is_stopped,
        evaluations=lines,
    )


def run_summary(name: str, population: Population, state: str) -> RunSummary:
    champion = population.champion.harness_id if population.champion else ""
    return RunSummary(
        run=name,
        state=state,
        iterations=population.iterations_done,
        admitted=sum(decision.verdict is Verdict.ADMITTED for decision in population.decisions),
        best_id=population.best_id,
        best_rate=population.tally(population.best_id).observed,
        seed_rate=population.tally(SEED_ID).observed,
        champion_test=pooled_rate(population, champion, Purpose.TEST),
        sandbox=population.start.sandbox if population.start else "",
    )


def as_json(value: Any) -> Any:
    """Views and records as plain JSON; a rate keeps its n and its 95% CI."""
    if isinstance(value, Rate):
        low, high = value.interval()
        return {"passed": value.passed, "n": value.n, "low": round(low, 6), "high": round(high, 6)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Fraction):
        return round(float(value), 6)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    return value


def json_text(value: Any) -> str:
    """Printable ASCII and line breaks between values, so that untrusted text cannot control a terminal."""
    return json.dumps(as_json(value), indent=2).replace("\x7f", "\\u007f")


def near_duplicates(start: RunStarted) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The splits and the paper ids of each group of near-duplicates."""
    homes = {paper_id: name for name, ids in start.splits.items() for paper_id in ids}
    return tuple(
        (", ".join(dict.fromkeys(homes.get(paper_id, "?") for paper_id in group)), group)
        for group in start.near_duplicates
    )


MOST_GROUPS = 8


def near_duplicate_words(groups: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """One line per group; at most MOST_GROUPS."""
    lines = [
        f"{count(len(ids), 'paper')} of {place} are versions of one paper, but count as "
        f"independent ({', '.join(ids)})"
        for place, ids in groups[:MOST_GROUPS]
    ]
    left = len(groups) - MOST_GROUPS
    return [*lines, f"and {count(left, 'group')} more"] if left > 0 else lines
