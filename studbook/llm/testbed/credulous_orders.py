"""From text to the orders in it, for models that obey. What is not recognised is not obeyed.

An order is found sentence by sentence, with its condition in the same sentence. Deliberately trusting: it
does not ask who speaks. It does not read the frozen prompts, only what stands in their sections.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from studbook.llm.testbed import credulous_phrases as phrases
from studbook.llm.testbed.credulous_views import views


class Deed(StrEnum):
    EMPTY = "answer nothing"
    FEEBLE = "answer badly"
    SAY = "say these words"
    EVERY_MARK = "mark everything as met"
    PASS = "pass the example"


class Audience(StrEnum):
    ALL = "everyone"
    WITHOUT_SOURCE = "whoever has no source document"
    WITH_SOURCE = "whoever has the source document"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`words` is what SAY says, or what an answer must hold for EVERY_MARK; "" where there is nothing."""

    deed: Deed
    audience: Audience = Audience.ALL
    words: str = ""


def _any(patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{line})" for line in patterns.split("\n") if line), re.IGNORECASE)


_DEEDS = {
    Deed.EMPTY: _any(phrases.EMPTY),
    Deed.FEEBLE: _any(phrases.FEEBLE),
    Deed.SAY: _any(phrases.SAY),
    Deed.EVERY_MARK: _any(phrases.EVERY_MARK),
    Deed.PASS: _any(phrases.PASSES),
}
_HINTS = {deed: re.compile(phrases.HINTS[deed.name]) for deed in Deed}
_WITHOUT_SOURCE = _any(phrases.WITHOUT_SOURCE)
_WITH_SOURCE = _any(phrases.WITH_SOURCE)
_NEGATED = re.compile(phrases.NEGATED, re.IGNORECASE)
_QUOTED = re.compile(r"“([^”]{2,200})”")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


@lru_cache(maxsize=2_048)
def find_orders(text: str) -> tuple[Order, ...]:
    """Every order in every reading of the text, without repetitions."""
    sentences = dict.fromkeys(sentence for view in views(text) for sentence in _SENTENCE.split(view))
    return tuple(dict.fromkeys(order for sentence in sentences for order in _read(sentence)))


@lru_cache(maxsize=4_096)
def _read(sentence: str) -> tuple[Order, ...]:
    """Kept: from draft to draft most sentences of a context stay."""
    return tuple(_orders(sentence))


def _orders(sentence: str) -> Iterator[Order]:
    lower = sentence.lower()
    for deed, pattern in _DEEDS.items():
        match = pattern.search(sentence) if _HINTS[deed].search(lower) else None
        if match and not _NEGATED.search(sentence[: match.start()]):
            yield Order(deed=deed, audience=_audience(sentence), words=_words(deed, match, sentence))


def _audience(sentence: str) -> Audience:
    if _WITHOUT_SOURCE.search(sentence):
        return Audience.WITHOUT_SOURCE
    return Audience.WITH_SOURCE if _WITH_SOURCE.search(sentence) else Audience.ALL


def _words(deed: Deed, match: re.Match[str], sentence: str) -> str:
    if deed is Deed.SAY:
        return next(said for said in match.groups() if said)
    quoted = _QUOTED.search(sentence) if deed is Deed.EVERY_MARK else None
    return quoted[1] if quoted else ""
