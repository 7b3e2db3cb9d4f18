"""One instruction sentence: its stems, its clauses, and where the words of a slot stand in it.

Knows punctuation and connectives, and no meanings.

Where phrases stand in a stemmed sentence. Knows no meanings.

Turns of phrase rewritten into the plain words that the lexicon knows, before a sentence is cut up.

Only idioms that mislead a reader of single words stand here: "nothing but" is no denial, "fails to" is one,
"fail the example" is a judgement. What the words mean together stands in `frames.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.testbed.models import lexicon
from studbook.testbed.models.words import stem, tokens, without_quantities

_FORBIDDEN = "rejected"
_NOT_ANYTHING = r"(?:do not|never|not) (?:\w+ ){0,3}?anything"
_SOME = "(?:a|some|merely|general|broad|basic|typical|usual|solid)"
_REWRITTEN = (
    (r"n['’]t\b", " not"),
    (r"\bcan not\b", "cannot"),
    (rf"\b(?:nothing|{_NOT_ANYTHING}) (?:but|except|besides|other than|apart from)\b", "only"),
    (r"\b(?:anything|everything) (?:but|except|other than|short of)\b", "what is not"),
    (rf"\b(?:background knowledge|(?:{_SOME} )+background(?: in| of|(?= alone)))", "general knowledge"),
    (r"\b(not|no|neither|never|cannot)\b([^;.]*?)\bnor\b", r"\1\2or"),
    (r"\bzero (?=negative|penalt)", "no "),
    (r"\b(?:do not|never|must not|should not|cannot) (?:accept|admit|allow|permit|tolerate)\b", "reject"),
    (r"\bprefer(\w* [^.;]{3,60}?) over\b", r"prefer\1 instead of"),
    (r"\bprefer(?:red|able) (?:over|to)\b", "preferred instead of"),
    (r"\bpass\W{1,3}false\b|\bpass to false\b", _FORBIDDEN),
    (r"\bun(?:answerable|solvable)\b", "cannot be answered"),
    (r"\b(?:answerable|solvable)\b", "can be answered"),
    (r"\b(?:do|must|should|shall|may) not fail to\b|\bnever fail to\b", "always"),
    (r"\bfail(?:s|ed|ing)? to(?! (?:be|meet))\b", "cannot"),
    (r"^\W*fail\b(?! (?:it|any|every|if|when|an|where)\b)", _FORBIDDEN),
    (r"\bfail (?:the|a|this|that|all|such|each|those) (?=\w)", f"{_FORBIDDEN} the "),
    (
        r"\bfails (?:the|this|that|an|a) (?:whole )?(?=(?:example|draft|rubric|check|test)\b)",
        f"is {_FORBIDDEN} ",
    ),
    (r":\s*(?:no|never|wrong)\W*$", f" {_FORBIDDEN}"),
    (r"\bfails?(?=\s*(?:[.;:!]|$))", _FORBIDDEN),
    (r"\b(?:(?:do|does|must|should|shall|may|can|will) not|cannot|never) pass(?:es)?\b", _FORBIDDEN),
    (r"\b(?:is|are|be) not (?:to be )?accept(?:ed|able)\b", f"is {_FORBIDDEN}"),
)
_RULES = tuple((re.compile(pattern, re.IGNORECASE), plain) for pattern, plain in _REWRITTEN)
_TOO_EASY = re.compile(
    r"\btoo (?:easy|simple|weak|shallow|trivial|generic|general|much|many|high|large|heavy|broad)\b"
    r"|\bnot (?:nearly )?[\w-]+ enough\b",
    re.IGNORECASE,
)
_SUPPOSES = re.compile(r"\b(?:if|when|whenever|where|whether|in case|should)\b", re.IGNORECASE)
_DO_OVER = re.compile(
    r"\b(?:rewrite|revise|redo|replace|rework|change) (?:it|them|the \w+)\b|\bstart (?:over|again)\b"
    r"|\b(?:write|pick|choose|find|ask|invent|look for|try) (?:another|a new|a different|again)\b",
    re.IGNORECASE,
)


def in_plain_words(text: str) -> str:
    plain = text.replace("’", "'")
    for pattern, words in _RULES:
        plain = pattern.sub(words, plain)
    if _SUPPOSES.search(plain):
        plain = _DO_OVER.sub("discard it", plain)
    return _TOO_EASY.sub("tooeasy", without_quantities(plain))


LONGEST_GAP = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A phrase found: the positions of its words, in order; words in its gaps are not part of it."""

    words: tuple[int, ...]

    @property
    def first(self) -> int:
        return self.words[0]

    @property
    def last(self) -> int:
        return self.words[-1]

    def overlaps(self, other: "Place") -> bool:
        return any(word in other.words for word in self.words)


@lru_cache(maxsize=4_096)
def _parse(entry: str) -> tuple[tuple[str, ...], ...]:
    """ "keep .. out" becomes (("keep",), ("out",))."""
    return tuple(tuple(stem(word) for word in part.split()) for part in entry.split(".."))


def find_places(stems: Sequence[str], entries: Sequence[str]) -> tuple[Place, ...]:
    """Where any of the entries stands, leftmost first, longer entries before shorter at the same place."""
    present = frozenset(stems)
    places = {place for entry in entries for place in _places_of(stems, present, _parse(entry))}
    return tuple(sorted(places, key=lambda place: (place.first, -len(place.words), place.last)))


def _places_of(
    stems: Sequence[str], present: frozenset[str], parts: tuple[tuple[str, ...], ...]
) -> list[Place]:
    if any(word not in present for part in parts for word in part):
        return []
    matches = (_match(stems, start, parts) for start in range(len(stems)))
    return [Place(words) for words in matches if words]


def _match(stems: Sequence[str], start: int, parts: tuple[tuple[str, ...], ...]) -> tuple[int, ...]:
    """Positions of the phrase if it starts here; empty when it does not."""
    head, *rest = parts
    end = start + len(head)
    if tuple(stems[start:end]) != head:
        return ()
    here = tuple(range(start, end))
    if not rest:
        return here
    for gap in range(LONGEST_GAP + 1):
        if there := _match(stems, end + gap, tuple(rest)):
            return here + there
    return ()


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
