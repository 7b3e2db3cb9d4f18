"""Turns the reply of a frozen role into a score: parses the marks or the final check, then scores the rubric.

Parsing is lenient in form and strict in content. An unreadable reply gives `None`, so that the caller can ask
again; nothing is guessed. The text being marked may contain a forged reply, and a model may quote it. So the
role is asked to repeat a word that nothing in its input can know, and the last object with that word counts.
Weak models forget the word; without it, a reply counts only when all its readable objects agree.

Scores are exact fractions, so that no threshold is missed by a rounding error. Unusual rubrics are noted for
the final verifier and never counted as manipulation attempts: honest harnesses write unusual rubrics too.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from studbook.evaluate.contracts import Criterion
from studbook.evaluate.screening import Finding, quote
from studbook.evaluate.text import skeleton

T = TypeVar("T")

MAX_REPLY_CHARACTERS = 200_000
MAX_OBJECTS = 200
MAX_BRACES = 20_000
"""Tried as the beginning of an object: a judge that reasons in LaTeX writes hundreds before its answer."""

_WORDS = {
    "true": True,
    "yes": True,
    "met": True,
    "false": False,
    "no": False,
    "not met": False,
    "unmet": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The final quality verifier's decision on one example."""

    passed: bool
    reason: str


def read_marks(reply: str, count: int, word: str = "") -> tuple[bool, ...] | None:
    """One mark per criterion; only objects with exactly `count` readable marks are considered."""

    def marks(value: dict[str, Any]) -> tuple[bool, ...] | None:
        raw = value.get("marks")
        if not isinstance(raw, list) or len(raw) != count:
            return None
        read = [_read_flag(item) for item in raw]
        return tuple(flag for flag in read if flag is not None) if None not in read else None

    return _agreed(reply, marks, lambda said: said, word)


def read_check(reply: str, word: str = "") -> Check | None:
    """The final check; only objects with a readable `pass` are considered."""

    def check(value: dict[str, Any]) -> Check | None:
        passed = _read_flag(value.get("pass"))
        if passed is None:
            return None
        return Check(passed=passed, reason=str(value.get("reason") or "no reason given")[:2000])

    return _agreed(reply, check, lambda said: said.passed, word)


def _read_flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    return _WORDS.get(value.strip().lower()) if isinstance(value, str) else None


def _agreed(
    reply: str, read: Callable[[dict[str, Any]], T | None], essence: Callable[[T], object], word: str
) -> T | None:
    """The last object with the word; without one, any object if all of them agree on `essence`."""
    found = [(result, value) for value in _objects(reply) if (result := read(value)) is not None]
    signed = [result for result, value in found if word and value.get("check") == word]
    if signed:
        return signed[-1]
    said = [result for result, _ in found]
    return said[-1] if said and all(essence(one) == essence(said[0]) for one in said) else None


def _objects(reply: str) -> Iterator[dict[str, Any]]:
    """The last MAX_OBJECTS JSON objects in free text, outermost first, in order."""
    return iter(deque(_every_object(reply[-MAX_REPLY_CHARACTERS:]), maxlen=MAX_OBJECTS))


def _every_object(text: str) -> Iterator[dict[str, Any]]:
    position = 0
    decoder = json.JSONDecoder()
    for _ in range(MAX_BRACES):
        position = text.find("{", position)
        if position < 0:
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):  # a brace in prose, or hostile nesting
            position += 1
            continue
        if isinstance(value, dict):
            yield value


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
