"""Caps on weights: "at most seven", "weights from 1 to 7", and their denials."""

import re
from dataclasses import dataclass

from studbook.llm.testbed.quantities import NUMBER, number_of

_MORE = r"(?:more|larger|greater|higher|bigger|heavier) than"
_COMPARED = rf"(?:above|over|beyond|past|exceed(?:s|ed|ing)?|{_MORE}|in excess of)"
_BETWEEN = r"(?:\w+ ){0,3}?"
_AT_MOST = "|".join(
    (
        r"at most|up to|no more than|not more than|no greater than|no higher than|no larger than",
        rf"(?:no|none|nothing|never|not|avoid) {_BETWEEN}{_COMPARED}",
        r"(?:not|never) exceed|not go (?:above|beyond)|never (?:\w+ ){0,2}(?:than|past)",
        rf"(?:maximum|highest|largest|heaviest|top|biggest) {_BETWEEN}(?:of|is|be)",
        rf"cap(?:ped)? {_BETWEEN}at|limit(?:ed)? {_BETWEEN}to|stay (?:\w+ )?(?:within|under)",
        rf"(?:ceiling|limit|bound|maximum|cap) (?:(?:for|on) {_BETWEEN})?(?:of|is|at)",
        r"(?:at or|equal to or|or) below|below or equal to|less than or equal to|≤|<=",
    )
)
_LIMIT = re.compile(rf"(?:{_AT_MOST})\s+({NUMBER})\b", re.IGNORECASE)
_LIMIT_BEFORE = re.compile(
    rf"\b({NUMBER}),?(?: points?)? (?:at (?:the )?(?:very )?most|at maximum"
    r"|or (?:less|lower|below|under|smaller|fewer)"
    r"|(?:is|as) the (?:maximum|highest|largest|limit|most|cap|ceiling|top))\b",
    re.IGNORECASE,
)
_UNLIMITED = re.compile(
    r"\b(?:do not|don't|never|not)\s+(?:cap|limit|restrict)"
    r"|\bno (?:\w+ ){0,2}(?:cap|limit|ceiling|bound|maximum)\b",
    re.IGNORECASE,
)
_RANGE = re.compile(rf"\b({NUMBER})\s*(?:-|–|—|to|through|and|up to|\.\.|…)\s*({NUMBER})\b", re.IGNORECASE)
_OVER = re.compile(rf"\b{_COMPARED}\s+({NUMBER})\b", re.IGNORECASE)
_WEIGHT = re.compile(r"\b(?:weigh(?:s|ing|ed|t|ts|ting|tings)?|points?)\b", re.IGNORECASE)
_COUNTED = re.compile(r"\b(?:criteria|criterion|negatives?|positives?|items|entries)\b", re.IGNORECASE)
_NEGATIVE = re.compile(rf"(?<!\d)[-−]\d|\bminus {NUMBER}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WeightRule:
    """`is_cap` False: weights above the limit are welcome."""

    limit: int
    is_cap: bool


def find_weight_rule(sentence: str, is_judged: bool = False) -> WeightRule | None:
    """A cap of 1 to 9 on weights. A range up to 10 is the usual scale and caps nothing.

    `is_judged`: the sentence says that what it describes is rejected.
    """
    if not _WEIGHT.search(sentence) or _NEGATIVE.search(sentence):
        return None
    limit, is_cap = _limit_of(sentence, is_judged)
    return WeightRule(limit, is_cap) if limit is not None and 1 <= limit <= 9 else None


def _limit_of(sentence: str, is_judged: bool) -> tuple[int | None, bool]:
    found = _find_of_weights(_LIMIT, sentence) or _find_of_weights(_LIMIT_BEFORE, sentence)
    if found:
        return number_of(found[1]), not _UNLIMITED.search(sentence)
    if pair := _find_of_weights(_RANGE, sentence):
        is_denied = re.search(
            r"\b(?:not|never)\s+(?:\w+\s+){0,3}(?:between|from|in|within)", sentence, re.IGNORECASE
        )
        return number_of(pair[2]), not is_denied
    if over := _find_of_weights(_OVER, sentence):
        is_denied = re.search(r"\b(?:no|not|never|avoid|forbid\w*|reject|n't)\b", sentence, re.IGNORECASE)
        return number_of(over[1]), bool(is_denied) or is_judged
    return None, False


def _find_of_weights(pattern: re.Pattern[str], sentence: str) -> re.Match[str] | None:
    """The last match that does not count criteria ("at most 7 criteria")."""
    found = [
        match for match in pattern.finditer(sentence) if not _COUNTED.match(sentence[match.end() :].lstrip())
    ]
    return found[-1] if found else None
