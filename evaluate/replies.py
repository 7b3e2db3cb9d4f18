"""Reads the replies of judge and final verifier.

Reading is lenient in form and strict in content; nothing is guessed. A reply that cannot be read raises
`UnreadableReply` with what is wrong, so that the caller can tell the model and ask again. The text being
marked may contain a forged reply, and a model may quote it. So the role is asked to repeat a word that
nothing in its input can know, and the last object with that word counts. Weak models forget the word; without
it, a reply counts only when all its readable objects agree. An object with another word is no answer.

Weak models also copy the form they are shown. Its placeholders are no JSON, and where a model has turned them
into strings, they are neither a mark nor a reason, in whole or in part. The final check needs a reason; marks
may lack theirs, but not all of them can be copied or empty.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from studbook.llm.json_reader import find_objects, read_flag, read_number

T = TypeVar("T")

MAX_REPLY_CHARACTERS = 200_000
MAX_OBJECTS = 200
MAX_REASON_CHARACTERS = 2_000

WHY_MARK = "why, in at most 12 words"
WHY_CHECK = "which point fails and where, or why none does, in one or two sentences"
"""Placeholders of the forms: a reply in which one of them stands as a reason is a copy."""
_COPIED_WORDS = 3
"""A reason that consists of so many words of a placeholder, in its order, is a part of it."""
_NO_REASONS = frozenset({"reason", "the reason", "a reason", "a short reason", "short reason"})
_NO_WORDS = frozenset({"the word", "word", "check", "the check word"})
_WRAPPERS = ("answer", "response", "reply", "result", "output", "json", "arguments", "parameters")


class UnreadableReply(Exception):
    """The message says what is wrong with the reply, in words for the model that wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The final quality verifier's decision on one example."""

    passed: bool
    reason: str


def read_marks(reply: str, count: int, word: str = "") -> tuple[bool, ...]:
    """One mark per criterion, in their order. Raises UnreadableReply."""
    return _agreed(reply, lambda value: _marks(value, count), lambda marks: marks, word)


def read_check(reply: str, word: str = "") -> Check:
    """The final check. Raises UnreadableReply."""
    return _agreed(reply, _check, lambda check: check.passed, word)


def find_marks(reply: str, count: int, word: str = "") -> tuple[bool, ...] | None:
    """`read_marks`, or None for a reply that cannot be read."""
    try:
        return read_marks(reply, count, word)
    except UnreadableReply:
        return None


def find_check(reply: str, word: str = "") -> Check | None:
    """`read_check`, or None for a reply that cannot be read."""
    try:
        return read_check(reply, word)
    except UnreadableReply:
        return None


def _marks(value: dict[str, Any], count: int) -> tuple[bool, ...]:
    raw = value.get("marks")
    if isinstance(raw, dict):
        raw = [{"criterion": name, "met": mark} for name, mark in raw.items()]
    if not isinstance(raw, list):
        raise UnreadableReply('it had no list "marks"')
    if len(raw) != count:
        raise UnreadableReply(f"it had {len(raw)} mark{'s' * (len(raw) != 1)} for {count} criteria")
    read = [_mark(item, number) for number, item in enumerate(raw, 1)]
    reasons = [reason for item in raw if (reason := _reason_of(item)) is not None]
    if any(_plain(each) == _plain(WHY_MARK) for each in reasons) or (
        reasons and all(_is_copied(each, WHY_MARK) for each in reasons)
    ):
        raise UnreadableReply(COPIED)
    return tuple(read[place] for place in _order(raw))


def _mark(item: object, number: int) -> bool:
    if isinstance(item, dict):
        item = item.get("met")
        if isinstance(item, dict):
            return _mark(item, number)
    flag = read_flag(item)
    if flag is None:
        raise UnreadableReply(f"mark {number} was neither true nor false")
    return flag


def _reason_of(item: object) -> str | None:
    """The reason that stands beside a mark."""
    if not isinstance(item, dict):
        return None
    reason, inner = item.get("reason"), item.get("met")
    return reason if isinstance(reason, str) else _reason_of(inner)


