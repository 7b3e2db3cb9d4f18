"""How two harnesses differ: files as unified diffs, results per paper, and scores.

Pure: files and a population in, plain values out. `experiments/views` displays them.
"""

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from studbook.populations.population import EvaluationSummary, Population
from studbook.populations.records import PaperVerdict
from studbook.populations.statistics import Paired, unpaired_interval
from studbook.rate import Rate


class FileChange(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """`lines` is a unified diff without line ends; empty if a side is not text (`is_binary`)."""

    path: str
    change: FileChange
    lines: tuple[str, ...]
    is_binary: bool = False


def diff_files(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[FileDiff, ...]:
    """The files that differ, by path."""
    paths = sorted(before.keys() | after.keys())
    return tuple(
        _diff_file(path, before.get(path), after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    )


def _diff_file(path: str, before: bytes | None, after: bytes | None) -> FileDiff:
    change = (
        FileChange.ADDED if before is None else FileChange.REMOVED if after is None else FileChange.CHANGED
    )
    try:
        old, new = (_lines(side) for side in (before, after))
    except UnicodeDecodeError:
        return FileDiff(path=path, change=change, lines=(), is_binary=True)
    names = ("/dev/null" if before is None else f"a/{path}", "/dev/null" if after is None else f"b/{path}")
    return FileDiff(
        path=path, change=change, lines=tuple(difflib.unified_diff(old, new, *names, lineterm=""))
    )


def _lines(side: bytes | None) -> list[str]:
    """Splits at newlines only, so that a carriage return or a form feed shows up as a difference."""
    if not side:
        return []
    lines = side.decode("utf-8").split("\n")
    return lines[:-1] if lines[-1] == "" else [*lines[:-1], f"{lines[-1]} (no newline at the end)"]


class PaperChange(StrEnum):
    REGRESSED = "regressed"
    FIXED = "fixed"
    STILL_FAILING = "still failing"  # neither ever passed it
    UNCHANGED = "unchanged"  # passed equally often, at least once
    NOT_COMPARABLE = "not comparable"  # only one of them ran it


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperDiff:
    """`is_paired`: the rates use only the replicates that both ran; otherwise all replicates."""

    paper_id: str
    change: PaperChange
    before: Rate
    after: Rate
    is_paired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDiff:
    """after − before with a 95% CI; `paired` is None if no (paper, replicate) was run by both.

    `before` and `after` are the rates that `difference` compares, `pooled_*` the scores in the population.
    `rests_on_stopped`: some results come from an evaluation that racing stopped, so the difference looks
    larger than it is and the interval is too narrow.
    """

    before: Rate
    after: Rate
    difference: Fraction
    interval: tuple[float, float]
    paired: Paired | None
    pooled_before: Rate
    pooled_after: Rate
    rests_on_stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessDiff:
    before_id: str
    after_id: str
    papers: tuple[PaperDiff, ...]
    score: ScoreDiff


_Outcomes = dict[tuple[str, int], bool]


def diff_evaluations(
    population: Population, before_id: str, after_id: str, split: str = "validation"
) -> HarnessDiff:
    """Two harnesses on the papers of one split; the same paper and replicate have the same random seeds."""
    sides = [_evaluations(population, harness_id, split) for harness_id in (before_id, after_id)]
    before, after = (_outcomes(side) for side in sides)
    return HarnessDiff(
        before_id=before_id,
        after_id=after_id,
        papers=tuple(
            _diff_paper(paper, before, after) for paper in sorted({key[0] for key in before | after})
        ),
        score=_diff_score(
            before,
            after,
            pooled=(population.score(before_id), population.score(after_id)),
            rests_on_stopped=any(not each.is_complete for side in sides for each in side),
        ),
    )


def _evaluations(population: Population, harness_id: str, split: str) -> list[EvaluationSummary]:
    return [each for each in population.evaluations_of(harness_id) if each.split == split]


def _outcomes(evaluations: Iterable[EvaluationSummary]) -> _Outcomes:
    return {
        (paper, evaluation.replicate): verdict is PaperVerdict.ACCEPTED
        for evaluation in evaluations
        for paper, verdict in evaluation.verdicts
    }


def _diff_paper(paper: str, before: _Outcomes, after: _Outcomes) -> PaperDiff:
    shared = [key for key in before if key[0] == paper and key in after]
    rates = [_rate(side, shared or [key for key in side if key[0] == paper]) for side in (before, after)]
    return PaperDiff(
        paper_id=paper, change=_change(*rates), before=rates[0], after=rates[1], is_paired=bool(shared)
    )


def _rate(outcomes: _Outcomes, keys: Collection[tuple[str, int]]) -> Rate:
    return Rate(sum(outcomes[key] for key in keys), len(keys))


def _change(before: Rate, after: Rate) -> PaperChange:
    if not before.n or not after.n:
        return PaperChange.NOT_COMPARABLE
    if before.fraction != after.fraction:
        return PaperChange.FIXED if after.fraction > before.fraction else PaperChange.REGRESSED
    return PaperChange.UNCHANGED if after.passed else PaperChange.STILL_FAILING


def compare_pairs(before: Mapping[tuple[str, int], bool], after: Mapping[tuple[str, int], bool]) -> Paired:
    """The table of pairs over the (paper, replicate) keys that both share."""
    counts: dict[tuple[bool, bool], int] = defaultdict(int)
    for key in before.keys() & after.keys():
        counts[before[key], after[key]] += 1
    return Paired(
        both=counts[True, True],
        only_first=counts[True, False],
        only_second=counts[False, True],
        neither=counts[False, False],
    )


def _diff_score(
    before: _Outcomes, after: _Outcomes, *, pooled: tuple[Rate, Rate], rests_on_stopped: bool
) -> ScoreDiff:
    paired = compare_pairs(before, after)
    first = paired.first if paired.n else _rate(before, before)
    second = paired.second if paired.n else _rate(after, after)
    return ScoreDiff(
        before=first,
        after=second,
        difference=second.fraction - first.fraction,
        interval=paired.interval() if paired.n else unpaired_interval(first, second),
        paired=paired if paired.n else None,
        pooled_before=pooled[0],
        pooled_after=pooled[1],
        rests_on_stopped=rests_on_stopped,
    )
