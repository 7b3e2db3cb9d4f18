"""Words, stems and numbers: all the language processing of the testbed.

A simple suffix stripper and a list of function words; no dictionary, no grammar. English only. It also finds
how many of something a sentence asks for, and how much the words of two texts overlap.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

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
class CountRange:
    low: int
    high: int


MANY = 99
_AT_LEAST = r"(?:at least|≥|>=|minimum of|no fewer than|not fewer than|no less than)\s*"


def find_count(text: str, noun: str) -> CountRange | None:
    """How many of `noun` (a regular expression) are asked for: "3–5 negative", "at least three negative"."""
    counted = rf"(?:\w+\s+){{0,2}}?(?:{noun})"
    if found := _search(rf"\b({NUMBER})\s*(?:-|–|—|to|or)\s*({NUMBER})\s+{counted}", text):
        return CountRange(number_of(found[1]), number_of(found[2]))
    if found := _search(rf"{_AT_LEAST}({NUMBER})\s+{counted}", text):
        return CountRange(number_of(found[1]), MANY)
    if found := _search(rf"\b({NUMBER})\s+(or more\s+)?{counted}", text):
        return CountRange(number_of(found[1]), MANY if found[2] else number_of(found[1]))
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
    """The sentence without comparisons, so that "no more than" is not read as a negation."""
    return _BOUND.sub(lambda match: " positive " if "neg" in match[0].lower() else " atmost ", sentence)


_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:['’][a-z]+)?|\d+(?:[.,]\d+)*%?")


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTION_WORDS = word_set(
    """
    a about above across after again against all almost along already also although always am among an
    and another any anyone anything are aren't around as at away back be became because become becomes
    been before being below between both but by can cannot come comes could couldn't did didn't do does
    doesn't doing don't done down due during each either else enough especially et etc even ever every
    few first for from further furthermore get gets give given gives go goes had has have having he
    hence her here hers him his how however i if in indeed instead into is isn't it its itself just kind
    last later least less let like made mainly make makes many may maybe me means might more moreover
    most much must my namely near need needs neither never nevertheless next no nor not nothing now of
    off often on once one only onto or other others our ours out over own per perhaps quite rather
    really s same see seen several shall she should since so some something sometimes such t than that
    that's the their theirs them themselves then there thereby therefore these they thing things this
    those though through throughout thus to together too toward towards two under until up upon us use
    used uses using very via was way ways we well were what when where whereas whether which while who
    whole whom whose why will with within without would yet you your yours eg ie al
    """
)
NEGATIONS = word_set("not no never cannot without none neither nor hardly fails fail lacks unable")


def tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Lower case without common English endings; the result need not be a word."""
    word = word.lower().replace("’", "'")
    word = word.removesuffix("'s")
    if len(word) <= 3 or not word.isalpha():
        return word
    return _strip_e(_strip_ending(_strip_plural(word)))


def _strip_plural(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


_ENDINGS = ("ational", "ization", "isation", "ations", "ation", "ingly", "edly", "ness", "ment", "ing", "ion")


def _strip_ending(word: str) -> str:
    for ending in (*_ENDINGS, "ied", "ed", "ly", "ally", "able", "ible", "ive"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return _undouble(word.removesuffix(ending) + ("y" if ending == "ied" else ""))
    return word


def _undouble(word: str) -> str:
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        return word[:-1]
    return word


def _strip_e(word: str) -> str:
    if len(word) > 4 and word.endswith("e"):
        return word[:-1]
    if len(word) > 3 and word.endswith("y"):
        return word[:-1] + "i"
    return word


def is_number(token: str) -> bool:
    return token[0].isdigit()


def is_content(token: str) -> bool:
    """True for words with a meaning of their own: no function words, no single letters."""
    return len(token) > 1 and not is_number(token) and token.lower().replace("’", "'") not in FUNCTION_WORDS


@lru_cache(maxsize=4096)
def content_words(text: str) -> frozenset[str]:
    """Stems of the content words, and the numbers."""
    return frozenset(stem(word) for word in tokens(text) if is_content(word) or is_number(word))


def covered_by(part: str, whole: str) -> float:
    """Share of the content words of `part` that also occur in `whole`; 0 when `part` has none."""
    wanted = content_words(part)
    return len(wanted & content_words(whole)) / len(wanted) if wanted else 0.0


def likeness(one: str, other: str) -> float:
    """Jaccard similarity of the content words of two texts, in [0, 1]."""
    left, right = content_words(one), content_words(other)
    union = left | right
    return len(left & right) / len(union) if union else 0.0