def _order(raw: list[Any]) -> list[int]:
    """The places of the marks, by the numbers that they name; as listed if they name none."""
    numbers = [read_number(item.get("criterion")) if isinstance(item, dict) else None for item in raw]
    if all(number is None for number in numbers):
        return list(range(len(raw)))
    if sorted(filter(None, numbers)) != list(range(1, len(raw) + 1)):
        raise UnreadableReply(f"its marks were not numbered from 1 to {len(raw)}, each number once")
    return [numbers.index(number) for number in range(1, len(raw) + 1)]


def _check(value: dict[str, Any]) -> Check:
    passed = read_flag(value.get("pass"))
    if passed is None:
        raise UnreadableReply('its "pass" was neither true nor false')
    reason = value.get("reason")
    if isinstance(reason, list) and all(isinstance(each, str) for each in reason):
        reason = " ".join(reason)
    if not isinstance(reason, str) or not reason.strip():
        raise UnreadableReply('it gave no "reason"')
    if _is_copied(reason, WHY_CHECK):
        raise UnreadableReply(COPIED)
    return Check(passed=passed, reason=reason[:MAX_REASON_CHARACTERS])


COPIED = "it repeated the form instead of giving reasons"


def _is_copied(reason: str, placeholder: str) -> bool:
    """Whether it is empty, the placeholder, its beginning, or a run of its words."""
    plain, whole = _plain(reason), _plain(placeholder)
    is_part = len(plain.split()) >= _COPIED_WORDS and f" {plain} " in f" {whole} "
    return whole.startswith(plain) or is_part or plain in _NO_REASONS


def _plain(text: str) -> str:
    """In lower case, with single spaces and without punctuation."""
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())


def _agreed(reply: str, read: Callable[[dict[str, Any]], T], essence: Callable[[T], object], word: str) -> T:
    """The last object with the word; without one, any object if all of them agree on `essence`.

    One with another word is no answer, but it can contradict one.
    """
    found: list[T] = []
    signed: list[T] = []
    foreign: list[T] = []
    problems: list[UnreadableReply] = []
    signed_problems: list[UnreadableReply] = []
    for value in _objects(reply):
        check = value.get("check")
        is_signed = bool(word) and _says(check, word)
        is_foreign = not is_signed and _is_foreign(check, word)
        try:
            (signed if is_signed else foreign if is_foreign else found).append(read(value))
        except UnreadableReply as problem:
            (signed_problems if is_signed else problems).append(problem)
    if signed:
        return signed[-1]
    if signed_problems:  # what else the reply contains is quoted
        raise signed_problems[-1]
    if not found and foreign:
        raise UnreadableReply('its "check" was not the word that it has to repeat')
    if not found:
        raise problems[-1] if problems else UnreadableReply("it contained no complete JSON object")
    if any(essence(one) != essence(found[0]) for one in (*found, *foreign)):
        raise UnreadableReply("it contained several JSON objects that contradict one another")
    return found[-1]


def _says(check: object, word: str) -> bool:
    return isinstance(check, str) and check.strip(" \n.<>\"'`").casefold() == word.casefold()


def _is_foreign(check: object, word: str) -> bool:
    """Whether it is a word of the right form, or the form's placeholder; weak models also write `true`."""
    if not isinstance(check, str):
        return False
    bare = check.strip(" \n.<>\"'`")
    is_like = bool(word) and len(bare) == len(word) and bare.isalnum()
    return is_like or _plain(check) in _NO_WORDS


def _objects(reply: str) -> Iterator[dict[str, Any]]:
    """The last MAX_OBJECTS JSON objects in free text, outermost first, in order."""
    found = deque(find_objects(reply[-MAX_REPLY_CHARACTERS:]), maxlen=MAX_OBJECTS)
    return map(_unwrap, found)


def _unwrap(value: dict[str, Any]) -> dict[str, Any]:
    """The object within `{"answer": {...}}`, with the check word that stands beside it."""
    if "marks" in value or "pass" in value:
        return value
    inner: dict[str, Any] = next((value[name] for name in _WRAPPERS if isinstance(value.get(name), dict)), {})
    return {**value, **inner}
