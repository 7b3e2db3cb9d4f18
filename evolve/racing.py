"""Lossless racing: leave out papers that cannot change the decision, in an order that decides soonest.

Pure. The stop rule looks at the results in their fixed order, never at which finished first, so the number of
workers changes nothing; for every sequence of outcomes the decision equals the one of the full evaluation.
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
"""How many papers' worth of the overall pass rate every paper's own rate is shrunk with."""

SAME_LUCK_WEIGHT = 2
"""The parent's outcome of this replicate counts this often: a mutant shares its luck."""


def is_decided(parent_passed: int, mutant_passed: int, remaining: int, *, full_scores: bool) -> bool:
    """May the rest be left out? `full_scores`: a mutant that has won is still run on every paper."""
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

    `parent` are its outcomes of this replicate, `past` is how often each paper was passed before.
    Failures decide a loss and passes a win; which comes cheaper depends on the parent's rate. Ties are
    broken by paper id, so the order depends on nothing but the arguments.
    """
    chances = pass_chances(paper_ids, parent, past)
    hardest = tuple(sorted(paper_ids, key=lambda paper: (chances[paper], paper)))
    easiest = tuple(sorted(paper_ids, key=lambda paper: (-chances[paper], paper)))
    passed = sum(parent.values())

    def length(order: Sequence[str]) -> Fraction:
        return expected_papers([chances[paper] for paper in order], passed, full_scores=full_scores)

    return min(hardest, easiest, key=length)


def pass_chances(paper_ids: Sequence[str], parent: Outcomes, past: Mapping[str, Rate]) -> dict[str, float]:
    """Each paper's chance of passing: its own record, shrunk towards the rate over all papers.

    One division of whole numbers each, which every machine rounds alike.
    """
    records = {paper: past.get(paper, NO_RATE) for paper in paper_ids}
    for paper, passed in parent.items():
        if paper in records:
            records[paper] += Rate(passed * SAME_LUCK_WEIGHT, SAME_LUCK_WEIGHT)
    total = sum(records.values(), NO_RATE)
    above, below = PRIOR_PAPERS * (total.passed + 1), total.n + 2
    return {
        paper: (record.passed * below + above) / ((record.n + PRIOR_PAPERS) * below)
        for paper, record in records.items()
    }


def expected_papers(chances: Sequence[float], parent_passed: int, *, full_scores: bool) -> Fraction:
    """The expected number of papers until the race is decided, papers taken as independent.

    Exact for chances in thousandths, to which they are rounded: whole numbers, so the same on any machine.
    """
    expected, scale = 0, 1  # the sum so far, in units of 1 / scale
    alive, fewest = [1], 0  # the weights, in the same units, of having passed `fewest` papers, one more, …
    for at, chance in enumerate(chances):
        is_over = partial(is_decided, parent_passed, remaining=len(chances) - at, full_scores=full_scores)
        while alive and is_over(fewest):  # what is decided is at the ends: too few passed, or enough
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
