"""One instruction sentence: its stems, its clauses, and where the words of a slot stand in it.

Normalises what would mislead a reader of single words ("no more than", "too easy", "background knowledge").
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.llm.testbed import lexicon
from studbook.llm.testbed.phrases import Place, find_places
from studbook.llm.testbed.quantities import without_quantities
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
    r"|instead|only|not|ask|use|write|give|make|put|may|can)\b)"
    r"|,\s*(?=(?:and|or|so|not|never|then|always|instead|which|no)\b)|(?=\b(?:rather than|instead of)\b)",
    re.IGNORECASE,
)
_ABLE = re.compile(r"\b(?:answerable|solvable)\b", re.IGNORECASE)
_NOTHING_BUT = re.compile(
    r"\b(?:nothing|(?:do not|never|not) (?:\w+ ){0,3}?anything)"
    r" (?:but|except|besides|other than|apart from)\b",
    re.IGNORECASE,
)
_GENERAL_KNOWLEDGE = re.compile(r"\bbackground knowledge\b", re.IGNORECASE)
_TOO_EASY = re.compile(
    r"\btoo (?:easy|simple|weak|shallow|trivial)\b|\bnot (?:hard|difficult) enough\b", re.IGNORECASE
)


@lru_cache(maxsize=4_096)
def read_syntax(text: str) -> Syntax:
    plain = text.replace("’", "'").replace("n't", " not").replace("can not", "cannot")
    plain = _NOTHING_BUT.sub("only", plain)
    plain = _GENERAL_KNOWLEDGE.sub("general knowledge", plain)
    plain = _ABLE.sub("can be answered", plain)
    plain = _TOO_EASY.sub("tooeasy", without_quantities(plain))
    stems: list[str] = []
    clauses: list[int] = []
    parts: list[int] = []
    number = 0
    for part_number, part in enumerate(_PART.split(plain)):
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
}


@lru_cache(maxsize=65_536)
def _places(stems: tuple[str, ...], name: str) -> tuple[Place, ...]:
    return find_places(stems, _LISTS[name])
