"""Caps on weights: "at most seven", "weights from 1 to 7", and their denials."""

import re
from dataclasses import dataclass

from studbook.llm.testbed.quantities import NUMBER, number_of

_COMPARED = r"(?:above|over|beyond|exceed(?:s|ing)?|larger than|greater than|higher than|bigger than)"
_BETWEEN = r"(?:\w+ ){0,3}?"
_AT_MOST = "|".join(
    (
        r"at most|up to|no more than|not more than|no greater than|no higher than|no larger than",
        rf"(?:no|none|nothing|never|not|avoid) {_BETWEEN}{_COMPARED}",
        r"(?:not|never) exceed|not go (?:above|beyond)|never (?:\w+ ){0,2}(?:than|past)",
        rf"(?:maximum|highest|largest|heaviest|top|biggest) {_BETWEEN}(?:of|is|be)",
        rf"cap(?:ped)? {_BETWEEN}at|limit(?:ed)? {_BETWEEN}to|ceiling of|stay (?:\w+ )?(?:within|under)",
        r"(?:at or|equal to or|or) below|below or equal to|less than or equal to|≤|<=",
    )
)
_LIMIT = re.compile(rf"(?:{_AT_MOST})\s+({NUMBER})\b", re.IGNORECASE)
_RANGE = re.compile(rf"\b({NUMBER})\s*(?:-|–|—|to|through|and|up to|\.\.|…)\s*({NUMBER})\b", re.IGNORECASE)
_OVER = re.compile(rf"\b{_COMPARED}\s+({NUMBER})\b", re.IGNORECASE)
_WEIGHT = re.compile(r"\b(?:weight|weights|weighting|points?)\b", re.IGNORECASE)
_COUNTED = re.compile(r"\b(?:criteria|criterion|negatives?|positives?|items|entries)\b", re.IGNORECASE)
_NEGATIVE = re.compile(rf"(?<!\d)[-−]\d|\bminus {NUMBER}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WeightRule:
    """`is_cap` False: weights above the limit are welcome."""

    limit: int
    is_cap: bool


def find_weight_rule(sentence: str) -> WeightRule | None:
    """A cap of 1 to 9 on weights. A range up to 10 is the usual scale and caps nothing."""
    if not _WEIGHT.search(sentence) or _NEGATIVE.search(sentence):
        return None
    limit, is_cap = _limit_of(sentence)
    return WeightRule(limit, is_cap) if limit is not None and 1 <= limit <= 9 else None


def _limit_of(sentence: str) -> tuple[int | None, bool]:
    if found := _LIMIT.search(sentence):
        is_forbidden = re.search(
            r"\b(?:do not|don't|never|not)\s+(?:cap|limit|restrict)", sentence, re.IGNORECASE
        )
        return number_of(found[1]), not is_forbidden
    ranges = [
        pair for pair in _RANGE.finditer(sentence) if not _COUNTED.match(sentence[pair.end() :].lstrip())
    ]
    if ranges:
        is_denied = re.search(
            r"\b(?:not|never)\s+(?:\w+\s+){0,3}(?:between|from|in|within)", sentence, re.IGNORECASE
        )
        return number_of(ranges[-1][2]), not is_denied
    if found := _OVER.search(sentence):
        is_denied = re.search(r"\b(?:no|not|never|avoid|forbid\w*|reject|n't)\b", sentence, re.IGNORECASE)
        return number_of(found[1]), bool(is_denied)
    return None, False
