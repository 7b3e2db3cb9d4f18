"""Which facts an example is about: an anchor and the sentences of the paper that belong to it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from studbook.llm.testbed.concepts import Concept
from studbook.llm.testbed.facts import Fact, Reading, rare_stems
from studbook.llm.testbed.feedback import Feedback
from studbook.llm.testbed.luck import Luck
from studbook.llm.testbed.plan import Plan, Will
from studbook.llm.testbed.retrieval import search

_PATTERNS: Mapping[Concept, re.Pattern[str]] = MappingProxyType(
    {
        Concept.NUMBERS: re.compile(r"\d"),
        Concept.ABLATIONS: re.compile(
            r"\b(?:ablat|without|remov|omit|disabl|instead of|when .* is not)", re.I
        ),
        Concept.WHY: re.compile(r"\b(?:because|since|due to|therefore|in order to|so that|reason)\b", re.I),
        Concept.DEFINITIONS: re.compile(
            r"\b(?:is an?|are called|is called|refers? to|defined|denotes?|known as)\b", re.I
        ),
        Concept.LIMITATIONS: re.compile(
            r"\b(?:limit|however|cannot|only|fail|difficult|drawback|not yet|lack)", re.I
        ),
        Concept.FUTURE_WORK: re.compile(r"\b(?:future|plan|will|next|extend|further|hope)\b", re.I),
        Concept.COMPARE: re.compile(
            r"\b(?:than|compar|unlike|whereas|baseline|previous|existing|contrast)", re.I
        ),
        Concept.MECHANISM: re.compile(
            r"\b(?:leads?|causes?|by \w+ing|allows?|enables?|which then|results? in)\b", re.I
        ),
        Concept.HARDER: re.compile(r"\d|\b(?:unless|although|depends?|only if)\b", re.I),
    }
)
FOCUS = 0.5
STRONGEST_ANCHORS = 2


@dataclass(frozen=True, slots=True)
class Angle:
    """`hidden`: what is asked for, the anchor first."""

    hidden: tuple[Fact, ...]


def choose_angle(reading: Reading, plan: Plan, will: Will, feedback: Feedback, luck: Luck) -> Angle:
    ranked = _ranked(reading, will)
    free = _turn_away(reading, ranked, feedback) if plan.turns_away else ranked
    pool = free if len(free) > plan.hidden else ranked
    chance = luck.uniform("anchor")
    place = 0 if plan.sure_hand else int(chance * chance * STRONGEST_ANCHORS)
    anchor = pool[min(place, len(pool) - 1)]
    return Angle((anchor, *_companions(reading, anchor, pool, plan.hidden - 1)))


def _ranked(reading: Reading, will: Will) -> list[Fact]:
    """Most attractive first: salient, and of the kind that the obeyed rules ask for."""
    wanted = [pattern for concept, pattern in _PATTERNS.items() if will.wants(concept)]
    shunned = [pattern for concept, pattern in _PATTERNS.items() if will.refuses(concept)]
    deep = FOCUS * (will.wants(Concept.DEEP_IN_PAPER) - will.refuses(Concept.DEEP_IN_PAPER))

    def attraction(fact: Fact) -> float:
        text = fact.sentence.text
        liked = sum(1 for pattern in wanted if pattern.search(text))
        disliked = sum(1 for pattern in shunned if pattern.search(text))
        return fact.salience + FOCUS * (liked - disliked) + deep * fact.place

    return sorted(reading.facts, key=lambda fact: (-attraction(fact), fact.number))


def _turn_away(reading: Reading, ranked: Sequence[Fact], feedback: Feedback) -> list[Fact]:
    """Without what earlier questions pointed to; a question that pointed to nothing costs the best anchor."""
    free = list(ranked)
    for asked in feedback.asked:
        left = [fact for fact in free if not _points_to(reading, asked, fact)]
        free = left if len(left) < len(free) else free[2:]
    return free


def _points_to(reading: Reading, asked: frozenset[str], fact: Fact) -> bool:
    return sum(item in asked for item in rare_stems(reading.index, fact.sentence)[:5]) >= 2


def _companions(reading: Reading, anchor: Fact, pool: Sequence[Fact], count: int) -> list[Fact]:
    """Facts that share the anchor's words or stand near it."""
    free = {fact.number: fact for fact in pool if fact.number != anchor.number}
    near = {hit.number: hit.score for hit in search(reading.index, dict.fromkeys(anchor.sentence.stems))}
    best = max(near.values(), default=1.0)

    def closeness(fact: Fact) -> float:
        distance = abs(fact.number - anchor.number)
        return near.get(fact.number, 0.0) / best + 0.3 * fact.salience + (0.25 if distance <= 10 else 0.0)

    return sorted(free.values(), key=lambda fact: (-closeness(fact), fact.number))[:count]
