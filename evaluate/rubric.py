"""The score of one rollout: exact, so that a threshold is never missed by a rounding error.

Does not know solvers, judges or predicates.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from evaluate.contracts import Criterion


def score_marks(rubric: Sequence[Criterion], marks: Sequence[bool]) -> Fraction:
    """`clip((met positive weights - met |negative| weights) / all positive weights, 0, 1)`.

    Raises:
        ValueError: when marks and criteria differ in number, or no criterion is positive.
    """
    if len(rubric) != len(marks):
        raise ValueError(f"{len(rubric)} criteria need as many marks, got {len(marks)}")
    possible = sum(item.weight for item in rubric if item.weight > 0)
    if possible == 0:
        raise ValueError("a rubric needs at least one criterion with a positive weight")
    earned = sum(item.weight for item, met in zip(rubric, marks, strict=True) if met)
    return min(Fraction(1), max(Fraction(0), Fraction(earned, possible)))


def average(scores: Iterable[Fraction]) -> Fraction:
    """Exact mean; raises ValueError when there is nothing to average."""
    values = tuple(scores)
    if not values:
        raise ValueError("no scores to average")
    return sum(values, Fraction(0)) / len(values)
