"""Reading instructions by meaning: prose in, rules out.

Works sentence by sentence, so that where a sentence stands, and in which file, does not matter. Handles
negation, double negation, prohibitions said as judgements ("… is too easy"), permissions, hedges, and rules
that are called off ("it is not necessary to"). It is a set of word combinations, not a language model: an
unusual enough paraphrase passes it by.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.llm.testbed import lexicon
from studbook.llm.testbed.concepts import Concept
from studbook.llm.testbed.frames import FRAMES, Frame
from studbook.llm.testbed.instructions import split_instructions
from studbook.llm.testbed.phrases import Place, find_places
from studbook.llm.testbed.quantities import find_weight_rule, without_quantities
from studbook.llm.testbed.words import stem, tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing asked for. `wanted` False: its opposite is asked for.

    `explicitness` 3: must, never, only; 2: plain; 1: hedged. `amount` is a number said with it, if any.
    """

    concept: Concept
    wanted: bool
    explicitness: int
    clarity: float
    text: str
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class _Sentence:
    """Stems, and for each the clause and the larger part of the sentence it stands in."""

    stems: tuple[str, ...]
    clauses: tuple[int, ...]
    parts: tuple[int, ...]


def recognise(text: str) -> tuple[Rule, ...]:
    """At most one rule a concept: the most explicit wins, of equals the later one."""
    chosen: dict[Concept, Rule] = {}
    for sentence in split_instructions(text):
        for rule in rules_of(sentence):
            before = chosen.get(rule.concept)
            if before is None or rule.explicitness >= before.explicitness:
                chosen[rule.concept] = _reinforce(rule, before)
    return tuple(chosen[concept] for concept in Concept if concept in chosen)


def _reinforce(rule: Rule, before: Rule | None) -> Rule:
    """Said twice alike, the clearer saying counts."""
    if before and before.wanted == rule.wanted and before.explicitness == rule.explicitness:
        return before if before.clarity > rule.clarity else rule
    return rule


@lru_cache(maxsize=16_384)
def rules_of(text: str) -> tuple[Rule, ...]:
    """What one sentence asks for; questions ask for nothing."""
    if text.rstrip(" \"'”’)*_`").endswith("?"):
        return ()
    sentence = _read(text)
    found: dict[Concept, Rule] = {}
    for frame in FRAMES:
        rule = _apply(frame, sentence, text)
        if rule and (rule.concept not in found or rule.clarity > found[rule.concept].clarity):
            found[rule.concept] = rule
    weight_rule = find_weight_rule(text)
    if weight_rule and not _places(sentence, "cancellers"):
        found[Concept.WEIGHT_CAP] = Rule(
            concept=Concept.WEIGHT_CAP,
            wanted=weight_rule.is_cap,
            explicitness=_explicitness(sentence),
            clarity=_clarity(sentence, 1.0),
            text=text,
            amount=weight_rule.limit,
        )
    return tuple(found.values())


