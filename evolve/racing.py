"""Lossless racing: skips papers that cannot change the decision, in an order that decides soonest.

Pure. The stop rule sees the results in a fixed order, not in the order in which they finish, so the number of
workers changes nothing; for every sequence of outcomes the decision equals that of the full evaluation.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial

from studbook.evaluate.contracts import StopEarly
from studbook.populations.records import PaperResult
from studbook.rate import NO_RATE, Rate

Outcomes = Mapping[str, bool]
"""Paper id -> did it pass, in one evaluation."""

PRIOR_PAPERS = 2
"""Number of papers' worth of the overall pass rate towards which each paper's own rate is shrunk."""

SAME_SEEDS_WEIGHT = 2
"""Weight of the parent's outcome on this replicate: the mutant shares its random seeds."""


def is_decided(parent_passed: int, mutant_passed: int, remaining: int, *, full_scores: bool) -> bool:
    """Can the remaining papers be skipped? `full_scores`: a mutant that has won still runs on every paper."""
    if mutant_passed + remaining <= parent_passed:
        return True
    return mutant_passed > parent_passed and not full_scores


def stop_rule(parent_passed: int, papers: int, *, full_scores: bool) -> StopEarly:
    """The `StopEarly` of a race over `papers` papers."""

    def may_stop(results: Sequence[PaperResult]) -> bool:
        passed = sum(result.passed for result in results)
        return is_decided(parent_passed, passed, papers - len(results), full_scores=full_scores)

    return may_stop


def race_order(
    paper_ids: Sequence[str], parent: Outcomes, past: Mapping[str, Rate], *, full_scores: bool
) -> tuple[str, ...]:
    """The papers, easiest or hardest first, whichever is expected to decide sooner.

    `parent`: the parent's outcomes on this replicate; `past`: each paper's earlier pass rate. Failures
    decide a loss and passes a win; which is expected sooner depends on the parent's rate. Ties are broken
    by paper id, so the order depends only on the arguments.
    """
    chances = pass_chances(paper_ids, parent, past)
    hardest = tuple(sorted(paper_ids, key=lambda paper: (chances[paper], paper)))
    easiest = tuple(sorted(paper_ids, key=lambda paper: (-chances[paper], paper)))
    passed = sum(parent.values())

    def length(order: Sequence[str]) -> Fraction:
        return expected_papers([chances[paper] for paper in order], passed, full_scores=full_scores)

    return min(hardest, easiest, key=length)


def pass_chances(paper_ids: Sequence[str], parent: Outcomes, past: Mapping[str, Rate]) -> dict[str, float]:
    """Each paper's estimated pass probability: its own rate, shrunk towards the rate over all papers.

    Each is one division of integers, which every machine rounds the same way.
    """
    records = {paper: past.get(paper, NO_RATE) for paper in paper_ids}
    for paper, passed in parent.items():
        if paper in records:
            records[paper] += Rate(passed * SAME_SEEDS_WEIGHT, SAME_SEEDS_WEIGHT)
    total = sum(records.values(), NO_RATE)
    above, below = PRIOR_PAPERS * (total.passed + 1), total.n + 2
    return {
        paper: (record.passed * below + above) / ((record.n + PRIOR_PAPERS) * below)
        for paper, record in records.items()
    }


def expected_papers(chances: Sequence[float], parent_passed: int, *, full_scores: bool) -> Fraction:
    """The expected number of papers until the race is decided, assuming that papers are independent.

    Chances are rounded to thousandths and the result is exact for these, so it is the same on any machine.
    """
    expected, scale = 0, 1  # the sum so far, in units of 1 / scale
    alive, fewest = [1], 0  # weights, in the same units, of having passed `fewest` papers, one more, …
    for at, chance in enumerate(chances):
        is_over = partial(is_decided, parent_passed, remaining=len(chances) - at, full_scores=full_scores)
        while alive and is_over(fewest):  # decided counts are at the ends: too few passed, or enough
            del alive[0]
            fewest += 1
        while alive and is_over(fewest + len(alive) - 1):
            del alive[-1]
        if not alive:
            break
        thousandths = round(chance * 1000)
        expected, scale = (expected + sum(alive)) * 1000, scale * 1000
        alive = [
            fail * (1000 - thousandths) + win * thousandths
            for fail, win in zip([*alive, 0], [0, *alive], strict=True)
        ]
    return Fraction(expected, scale)
