"""One instruction sentence: its stems, its clauses, and where the words of a slot stand in it.

Knows punctuation and connectives, and no meanings.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.llm.testbed import lexicon
from studbook.llm.testbed.phrases import Place, find_places
from studbook.llm.testbed.plain_words import in_plain_words
from studbook.llm.testbed.words import stem, tokens


@dataclass(frozen=True, slots=True)
class Syntax:
    """Stems, and for each the clause and the larger part of the sentence it stands in."""

    stems: tuple[str, ...]
    clauses: tuple[int, ...]
    parts: tuple[int, ...]

    def places(self, name: str) -> tuple[Place, ...]:
        """Where the words of a slot stand, leftmost first."""
        return _places(self.stems, name)

    def free_places(self, name: str, taken: Sequence[Place]) -> list[Place]:
        """Leftmost longest, none overlapping another or a taken one."""
        free: list[Place] = []
        for place in self.places(name):
            if not any(place.overlaps(other) for other in (*taken, *free)):
                free.append(place)
        return free


_PART = re.compile(r"[;:—–]|\s-\s|\b(?:but|while|whereas|yet|however|although|though)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r",?\s*\b(?:and|or|so|then)\s+(?=(?:must|should|never|always|do|does|keep|avoid|leave|is|are|it|they"
    r"|instead|only|not|no|without|ask|use|write|give|make|put|may|can)\b)"
    r"|,\s*(?=(?:and|or|so|not|never|then|always|instead|which|no)\b)"
    r"|(?=,\s*so that\b)|(?=\b(?:rather than|instead of)\b)",
    re.IGNORECASE,
)


@lru_cache(maxsize=4_096)
def read_syntax(text: str) -> Syntax:
    stems: list[str] = []
    clauses: list[int] = []
    parts: list[int] = []
    number = 0
    for part_number, part in enumerate(_PART.split(in_plain_words(text))):
        for clause in _CLAUSE.split(part):
            words = [stem(word) for word in tokens(clause)]
            stems += words
            clauses += [number] * len(words)
            parts += [part_number] * len(words)
            number += 1
    return Syntax(tuple(stems), tuple(clauses), tuple(parts))


_LISTS = {
    **lexicon.SLOTS,
    "negators": lexicon.NEGATORS,
    "bad": lexicon.BAD_OUTCOMES,
    "cancellers": lexicon.CANCELLERS,
    "explicit": lexicon.EXPLICIT,
    "hedges": lexicon.HEDGES,
    "anaphors": lexicon.ANAPHORS,
    "harms": lexicon.HARMS,
    "uses": lexicon.USES,
    "otherwise": lexicon.OTHERWISE,
    "supposes": lexicon.SUPPOSES,
    "purpose": lexicon.PURPOSE,
}


@lru_cache(maxsize=65_536)
def _places(stems: tuple[str, ...], name: str) -> tuple[Place, ...]:
    return find_places(stems, _LISTS[name])
