"""The score of one rollout: exact, so that a threshold is never missed by a rounding error.

Does not know solvers, judges or predicates.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from evaluate.contracts import Criterion
from evaluate.skeleton import skeleton


def score_marks(rubric: Sequence[Criterion], marks: Sequence[bool]) -> Fraction:
    """`clip((met positive weights - met |negative| weights) / all positive weights, 0, 1)`.

    A criterion that stands there twice counts once, the first time: weights are bounded for a reason.

    Raises:
        ValueError: when marks and criteria differ in number, or no criterion is positive.
    """
    if len(rubric) != len(marks):
        raise ValueError(f"{len(rubric)} criteria need as many marks, got {len(marks)}")
    again = repeats(rubric)
    possible = sum(item.weight for n, item in enumerate(rubric) if item.weight > 0 and n not in again)
    if possible == 0:
        raise ValueError("a rubric needs at least one criterion with a positive weight")
    earned = sum(item.weight for n, item in enumerate(rubric) if marks[n] and n not in again)
    return min(Fraction(1), max(Fraction(0), Fraction(earned, possible)))


def repeats(rubric: Sequence[Criterion]) -> frozenset[int]:
    """The places of criteria that an earlier one says already, to the letter, with a weight of that sign."""
    seen: set[tuple[str, bool]] = set()
    again: set[int] = set()
    for number, item in enumerate(rubric):
        said = (_letters(item.criterion), item.weight > 0)
        if said in seen:
            again.add(number)
        seen.add(said)
    return frozenset(again)


def find_contradiction(rubric: Iterable[tuple[str, int]]) -> tuple[int, int] | None:
    """The places of two criteria with the same letters, of which one is rewarded and one is punished."""
    first: dict[str, tuple[int, bool]] = {}
    for number, (text, weight) in enumerate(rubric):
        place, is_positive = first.setdefault(_letters(text), (number, weight > 0))
        if is_positive != (weight > 0):
            return place, number
    return None


def _letters(text: str) -> str:
    """Case, spaces, signs and look-alikes make no other criterion."""
    read = skeleton(text)
    return "".join(filter(str.isalnum, read)) or read


def average(scores: Iterable[Fraction]) -> Fraction:
    """Exact mean; raises ValueError when there is nothing to average."""
    values = tuple(scores)
    if not values:
        raise ValueError("no scores to average")
    return sum(values, Fraction(0)) / len(values)