_PART = re.compile(r"[;:—–]|\s-\s|\b(?:but|while|whereas|yet|however|although|though)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r",?\s*\b(?:and|or|so|then)\s+(?=(?:must|should|never|always|do|does|keep|avoid|leave|is|are|it|they|instead|only|not"
    r"|ask|use|write|give|make|put|may|can)\b)"
    r"|,\s*(?=(?:and|or|so|not|never|then|always|instead|which|no)\b)|(?=\b(?:rather than|instead of)\b)",
    re.IGNORECASE,
)
_ABLE = re.compile(r"\b(?:answerable|solvable)\b", re.IGNORECASE)
_GENERAL_KNOWLEDGE = re.compile(r"\bbackground knowledge\b", re.IGNORECASE)
_TOO_EASY = re.compile(r"\btoo (?:easy|simple|weak|shallow|trivial)\b|\bnot (?:hard|difficult) enough\b", re.IGNORECASE)


@lru_cache(maxsize=4_096)
def _read(text: str) -> _Sentence:
    plain = text.replace("’", "'").replace("n't", " not").replace("can not", "cannot")
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
    return _Sentence(tuple(stems), tuple(clauses), tuple(parts))


_LISTS = {
    **lexicon.SLOTS,
    "negators": lexicon.NEGATORS,
    "bad": lexicon.BAD_OUTCOMES,
    "cancellers": lexicon.CANCELLERS,
    "explicit": lexicon.EXPLICIT,
    "hedges": lexicon.HEDGES,
}


@lru_cache(maxsize=65_536)
def _places(sentence: _Sentence, name: str) -> tuple[Place, ...]:
    return find_places(sentence.stems, _LISTS[name])


def _apply(frame: Frame, sentence: _Sentence, text: str) -> Rule | None:
    if any(not _places(sentence, slot) for slot in frame.slots):
        return None
    if any(_places(sentence, slot) for slot in frame.unless):
        return None
    filled = _fill(frame, sentence)
    if filled is None or _is_called_off(sentence, filled):
        return None
    wanted = _is_negated(sentence, filled) == frame.asks_when_negated
    if not wanted and not frame.has_opposite:
        return None
    return Rule(
        concept=frame.concept,
        wanted=wanted,
        explicitness=_explicitness(sentence),
        clarity=_clarity(sentence, frame.clarity),
        text=text,
    )


WIDEST_SPAN = 26


def _fill(frame: Frame, sentence: _Sentence) -> tuple[Place, ...] | None:
    """A place for each slot, none used twice, in order when the frame asks for it, not too far apart."""
    filled: list[Place] = []
    slots = frame.slots if frame.is_ordered else sorted(frame.slots, key=lambda slot: len(_places(sentence, slot)))
    for slot in slots:
        earliest = filled[-1].last if frame.is_ordered and filled else -1
        free = [
            place
            for place in _places(sentence, slot)
            if place.first > earliest and not any(place.overlaps(other) for other in filled)
        ]
        if not free:
            return None
        filled.append(min(free, key=lambda place: _distance(place, filled)))
    span = max(place.last for place in filled) - min(place.first for place in filled)
    return tuple(filled) if span <= WIDEST_SPAN else None


def _distance(place: Place, others: Sequence[Place]) -> int:
    return min((abs(place.first - other.first) for other in others), default=place.first)


def _free_places(sentence: _Sentence, name: str, filled: Sequence[Place]) -> list[Place]:
    """Leftmost longest, none overlapping another or a filled slot."""
    free: list[Place] = []
    for place in _places(sentence, name):
        if not any(place.overlaps(other) for other in (*filled, *free)):
            free.append(place)
    return free


def _is_called_off(sentence: _Sentence, filled: Sequence[Place]) -> bool:
    last = max(place.last for place in filled)
    return any(
        place.first <= last or sentence.clauses[place.first] == sentence.clauses[last]
        for place in _places(sentence, "cancellers")
    )


_AUXILIARIES = frozenset("must should shall may can is are be do does will would might".split())
_RELATIVES = frozenset("that which who whose".split())


def _is_negated(sentence: _Sentence, filled: Sequence[Place]) -> bool:
    """An odd number of denials: those that reach the last slot, and a judgement such as "is too easy"."""
    last = max(place.last for place in filled)
    judgements = _free_places(sentence, "bad", filled)
    count = int(any(_judges(sentence, place, last) for place in judgements))
    for place in _free_places(sentence, "negators", [*filled, *judgements]):
        if sentence.clauses[place.first] == sentence.clauses[last]:
            count += place.first < last or _negates_what_precedes(sentence, place)
        else:
            count += any(place.last + 1 == other.first for other in filled)
    return count % 2 == 1


SHORT_JUDGEMENT = 5


def _judges(sentence: _Sentence, judgement: Place, last: int) -> bool:
    """In the same part of the sentence, or alone in the next one ("…: reject it")."""
    part = sentence.parts[judgement.first]
    if part == sentence.parts[last]:
        return True
    return part == sentence.parts[last] + 1 and sentence.parts.count(part) <= SHORT_JUDGEMENT


def _negates_what_precedes(sentence: _Sentence, place: Place) -> bool:
    """ "Negative weights must not be used": the negation follows its subject."""
    before = sentence.stems[max(0, place.first - 2) : place.first]
    return bool(before) and before[-1] in _AUXILIARIES and not _RELATIVES & set(before)


def _explicitness(sentence: _Sentence) -> int:
    if _places(sentence, "hedges"):
        return 1
    return 3 if _places(sentence, "explicit") else 2


_CLARITY = {3: 1.0, 2: 0.92, 1: 0.45}


def _clarity(sentence: _Sentence, of_frame: float) -> float:
    return of_frame * _CLARITY[_explicitness(sentence)]
