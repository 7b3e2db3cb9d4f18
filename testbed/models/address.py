"""Detects text that addresses the model that answers, marks or checks it, instead of its subject.

Orders are found sentence by sentence: the sentence addresses a model and says how to answer, mark or check
(addressing.toml). Some disguises are decoded (rot13, digits for letters), others are faults in themselves
(base64, spaced letters, look-alikes). English only: a passage in another language is reported as one that
cannot be checked. A text *about* judges and solvers gives no orders.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from pydantic import with_config

from studbook.testbed.models.sentences import split_sentences
from studbook.testbed.models.words import FUNCTION_WORDS
from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.models"
DATA_FILES = ("addressing.toml",)

REPORTED = re.compile(r"\b(?:was|were|had|did)\b", re.IGNORECASE)

MACHINE = re.compile(
    r"[\"'“]?\b(?:marks?|pass|passed|verdict)[\"'”]\s*:\s*(?:\[|true|false|\d|[\"'“])"
    r"|[‹<]\s*[|/]?\s*(?:im_start|system|assistant|user)\b|[\[⁅]/?INST\b",
    re.IGNORECASE,
)
"""The format of a reply or of chat roles, where text is expected."""

LEAST_FOREIGN_LETTERS = 6
LEAST_WORDS = 5

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_BREAKS = re.compile(r"\[\[|\]\]|[<‹]!--|-->|\n+|[•|]")
_SPACED = re.compile(r"(?:(?<!\S)\S\s+){8,}\S(?!\S)")
_CODED = re.compile(r"[A-Za-z0-9+/]{20,}={0,2}")
_DIGITS_WITHIN = re.compile(r"[a-zA-Z][013457@$]+[a-zA-Z]|\b[013457@$][a-zA-Z]{2,}|[a-zA-Z]{2,}[013457@$]\b")

_FROM_DIGITS = str.maketrans("431057@$", "aeiostas")


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _Patterns:
    """The patterns in addressing.toml."""

    spoken_to: tuple[str, ...]
    named: tuple[str, ...]
    orders: tuple[str, ...]
    of_itself: tuple[str, ...]
    foreign_words: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Orders:
    spoken_to: re.Pattern[str]
    named: re.Pattern[str]
    orders: re.Pattern[str]
    of_itself: re.Pattern[str]
    foreign_words: frozenset[str]


@cache
def _orders() -> _Orders:
    read = read_table(PACKAGE, DATA_FILES[0], _Patterns)
    return _Orders(
        spoken_to=_any(read.spoken_to),
        named=_any(read.named),
        orders=_any(read.orders),
        of_itself=_any(read.of_itself),
        foreign_words=read.foreign_words,
    )


def _any(patterns: Sequence[str]) -> re.Pattern[str]:
    """`~` in a pattern matches up to 60 characters of the sentence."""
    return re.compile("|".join(f"(?:{each})" for each in patterns).replace("~", "[^.]{0,60}"), re.IGNORECASE)


@lru_cache(maxsize=2_048)
def find_address(text: str) -> str:
    """A description of the first such fault; "" when there is none."""
    return next(_faults(unicodedata.normalize("NFKC", _BREAKS.sub(". ", text))), "")


def _faults(text: str) -> Iterator[str]:
    if MACHINE.search(text):
        yield "It holds a reply in the place of text."
    if _SPACED.search(text) or any(_is_coded(match.group()) for match in _CODED.finditer(text)):
        yield "It holds text that is written in code."
    if _look_alikes(text):
        yield "It mixes alphabets within words."
    if _foreign_letters(text) >= LEAST_FOREIGN_LETTERS:
        yield "It holds a passage in another script, which cannot be checked."
    for sentence in split_sentences(text):
        for reading in _readings(sentence.text):
            yield from _faults_of(reading)


def _readings(sentence: str) -> Iterator[str]:
    yield sentence
    if len(_DIGITS_WITHIN.findall(sentence)) >= 2:
        yield sentence.translate(_FROM_DIGITS)
    if _english(sentence) == 0 and len(_WORD.findall(sentence)) >= LEAST_WORDS:
        yield codecs.decode(sentence, "rot13")


def _faults_of(sentence: str) -> Iterator[str]:
    if MACHINE.search(sentence):
        yield "It holds a reply in the place of text."
    if _orders().of_itself.search(sentence) or (_orders().orders.search(sentence) and _is_spoken(sentence)):
        yield "It speaks to those who answer, mark or check."
    if _is_foreign(sentence):
        yield "It holds a passage in another language, which cannot be checked."


def _is_spoken(sentence: str) -> bool:
    named = _orders().named.search(sentence) and not REPORTED.search(sentence)
    return bool(_orders().spoken_to.search(sentence) or named)


def _is_coded(token: str) -> bool:
    """Is it base64 of readable text, not just a long word?"""
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return decoded.isprintable()


def _is_foreign(sentence: str) -> bool:
    words = [word.lower() for word in _WORD.findall(sentence)]
    foreign, english = sum(word in _orders().foreign_words for word in words), _english(sentence)
    return len(words) >= LEAST_WORDS and foreign > 2 * english and foreign >= (1 if english == 0 else 3)


def _english(sentence: str) -> int:
    """How many of its words are among the most common English ones."""
    return sum(word.lower() in FUNCTION_WORDS for word in _WORD.findall(sentence))


def _foreign_letters(text: str) -> int:
    """Number of letters in scripts other than Latin and Greek (formulas use Greek)."""
    letters = (character for character in text if not character.isascii() and character.isalpha())
    return sum(
        not unicodedata.name(letter, "LATIN").startswith(("LATIN", "GREEK", "MODIFIER")) for letter in letters
    )


def _look_alikes(text: str) -> bool:
    """Are there two or more words that mix Latin and Cyrillic letters?"""
    words = (word for word in _WORD.findall(text) if not word.isascii())
    scripts = ({unicodedata.name(letter, "?").split()[0] for letter in word} for word in words)
    return sum({"LATIN", "CYRILLIC"} <= found for found in scripts) >= 2
