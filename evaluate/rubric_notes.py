"""What is odd about a rubric and can be said without a model: told to the final verifier, and no more.

Pure. Not counted as attempts: an honest harness writes odd rubrics too.
"""

import re
from collections.abc import Sequence

from evaluate.contracts import Criterion
from evaluate.rubric import repeats
from evaluate.screening import Finding, quote

FEWEST = 3
MOST_OF_ONE = 0.6
MOST_PENALTY = 2
LEAST_SPREAD = 0.5
"""Of the criteria: as many must count as if all that count weighed the same, (Σw)² / Σw²."""

_FORM = re.compile(
    r"\b(?:at least|at most|over|under|more than|fewer than|about|exactly|within) (?:\w+ )?"
    r"(?:words|sentences|paragraphs)\b"
    r"|\b(?:concise|brief|bullet points?|headings?|spelling|grammar|grammatical\w*|markdown|polite\w*"
    r"|readable|legible|fluent\w*|well[- ](?:written|structured|organi[sz]ed|formatted)|punctuation"
    r"|(?:good|clear|formal|academic) (?:style|tone|english|language)|(?:in|uses?) (?:plain )?english)\b",
    re.IGNORECASE,
)
_MOST_WORDS = 14  # a longer criterion that mentions length or language is likely about its subject


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
