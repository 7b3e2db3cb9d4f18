"""Scores marks with a rubric, and notes what is unusual about the rubric itself.

Scores are exact fractions, so that no threshold is missed by a rounding error. Unusual rubrics are noted for
the final verifier and never counted as manipulation attempts: honest harnesses write unusual rubrics too.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from studbook.evaluate.contracts import Criterion
from studbook.evaluate.screening import Finding, quote
from studbook.evaluate.text import skeleton


def score_marks(rubric: Sequence[Criterion], marks: Sequence[bool]) -> Fraction:
    """`clip((met positive weights - met |negative| weights) / all positive weights, 0, 1)`.

    A repeated criterion counts once, at its first place; otherwise repeating it would evade the weight bound.

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
    """The indices of criteria that repeat an earlier one verbatim, with a weight of the same sign."""
    seen: set[tuple[str, bool]] = set()
    again: set[int] = set()
    for number, item in enumerate(rubric):
        said = (_letters(item.criterion), item.weight > 0)
        if said in seen:
            again.add(number)
        seen.add(said)
    return frozenset(again)


def find_contradiction(rubric: Iterable[tuple[str, int]]) -> tuple[int, int] | None:
    """The indices of two criteria with the same letters, of which one is rewarded and one is penalized."""
    first: dict[str, tuple[int, bool]] = {}
    for number, (text, weight) in enumerate(rubric):
        place, is_positive = first.setdefault(_letters(text), (number, weight > 0))
        if is_positive != (weight > 0):
            return place, number
    return None


def _letters(text: str) -> str:
    """Criteria that differ only in case, spaces, punctuation or look-alike letters are the same."""
    read = skeleton(text)
    return "".join(filter(str.isalnum, read)) or read


def average(scores: Iterable[Fraction]) -> Fraction:
    """Exact mean; raises ValueError when there is nothing to average."""
    values = tuple(scores)
    if not values:
        raise ValueError("no scores to average")
    return sum(values, Fraction(0)) / len(values)


FEWEST = 3
MOST_OF_ONE = 0.6
MOST_PENALTY = 2
LEAST_SPREAD = 0.5
"""Least share of the criteria that must count effectively; effective number of criteria: (Σw)² / Σw²."""

_FORM = re.compile(
    r"\b(?:at least|at most|over|under|more than|fewer than|about|exactly|within) (?:\w+ )?"
    r"(?:words|sentences|paragraphs)\b"
    r"|\b(?:concise|brief|bullet points?|headings?|spelling|grammar|grammatical\w*|markdown|polite\w*"
    r"|readable|legible|fluent\w*|well[- ](?:written|structured|organi[sz]ed|formatted)|punctuation"
    r"|(?:good|clear|formal|academic) (?:style|tone|english|language)|(?:in|uses?) (?:plain )?english)\b",
    re.IGNORECASE,
)
_MOST_WORDS = 14  # a longer criterion that mentions length or language is probably about the subject


def note_rubric(rubric: Sequence[Criterion]) -> tuple[Finding, ...]:
    return (*_repeated(rubric), *_weights(rubric), *_about_form(rubric))


def _repeated(rubric: Sequence[Criterion]) -> list[Finding]:
    return [
        _note("repeated_criterion", number, rubric[number].criterion) for number in sorted(repeats(rubric))
    ]


def _weights(rubric: Sequence[Criterion]) -> list[Finding]:
    again = repeats(rubric)
    counted = [(n, item) for n, item in enumerate(rubric) if n not in again]
    gains = [(item.weight, n) for n, item in counted if item.weight > 0]
    penalty = -sum(item.weight for _, item in counted if item.weight < 0)
    total, (most, place) = sum(weight for weight, _ in gains), max(gains)
    notes = []
    if len(gains) < FEWEST:
        notes.append(_note("few_criteria", gains[0][1], f"only {len(gains)} rewarded"))
    elif most > MOST_OF_ONE * total:
        notes.append(_note("one_criterion_decides", place, f"{100 * most // total} % of the weight"))
    elif total**2 < LEAST_SPREAD * len(gains) * sum(weight**2 for weight, _ in gains):
        notes.append(_note("few_criteria_decide", place, f"the heaviest weighs {most} of {total}"))
    if penalty > MOST_PENALTY * total:
        notes.append(_note("mostly_penalties", 0, f"{penalty} to lose, {total} to gain"))
    return notes


def _about_form(rubric: Sequence[Criterion]) -> list[Finding]:
    return [
        _note("about_form", number, item.criterion)
        for number, item in enumerate(rubric)
        if len(item.criterion.split()) <= _MOST_WORDS and _FORM.search(item.criterion)
    ]


def _note(kind: str, number: int, text: str) -> Finding:
    return Finding(kind=kind, field=f"rubric.{number}.criterion", quote=quote(text))
