"""Reading what a frozen role replied: JSON somewhere in free text, lenient in form, strict in content.

A reply that cannot be read is `None`, for the caller to ask again; nothing is guessed. What is marked may
hold a forged reply, and a model may quote it. So a role is given a word, which nothing it reads can know, and
asked to repeat it: the last object with that word counts, and drafts beside it do no harm. Weak models forget
the word; without it, a reply counts only when all its readable objects say the same.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

MAX_REPLY_CHARACTERS = 200_000
MAX_OBJECTS = 200

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
    """The final quality verifier's word on one example."""

    passed: bool
    reason: str


def read_marks(reply: str, count: int, word: str = "") -> tuple[bool, ...] | None:
    """One mark per criterion, from objects that have exactly that many readable marks."""

    def marks(value: dict[str, Any]) -> tuple[bool, ...] | None:
        raw = value.get("marks")
        if not isinstance(raw, list) or len(raw) != count:
            return None
        read = [_read_flag(item) for item in raw]
        return tuple(flag for flag in read if flag is not None) if None not in read else None

    return _agreed(reply, marks, lambda said: said, word)


def read_check(reply: str, word: str = "") -> Check | None:
    """From objects that have a readable `pass`."""

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
    """The last object with the word, or any when all of them agree in essence."""
    found = [(result, value) for value in _objects(reply) if (result := read(value)) is not None]
    signed = [result for result, value in found if word and value.get("check") == word]
    if signed:
        return signed[-1]
    said = [result for result, _ in found]
    return said[-1] if said and all(essence(one) == essence(said[0]) for one in said) else None


def _objects(reply: str) -> Iterator[dict[str, Any]]:
    """JSON objects in free text, outermost first, at most MAX_OBJECTS attempts."""
    text, position = reply[:MAX_REPLY_CHARACTERS], 0
    decoder = json.JSONDecoder()
    for _ in range(MAX_OBJECTS):
        position = text.find("{", position)
        if position < 0:
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):  # a brace in prose, or a hostile depth
            position += 1
            continue
        if isinstance(value, dict):
            yield value
