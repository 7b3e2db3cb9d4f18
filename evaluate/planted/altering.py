"""Small changes to a sentence whose effect on its truth is known: denied, with other figures, in other words.

Word lists and patterns, English only; no testbed program takes part, so that none marks its own work.
"""

import re
from random import Random

_VERB = re.compile(r"\b(is|are|was|were|can|will|has|have|does|do|may|should|must|could|would)\b(?! not)")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w]|\.\d)")

_OTHER_WORDS = {
    "shows": "reveals",
    "show": "reveal",
    "shown": "revealed",
    "uses": "employs",
    "use": "employ",
    "used": "employed",
    "using": "by means of",
    "large": "big",
    "larger": "bigger",
    "small": "little",
    "increases": "raises",
    "increase": "raise",
    "reduces": "lowers",
    "reduce": "lower",
    "reduced": "lowered",
    "because": "since",
    "therefore": "hence",
    "however": "yet",
    "method": "procedure",
    "methods": "procedures",
    "approach": "technique",
    "model": "modelled system",
    "results": "outcomes",
    "result": "outcome",
    "requires": "calls for",
    "require": "call for",
    "allows": "makes it possible for",
    "improves": "betters",
    "improve": "better",
    "performance": "quality",
    "different": "distinct",
    "important": "essential",
    "obtain": "get",
    "obtained": "got",
    "provides": "gives",
    "provide": "give",
    "many": "numerous",
    "often": "frequently",
    "only": "merely",
    "data": "observations",
    "error": "deviation",
    "errors": "deviations",
    "faster": "more quickly",
    "number": "count",
    "whole": "entire",
    "keeps": "retains",
    "keep": "retain",
    "leads": "gives rise",
    "helps": "assists",
    "similar": "alike",
    "problem": "difficulty",
    "problems": "difficulties",
    "users": "people who work with it",
    "researchers": "scientists",
    "needs": "wants",
    "need": "want",
    "each": "every",
    "begin": "start",
    "begins": "starts",
    "shorter": "briefer",
    "costs": "takes",
}
_WORD = re.compile(r"[A-Za-z]+")


def denied(sentence: str) -> str:
    """The sentence with its first verb negated; "It is not so that …" where no plain verb stands."""
    changed, count = _VERB.subn(r"\1 not", sentence, count=1)
    return changed if count else f"It is not so that {sentence[:1].lower()}{sentence[1:]}"


def has_number(sentence: str) -> bool:
    return _NUMBER.search(sentence) is not None


def with_other_numbers(sentence: str, random: Random) -> str:
    """Every free-standing number replaced by one that differs by a factor of 1.4 to 4."""
    return _NUMBER.sub(lambda match: _other_number(match.group(), random), sentence)


def _other_number(text: str, random: Random) -> str:
    decimals = len(text.partition(".")[2])
    value = float(text) * random.uniform(1.4, 4.0)
    changed = f"{value:.{decimals}f}"
    return changed if changed != text else str(int(float(text)) + 3)


def made_wrong(sentence: str, random: Random) -> str:
    return with_other_numbers(sentence, random) if has_number(sentence) else denied(sentence)


def reworded(sentence: str, random: Random) -> str:
    """Other words where the list has one, and a lead-in; the meaning stays."""
    lead = random.choice(("As it turns out, ", "What matters is that ", "In short, ", "Put plainly, "))
    text = _WORD.sub(lambda match: _other_word(match.group()), sentence)
    return lead + (text[:1].lower() + text[1:] if not text[1:2].isupper() else text)


def _other_word(word: str) -> str:
    other = _OTHER_WORDS.get(word.lower(), word)
    return other.capitalize() if word[:1].isupper() and other != word else other
