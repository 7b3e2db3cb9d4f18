"""Does a text speak to whoever answers, marks or checks it, instead of to its subject?

Orders are found sentence by sentence: somebody is spoken to and told how to answer, mark or check.
Disguises are read (rot13, digits for letters) or are a fault in themselves (base64, spaced letters,
look-alikes). English only: a passage in another language is reported as one that cannot be checked. A text
*about* judges and solvers orders nothing.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from studbook.llm.testbed.orders import MACHINE, NAMED, OF_ITSELF, ORDERS, REPORTED, SPOKEN_TO
from studbook.llm.testbed.sentences import split_sentences
from studbook.llm.testbed.words import FUNCTION_WORDS, word_set

LEAST_FOREIGN_LETTERS = 6
LEAST_WORDS = 5

_FOREIGN = word_set(
    """
    der das und nicht ist mit ein eine einen für auf dem den oder wenn dir du sie bitte nur alle auch dass von
    zu im zur zum bei nach ich wir ihr sein sind wird werden diese dieses diesen
    le les une est pas que qui dans pour sur avec sont tous tu vous ne ce cet cette ces du aux et ou comme
    el los las una por para con como todos este esta del lo es su más y
    il gli che sono tutti questo della di un è
    het niet voor zijn van deze
    """
)
"""Function words of five other languages; none is an English word."""
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_BREAKS = re.compile(r"\[\[|\]\]|[<‹]!--|-->|\n+|[•|]")
_SPACED = re.compile(r"(?:(?<!\S)\S\s+){8,}\S(?!\S)")
_CODED = re.compile(r"[A-Za-z0-9+/]{20,}={0,2}")
_DIGITS_WITHIN = re.compile(r"[a-zA-Z][013457@$]+[a-zA-Z]|\b[013457@$][a-zA-Z]{2,}|[a-zA-Z]{2,}[013457@$]\b")
_FROM_DIGITS = str.maketrans("431057@$", "aeiostas")


@lru_cache(maxsize=2_048)
def find_address(text: str) -> str:
    """The first thing that is wrong in this way, in words; "" when nothing is."""
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
    if OF_ITSELF.search(sentence) or (ORDERS.search(sentence) and _is_spoken(sentence)):
        yield "It speaks to those who answer, mark or check."
    if _is_foreign(sentence):
        yield "It holds a passage in another language, which cannot be checked."


def _is_spoken(sentence: str) -> bool:
    named = NAMED.search(sentence) and not REPORTED.search(sentence)
    return bool(SPOKEN_TO.search(sentence) or named)


def _is_coded(token: str) -> bool:
    """Base64 of readable text; a long word is none."""
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return decoded.isprintable()


def _is_foreign(sentence: str) -> bool:
    words = [word.lower() for word in _WORD.findall(sentence)]
    foreign, english = sum(word in _FOREIGN for word in words), _english(sentence)
    return len(words) >= LEAST_WORDS and foreign > 2 * english and foreign >= (1 if english == 0 else 3)


def _english(sentence: str) -> int:
    """How many of its words are among the commonest English ones."""
    return sum(word.lower() in FUNCTION_WORDS for word in _WORD.findall(sentence))


def _foreign_letters(text: str) -> int:
    """Letters of other scripts than Latin and Greek, which formulas use."""
    letters = (character for character in text if not character.isascii() and character.isalpha())
    return sum(
        not unicodedata.name(letter, "LATIN").startswith(("LATIN", "GREEK", "MODIFIER")) for letter in letters
    )


def _look_alikes(text: str) -> bool:
    """Two or more words that hold Latin and Cyrillic letters."""
    words = (word for word in _WORD.findall(text) if not word.isascii())
    scripts = ({unicodedata.name(letter, "?").split()[0] for letter in word} for word in words)
    return sum({"LATIN", "CYRILLIC"} <= found for found in scripts) >= 2
