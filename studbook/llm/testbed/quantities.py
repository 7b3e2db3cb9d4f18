"""Numbers in instructions: how many of something a sentence asks for, and comparisons that are no denials."""

import re
from dataclasses import dataclass

_WORDS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
}
NUMBER = r"(?:\d{1,2}|" + "|".join(_WORDS) + r")"


def number_of(word: str) -> int:
    return int(word) if word.isdigit() else _WORDS[word.lower()]


@dataclass(frozen=True, slots=True)
class Count:
    low: int
    high: int


MANY = 99
_AT_LEAST = r"(?:at least|≥|>=|minimum of|no fewer than|not fewer than|no less than)\s*"


def find_count(text: str, noun: str) -> Count | None:
    """How many of `noun` (a regular expression) are asked for: "3–5 negative", "at least three negative"."""
    counted = rf"(?:\w+\s+){{0,2}}?(?:{noun})"
    if found := _search(rf"\b({NUMBER})\s*(?:-|–|—|to|or)\s*({NUMBER})\s+{counted}", text):
        return Count(number_of(found[1]), number_of(found[2]))
    if found := _search(rf"{_AT_LEAST}({NUMBER})\s+{counted}", text):
        return Count(number_of(found[1]), MANY)
    if found := _search(rf"\b({NUMBER})\s+(or more\s+)?{counted}", text):
        return Count(number_of(found[1]), MANY if found[2] else number_of(found[1]))
    return None


def _search(pattern: str, text: str) -> re.Match[str] | None:
    return re.search(pattern, text, re.IGNORECASE)


_BOUND = re.compile(
    r"\b(?:no|not|never) (?:more|greater|higher|larger|fewer|less|longer|bigger) than\b"
    r"|\b(?:not|never) exceed\w*|\bnot only\b|\bno less\b|\bnon-?negative\b"
    r"|\bno (?:\w+ ){0,2}(?:above|over|beyond|exceed\w*)\s+(?=\w)",
    re.IGNORECASE,
)


def without_quantities(sentence: str) -> str:
    """The sentence with comparisons taken out, so that "no more than" is not read as a denial."""
    return _BOUND.sub(lambda match: " positive " if "neg" in match[0].lower() else " atmost ", sentence)
