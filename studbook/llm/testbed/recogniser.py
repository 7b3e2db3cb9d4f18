"""Reading instructions by meaning: prose in, rules out.

Works sentence by sentence, so that where a sentence stands, and in which file, does not matter. Handles
negation, double negation, prohibitions said as judgements ("… is too easy"), permissions, hedges, and rules
that are called off ("it is not necessary to"). It is a set of word combinations, not a language model: an
unusual enough paraphrase passes it by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.llm.testbed.concepts import Concept
from studbook.llm.testbed.denial import is_called_off, is_negated
from studbook.llm.testbed.frames import FRAMES, Frame
from studbook.llm.testbed.instructions import split_instructions
from studbook.llm.testbed.phrases import Place
from studbook.llm.testbed.quantities import find_count
from studbook.llm.testbed.syntax import Syntax, read_syntax
from studbook.llm.testbed.weight_rules import find_weight_rule


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


_Strength = tuple[float, int, int]
"""Of two readings the clearer counts, then the one in fewest clauses, then the fuller."""


@lru_cache(maxsize=16_384)
def rules_of(text: str) -> tuple[Rule, ...]:
    """What one sentence asks for; questions ask for nothing."""
    if text.rstrip(" \"'”’)*_`").endswith("?"):
        return ()
    sentence = read_syntax(text)
    found: dict[Concept, Rule] = {}
    strength: dict[Concept, _Strength] = {}
    for frame in FRAMES:
        filled = _fill(frame, sentence)
        rule = _apply(frame, sentence, filled, text)
        if rule is None:
            continue
        this = (rule.clarity, -len({sentence.clauses[place.last] for place in filled}), len(frame.slots))
        if rule.concept not in found or this > strength[rule.concept]:
            found[rule.concept], strength[rule.concept] = rule, this
    cap = _find_cap(sentence, text)
    if cap:
        found[Concept.WEIGHT_CAP] = cap
    return tuple(found.values())


def _find_cap(sentence: Syntax, text: str) -> Rule | None:
    weight_rule = find_weight_rule(text, is_judged=bool(sentence.places("bad")))
    if weight_rule is None or sentence.places("cancellers"):
        return None
    return Rule(
        concept=Concept.WEIGHT_CAP,
        wanted=weight_rule.is_cap,
        explicitness=_explicitness(sentence),
        clarity=_clarity(sentence, 1.0),
        text=text,
        amount=weight_rule.limit,
    )


def _apply(frame: Frame, sentence: Syntax, filled: Sequence[Place], text: str) -> Rule | None:
    if not filled or is_called_off(sentence, filled):
        return None
    wanted = is_negated(sentence, filled) == frame.asks_when_negated
    if not wanted and not frame.has_opposite:
        return None
    return Rule(
        concept=frame.concept,
        wanted=wanted,
        explicitness=_explicitness(sentence),
        clarity=_clarity(sentence, frame.clarity),
        text=text,
        amount=_amount(frame.concept, text),
    )


def _amount(concept: Concept, text: str) -> int | None:
    """How many criteria a sentence about their number asks for."""
    if concept not in (Concept.MORE_CRITERIA, Concept.FEWER_CRITERIA):
        return None
    count = find_count(text, r"criteri(?:a|on)\b")
    return count.low if count else None


WIDEST_SPAN = 26


def _fill(frame: Frame, sentence: Syntax) -> tuple[Place, ...]:
    """A place for each slot, none used twice, in the frame's order if it has one, near enough; else ()."""
    if any(not sentence.places(slot) for slot in frame.slots):
        return ()
    if any(sentence.places(slot) for slot in frame.unless):
        return ()
    filled: list[Place] = []
    slots = (
        frame.slots if frame.is_ordered else sorted(frame.slots, key=lambda slot: len(sentence.places(slot)))
    )
    for slot in slots:
        earliest = filled[-1].last if frame.is_ordered and filled else -1
        free = [
            place
            for place in sentence.places(slot)
            if place.first > earliest and not any(place.overlaps(other) for other in filled)
        ]
        if not free:
            return ()
        filled.append(min(free, key=lambda place: _distance(sentence, place, filled)))
    span = max(place.last for place in filled) - min(place.first for place in filled)
    return tuple(filled) if span <= WIDEST_SPAN else ()


def _distance(sentence: Syntax, place: Place, others: Sequence[Place]) -> tuple[bool, int]:
    """What stands in the same part of the sentence is nearer than what stands in another."""
    part = sentence.parts[place.first]
    return min(
        ((part != sentence.parts[other.first], abs(place.first - other.first)) for other in others),
        default=(False, place.first),
    )


def _explicitness(sentence: Syntax) -> int:
    if sentence.places("hedges"):
        return 1
    return 3 if sentence.places("explicit") else 2


_CLARITY = {3: 1.0, 2: 0.92, 1: 0.45}


def _clarity(sentence: Syntax, of_frame: float) -> float:
    return of_frame * _CLARITY[_explicitness(sentence)]
