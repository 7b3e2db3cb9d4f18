"""Does a text speak to whoever answers, marks or checks it, instead of to its subject?

Orders are found sentence by sentence: somebody is spoken to and told how to answer, mark or check.
Disguises are read (rot13, digits for letters) or are a fault in themselves (base64, spaced letters,
look-alikes). English only: a passage in another language is reported as one that cannot be checked. A text
*about* judges and solvers orders nothing.

How people put orders to those who answer, mark or check: patterns in plain English, nothing else.

Three groups of orders, what shows that somebody is spoken to, and what an example says of itself. Searched in
one sentence at a time, whatever its case.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from studbook.testbed.models.sentences import split_sentences
from studbook.testbed.models.words import FUNCTION_WORDS, word_set


def _any(patterns: str) -> re.Pattern[str]:
    """One pattern a line, a line that begins with `+` goes on; `~`: up to 60 characters of the sentence."""
    whole = re.sub(r"\n\s*\+ ", "", patterns).replace("~", "[^.]{0,60}")
    lines = [line.strip() for line in whole.splitlines() if line.strip()]
    return re.compile("|".join(f"(?:{line})" for line in lines), re.IGNORECASE)


SPOKEN_TO = _any(
    r"""
    \b(?:you|your|yourself|please|pls|whoever|any(?:one|body) who)\b
    ^\W*(?:answer|reply|respond|return|output|write|say|keep|mark|award|give|grant|count|treat|rate|score)\b
    ^\W*(?:pass|approve|accept|skip|ignore|disregard|forget|pretend|act|imagine|assume|leave|stop|print)\b
    ^\W*(?:do not|don['’]t|never)\b
    \b(?:note|hint|message|instructions?|reminder|attention|important|system|override|check)\b[^.]{0,30}:
    """
)

NAMED = _any(
    r"""
    \b(?:judges?|graders?|markers?|verifiers?|reviewers?|assessors?|examiners?|evaluators?)\b
    \b(?:solvers?|assistants?)\b
    \b(?:language )?models?\b
    \b(?:grading|marking|correction|review) (?:guideline|instruction|note|system)s?\b
    """
)
"""Somebody is named who could be meant; not where the past is told ("the graders were asked to …")."""

REPORTED = re.compile(r"\b(?:was|were|had|did)\b", re.IGNORECASE)

ORDERS = _any(
    r"""
    \b(?:answer|reply|respond|response|say|write|output|return|print)\b~\b(?:only|nothing|just|badly|poorly)\b
    \b(?:answer|reply|respond|response|say|write)\b~\b(?:wrong(?:ly)?|incorrectly|brief(?:ly)?|vague(?:ly)?)\b
    \b(?:answer|reply|respond|response|say|write)\b~\b(?:short|empty|blank)\b
    \b(?:answer|reply|respond|response|say|write)\b~\bone (?:\w+ )?(?:line|word|sentence)\b
    \b(?:answer|reply|respond|response|say)\b~\b(?:do not|don['’]t|not) know\b
    \b(?:answer|reply|respond|response)\b~\bno (?:detail|figure|number|reason)s?\b
    \bpretend\b|\bact as (?:if|an?)\b|\bplay the (?:role|part)\b|\brole-?play\b
    \byou are (?:an?|the|now) (?:\w+ ){0,3}(?:model|student|assistant|novice|child|beginner|judge|grader)\b
    \b(?:give|write|produce|submit|provide) an? (?:\w+ ){0,2}(?:wrong|bad|weak|poor|vague|empty|incomplete)\b
    \b(?:if|unless|when)\b~\b(?:given|see|have|having|attached|provided|shown)\b
    + ~\b(?:document|paper|source|article)\b
    \bwithout (?:having )?(?:the |a )?(?:\w+ )?(?:document|paper|source|article)\b
    \b(?:do not|don['’]t|never|leave out|omit)\b~\b(?:in your|your answer|your reply|unless you)\b
    \bkeep (?:your|the) (?:answer|reply|response)\b
    \b(?:mark|grade|award|give|grant|count|treat|rate|score|consider|assign|tick)(?:s|ed|ing)?\b
    + ~\b(?:full|all|every|each|highest|maximum|top|perfect)\b
    + ~\b(?:criteri\w+|marks?|points?|credits?|scores?|met|fulfilled|satisfied|true|lines?|items?)\b
    \b(?:criteri\w+|marks?|points)\b~\b(?:count|are|be|as|considered|counted)\b
    + ~\b(?:met|fulfilled|satisfied|true|passed)\b
    \bfull (?:marks|score|credit|points)\b|\b(?:highest|maximum|top) (?:mark|score|grade)\b
    \b(?:be|is) (?:lenient|generous|kind|strict|harsh)\b~\b(?:answers?|repl\w+|ones?|mark\w*|grad\w+)\b
    \b(?:ignore|disregard|forget|override|bypass|skip)\b
    + ~\b(?:instructions?|rules?|checks?|prompts?|guidelines?|verification|screening)\b
    \b(?:ignore|disregard|forget)\b~\b(?:above|previous|earlier|prior)\b
    \b(?:pass|approve|accept|validate|clear)\b~\b(?:this|the|it)\b~\b(?:example|item|question|without)\b
    \bapprove (?:it|this)\b|\bdo(?:es)? not apply here\b
    \b(?:check|review|verification|screening)\b~\b(?:already|done|passed|completed?|not needed)\b
    """
)

OF_ITSELF = _any(
    r"""
    \bthis (?:example|item|rubric|entry|exam question|test question)\b
    + ~\b(?:pass(?:es)?|approved|perfect|valid|verified|reviewed)\b
    \bthis (?:example|item|rubric|entry)\b~\bno (?:leak|fault|flaw|problem)s?\b
    """
)
"""What an example says of itself needs nobody who is spoken to."""

MACHINE = re.compile(
    r"[\"'“]?\b(?:marks?|pass|passed|verdict)[\"'”]\s*:\s*(?:\[|true|false|\d|[\"'“])"
    r"|[‹<]\s*[|/]?\s*(?:im_start|system|assistant|user)\b|[\[⁅]/?INST\b",
    re.IGNORECASE,
)
"""The form of a reply, or of a chat's roles, in the place of text."""


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
