"""Cuts instruction prose into sentences, and each sentence into clauses with the positions of known words.

A bullet includes its lead-in ("Never put into the context:" + "the result"), and a sentence that refers back
with a pronoun includes what the sentence before it was about. Code blocks and JSON are left out. Phrases that
mislead a word-by-word reader are replaced first: "nothing but" is not a negation, "fails to" is one. The
synonyms are in lexicon.toml; `recognizer` interprets combinations of words.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from pydantic import with_config

from studbook.testbed.models.words import stem, tokens, without_quantities
from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.models"
DATA_FILES = ("lexicon.toml",)


@with_config(extra="forbid")
@dataclass(frozen=True, kw_only=True)
class _Context:
    subjects: tuple[str, ...]
    leading: tuple[str, ...]


@with_config(extra="forbid")
@dataclass(frozen=True, kw_only=True)
class _Lexicon:
    """Named lists of entries: `slots` are things and actions, `signals` negate or weaken what is said."""

    slots: Mapping[str, tuple[str, ...]]
    signals: Mapping[str, tuple[str, ...]]
    context: _Context

    def entries(self, name: str) -> tuple[str, ...]:
        return self.signals[name] if name in self.signals else self.slots[name]

    @cached_property
    def subject_stems(self) -> frozenset[str]:
        return frozenset(map(stem, self.context.subjects))

    @cached_property
    def leading_stems(self) -> frozenset[str]:
        return self.subject_stems | {stem(word) for word in self.context.leading}


@cache
def _lexicon() -> _Lexicon:
    return read_table(PACKAGE, DATA_FILES[0], _Lexicon)


_FENCE = re.compile(r"^\s*(`{3,}|~{3,}).*?^\s*\1\s*$", re.MULTILINE | re.DOTALL)
_BULLET = re.compile(r"^\s*(?:[-*+•]|\(?\d{1,2}[.)]|\(?[a-z]\))\s+")
_END = re.compile(r"(?<=[.!?])[\"'”’)\]*_]*\s+(?=[\"'“‘(\[*_`]*[A-Z0-9`])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|cf|vs|incl)\.$")
_PRONOUN = re.compile(r"^(?:it|they|this|these|those|there)\b", re.IGNORECASE)
_VERDICT = re.compile(r"(?:if so|in that case|if it (?:can|could|does|is|would)),\s*", re.IGNORECASE)
_POINTS_BACK = re.compile(r"\b(?:in|into|from|of|to) (?:it|them|there)\b", re.IGNORECASE)
_MARKUP = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")
_QUOTED = re.compile(r"[“\"][^“”\"\n]{1,40}[”\"]")
_QUOTED_NUMBER = re.compile(r"[“\"][+-]?\d{1,2}[”\"]")

LONGEST_LEAD_IN = 9


@lru_cache(maxsize=1_024)
def split_instructions(text: str) -> tuple[str, ...]:
    sentences: list[str] = []
    for unit in _units(_FENCE.sub("\n\n", text)):
        sentences += _resolve(_sentences(unit))
    return tuple(sentences)


def _units(text: str) -> list[str]:
    """Paragraphs and bullets, each on one line; bullets include their lead-in."""
    units: list[str] = []
    lead_in, is_open = "", False
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare[0] in '{}[]"<|':
            is_open = False
            if bare:
                lead_in = ""
        elif bare.startswith("#"):
            lead_in, is_open = "", False
        elif match := _BULLET.match(line):
            units.append(f"{lead_in} {line[match.end() :].strip()}".strip())
            is_open = True
        elif is_open:
            units[-1] += " " + bare
        else:
            units.append(bare)
            is_open = True
        if is_open and not _BULLET.match(line):
            lead_in = _lead_in(units[-1], lead_in, bare)
    return [_without_quotations(_MARKUP.sub("", unit)) for unit in units]


def _without_quotations(unit: str) -> str:
    """Quoted examples are not instructions, but a quoted number is an example of a string."""
    return _QUOTED.sub("", _QUOTED_NUMBER.sub("a quoted number", unit))


def _lead_in(unit: str, before: str, line: str) -> str:
    """A short last sentence before a colon, if it has content; it applies to the bullets after it."""
    if line.endswith(":"):
        words = tokens(last := _sentences(unit)[-1].rstrip(":"))
        says_something = any(stem(word) in _lexicon().leading_stems for word in words)
        return last if says_something and len(words) <= LONGEST_LEAD_IN else ""
    return before if before and unit.startswith(before) else ""


def _sentences(unit: str) -> list[str]:
    pieces: list[str] = []
    for piece in _END.split(unit):
        if pieces and _ABBREVIATION.search(pieces[-1]):
            pieces[-1] += " " + piece
        elif piece.strip():
            pieces.append(piece.strip())
    return pieces or [unit]


def _resolve(sentences: list[str]) -> list[str]:
    resolved: list[str] = []
    subject = ""
    for sentence in sentences:
        words = tokens(sentence)
        if resolved and (verdict := _VERDICT.match(sentence)):
            resolved[-1] = f"{resolved[-1].rstrip('.')}: {sentence[verdict.end() :]}"
            continue
        own = next((word for word in words if stem(word) in _lexicon().subject_stems), "")
        points_back = _PRONOUN.match(sentence) or (not own and _POINTS_BACK.search(sentence))
        if subject and points_back:
            resolved.append(f"The {subject} {sentence}")
            continue
        subject = own
        resolved.append(sentence)
    return resolved


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
class PhrasePlace:
    """An occurrence of a phrase: the positions of its words, in order, without the words in its gaps."""

    words: tuple[int, ...]

    @property
    def first(self) -> int:
        return self.words[0]

    @property
    def last(self) -> int:
        return self.words[-1]

    def overlaps(self, other: "PhrasePlace") -> bool:
        return any(word in other.words for word in self.words)


@lru_cache(maxsize=4_096)
def _parse(entry: str) -> tuple[tuple[str, ...], ...]:
    """ "keep .. out" becomes (("keep",), ("out",))."""
    return tuple(tuple(stem(word) for word in part.split()) for part in entry.split(".."))


def find_places(stems: Sequence[str], entries: Sequence[str]) -> tuple[PhrasePlace, ...]:
    """Where any of the entries occurs, leftmost first; at the same position, longer entries first."""
    present = frozenset(stems)
    places = {place for entry in entries for place in _places_of(stems, present, _parse(entry))}
    return tuple(sorted(places, key=lambda place: (place.first, -len(place.words), place.last)))


def _places_of(
    stems: Sequence[str], present: frozenset[str], parts: tuple[tuple[str, ...], ...]
) -> list[PhrasePlace]:
    if any(word not in present for part in parts for word in part):
        return []
    matches = (_match(stems, start, parts) for start in range(len(stems)))
    return [PhrasePlace(words) for words in matches if words]


def _match(stems: Sequence[str], start: int, parts: tuple[tuple[str, ...], ...]) -> tuple[int, ...]:
    """The positions of the phrase's words if it starts here, otherwise empty."""
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
    """Stems, with the clause and the larger part of the sentence that each belongs to."""

    stems: tuple[str, ...]
    clauses: tuple[int, ...]
    parts: tuple[int, ...]

    def places(self, name: str) -> tuple[PhrasePlace, ...]:
        """Where the words of a slot occur, leftmost first."""
        return _places(self.stems, name)

    def free_places(self, name: str, taken: Sequence[PhrasePlace]) -> list[PhrasePlace]:
        """Leftmost longest occurrences that overlap neither each other nor a taken one."""
        free: list[PhrasePlace] = []
        for place in self.places(name):
            if not any(place.overlaps(other) for other in (*taken, *free)):
                free.append(place)
        return free


_PART_BREAK = re.compile(r"[;:—–]|\s-\s|\b(?:but|while|whereas|yet|however|although|though)\b", re.IGNORECASE)
_CLAUSE_BREAK = re.compile(
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
    for part_number, part in enumerate(_PART_BREAK.split(in_plain_words(text))):
        for clause in _CLAUSE_BREAK.split(part):
            words = [stem(word) for word in tokens(clause)]
            stems += words
            clauses += [number] * len(words)
            parts += [part_number] * len(words)
            number += 1
    return Syntax(tuple(stems), tuple(clauses), tuple(parts))


@lru_cache(maxsize=65_536)
def _places(stems: tuple[str, ...], name: str) -> tuple[PhrasePlace, ...]:
    return find_places(stems, _lexicon().entries(name))
