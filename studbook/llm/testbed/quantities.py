"""Numbers in instructions: "at most seven", "3 to 5 negative criteria", "weights from 1 to 7"."""

import re
from dataclasses import dataclass

_WORDS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
    )
}
_NUMBER = r"(?:\d{1,2}|" + "|".join(_WORDS) + r")"
_AT_MOST = (
    r"(?:at most|no more than|not more than|no greater than|no higher than|no larger than|up to|not exceed|never exceed|"
    r"not above|never above|not go above|not go beyond|cap(?:ped)? (?:\w+ ){0,3}?at|(?:maximum|highest|largest|heaviest|top|biggest) (?:\w+ ){0,3}?(?:of|is|be)|not over|"
    r"no (?:\w+ ){0,2}(?:above|over|beyond|exceeds?|exceeding|larger than|greater than|higher than|bigger than)|"
    r"none (?:\w+ ){0,2}(?:above|over|exceeding)|nothing (?:above|over|beyond|larger than|higher than)|"
    r"never (?:\w+ ){0,2}(?:above|over|beyond|than|past)|not (?:\w+ ){0,2}(?:larger|higher|greater|bigger) than|"
    r"(?:(?:at or|equal to or|or) below|below or equal to|less than or equal to|≤|<=)|limit(?:ed)? (?:\w+ ){0,3}?to|stay (?:\w+ )?(?:within|under)|ceiling of|"
    r"avoid (?:\w+ ){0,2}(?:above|over|exceeding))"
)
_LIMIT = re.compile(rf"{_AT_MOST}\s+({_NUMBER})\b", re.IGNORECASE)
_RANGE = re.compile(rf"\b({_NUMBER})\s*(?:-|–|—|to|through|and|up to|\.\.|…)\s*({_NUMBER})\b", re.IGNORECASE)
_OVER = re.compile(
    rf"\b(?:above|over|beyond|exceed(?:ing)?|larger than|greater than|higher than)\s+({_NUMBER})\b", re.IGNORECASE
)
_WEIGHT = re.compile(r"\b(?:weight|weights|weighting|points?)\b", re.IGNORECASE)
_COUNTED = re.compile(r"\b(?:criteria|criterion|negatives?|positives?|items|entries)\b", re.IGNORECASE)
_NEGATIVE = re.compile(r"\bnegative|\bpenalt|\bminus|(?<!\d)[-−]\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WeightRule:
    """`is_cap` False: weights above the limit are welcome."""

    limit: int
    is_cap: bool


def number_of(word: str) -> int:
    return int(word) if word.isdigit() else _WORDS[word.lower()]


def find_weight_rule(sentence: str) -> WeightRule | None:
    """A cap of 1 to 9 on weights. A range up to 10 is the usual scale and caps nothing."""
    if not _WEIGHT.search(sentence) or _NEGATIVE.search(_without_denials(sentence)):
        return None
    limit, is_cap = _limit_of(sentence)
    return WeightRule(limit, is_cap) if limit is not None and 1 <= limit <= 9 else None


def _limit_of(sentence: str) -> tuple[int | None, bool]:
    if found := _LIMIT.search(sentence):
        is_forbidden = re.search(r"\b(?:do not|don't|never|not)\s+(?:cap|limit|restrict)", sentence, re.IGNORECASE)
        return number_of(found[1]), not is_forbidden
    ranges = [pair for pair in _RANGE.finditer(sentence) if not _COUNTED.match(sentence[pair.end() :].lstrip())]
    if ranges:
        is_denied = re.search(r"\b(?:not|never)\s+(?:\w+\s+){0,3}(?:between|from|in|within)", sentence, re.IGNORECASE)
        return number_of(ranges[-1][2]), not is_denied
    if found := _OVER.search(sentence):
        is_denied = re.search(r"\b(?:no|not|never|avoid|forbid\w*|reject|n't)\b", sentence, re.IGNORECASE)
        return number_of(found[1]), bool(is_denied)
    return None, False


def _without_denials(sentence: str) -> str:
    """ "no negative weights, at most 7" still speaks of a cap."""
    return re.sub(
        r"\b(?:no|never|not|without|avoid|non)[\s-]+(?:\w+\s+){0,3}?(?:negative|penalt)\w*", " ", sentence, flags=re.IGNORECASE
    )


@dataclass(frozen=True, slots=True)
class Count:
    low: int
    high: int


def find_count(text: str, noun: str) -> Count | None:
    """How many of `noun` (a regular expression) a sentence asks for: "3–5 negative", "at least three negative"."""
    filler = r"(?:\w+\s+){0,2}?"
    ranged = re.search(rf"\b({_NUMBER})\s*(?:-|–|—|to|or)\s*({_NUMBER})\s+{filler}(?:{noun})", text, re.IGNORECASE)
    if ranged:
        return Count(number_of(ranged[1]), number_of(ranged[2]))
    floor = re.search(
        rf"(?:at least|≥|>=|minimum of|no fewer than|not fewer than|no less than)\s*({_NUMBER})\s+{filler}(?:{noun})",
        text,
        re.IGNORECASE,
    )
    if floor:
        return Count(number_of(floor[1]), 99)
    plain = re.search(rf"\b({_NUMBER})\s+(or more\s+)?{filler}(?:{noun})", text, re.IGNORECASE)
    if plain:
        return Count(number_of(plain[1]), 99 if plain[2] else number_of(plain[1]))
    return None


_BOUND = re.compile(
    r"\b(?:no|not|never) (?:more|greater|higher|larger|fewer|less|longer|bigger) than\b|\b(?:not|never) exceed\w*"
    r"|\bnot only\b|\bno (?:\w+ ){0,2}(?:above|over|beyond|exceed\w*)\s+(?=\d|\w+\b)|\bnon-?negative\b|\bno less\b",
    re.IGNORECASE,
)


def without_quantities(sentence: str) -> str:
    """The sentence with comparisons taken out, so that "no more than" is not read as a denial."""
    return _BOUND.sub(lambda match: " positive " if "neg" in match[0].lower() else " atmost ", sentence)
