"""What the challenger plans to write: its habits, modified by the rules it obeys and by earlier failures.

Habits are the flaws of an unguided model. A rule only changes a choice about the *text*; nothing here affects
scores. Every choice has one draw with its own label, so a rule that changes one leaves the others unchanged.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from studbook.testbed.models.facts import Fact, PaperReading, rare_stems
from studbook.testbed.models.feedback import Feedback
from studbook.testbed.models.recognizer import Concept, Rule
from studbook.testbed.models.request import SeededDraws
from studbook.testbed.models.sentences import search

OBEDIENCE = 0.63
CROWDING = 0.008
EASILY_FOLLOWED = 10
_C = Concept


@dataclass(frozen=True, slots=True)
class Will:
    """The rules obeyed in this call: 1 obeyed, -1 the opposite obeyed, absent not followed."""

    signs: Mapping[Concept, int]
    amounts: Mapping[Concept, int]

    def wants(self, concept: Concept) -> bool:
        return self.signs.get(concept, 0) > 0

    def refuses(self, concept: Concept) -> bool:
        return self.signs.get(concept, 0) < 0

    def choose(self, concept: Concept, *, obeyed: float, habit: float, opposite: float) -> float:
        return {1: obeyed, 0: habit, -1: opposite}[self.signs.get(concept, 0)]


def decide(rules: Sequence[Rule], draws: SeededDraws) -> Will:
    """Obeys each rule with a probability that rises with its clarity and falls with the number of rules."""
    crowd = 1.0 / (1.0 + CROWDING * max(0, len(rules) - EASILY_FOLLOWED))
    obeyed = [
        rule
        for rule in rules
        if draws.happens(OBEDIENCE * rule.clarity * crowd, f"obey {rule.concept.value}")
    ]
    return Will(
        signs={rule.concept: 1 if rule.wanted else -1 for rule in obeyed},
        amounts={rule.concept: rule.amount for rule in obeyed if rule.amount is not None},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingPlan:
    is_specific: bool
    leak: float  # probability that the context states a fact of the answer
    setting_sentences: int
    hidden: int  # facts asked for
    given: int  # criteria about what the context says
    general: int  # criteria that common knowledge satisfies
    pointers: int  # hidden facts that the question points to
    negatives: int
    precise_errors: float
    turns_away: bool  # avoids the facts of earlier questions
    sure_hand: bool  # takes the best anchor instead of one of the best


def make_plan(will: Will, feedback: Feedback, draws: SeededDraws) -> WritingPlan:
    specific = will.choose(_C.PAPER_SPECIFIC, obeyed=0.92, habit=0.28, opposite=0.04)
    specific += 0.12 * feedback.too_easy + 0.10 * feedback.strong_failed
    is_specific = draws.happens(specific, "specific question")
    return WritingPlan(
        is_specific=is_specific,
        leak=_leak(will, feedback),
        setting_sentences=_setting(will),
        hidden=max(2, _hidden(will, draws) - (0 if is_specific else 2)),
        given=max(0, 3 - 2 * will.wants(_C.BEYOND_CONTEXT) + will.wants(_C.EASIER)),
        general=_general(is_specific, will),
        pointers=_pointers(will, feedback, draws),
        negatives=_negatives(will, draws),
        precise_errors=will.choose(_C.PRECISE_ERRORS, obeyed=0.94, habit=0.66, opposite=0.2),
        turns_away=draws.happens(will.choose(_C.NEW_ANGLE, obeyed=1.0, habit=0.5, opposite=0.1), "turn away"),
        sure_hand=will.wants(_C.THINK_FIRST),
    )


def _leak(will: Will, feedback: Feedback) -> float:
    leak = will.choose(_C.NO_LEAK, obeyed=0.05, habit=0.55, opposite=0.92)
    leak *= 0.75**feedback.too_easy * (0.7 if feedback.leaked else 1.0)
    return min(0.95, leak + 0.12 * will.wants(_C.EASIER) - 0.1 * will.wants(_C.HARDER))


def _setting(will: Will) -> int:
    size = 4 + 4 * will.wants(_C.LONG_CONTEXT) - 3 * will.wants(_C.SHORT_CONTEXT)
    size += 4 * will.wants(_C.ABSTRACT) - will.refuses(_C.LONG_CONTEXT) + 2 * will.refuses(_C.SHORT_CONTEXT)
    return max(1, size)


def _hidden(will: Will, draws: SeededDraws) -> int:
    count = 5 + draws.between(0, 1, "hidden facts")
    if will.wants(_C.MORE_CRITERIA):
        count = min(9, max(count + 3, will.amounts.get(_C.MORE_CRITERIA, 0) - 3))
    if will.wants(_C.FEWER_CRITERIA):
        count = max(2, min(count - 2, will.amounts.get(_C.FEWER_CRITERIA, 9) - 3))
    return count - 2 * will.wants(_C.SHORT_ANSWER) + will.wants(_C.HARDER)


def _general(is_specific: bool, will: Will) -> int:
    return (1 if is_specific else 4) + 2 * will.wants(_C.BROAD_CRITERIA)


def _pointers(will: Will, feedback: Feedback, draws: SeededDraws) -> int:
    count = 2 + draws.between(0, 2, "pointers") + min(2, feedback.strong_failed)
    count += will.wants(_C.HINTS) + will.wants(_C.EASIER) + will.wants(_C.MULTI_PART) - will.wants(_C.HARDER)
    return max(1, count - 2 * will.wants(_C.YES_NO) - will.wants(_C.DEFINITIONS))


def _negatives(will: Will, draws: SeededDraws) -> int:
    if will.wants(_C.POSITIVE_ONLY):
        return 0
    return (
        draws.between(3, 5, "negatives")
        if will.refuses(_C.POSITIVE_ONLY)
        else draws.between(2, 4, "negatives")
    )


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


def choose_angle(
    reading: PaperReading, plan: WritingPlan, will: Will, feedback: Feedback, draws: SeededDraws
) -> Angle:
    ranked = _ranked(reading, will)
    free = _turn_away(reading, ranked, feedback) if plan.turns_away else ranked
    pool = free if len(free) > plan.hidden else ranked
    chance = draws.uniform("anchor")
    place = 0 if plan.sure_hand else int(chance * chance * STRONGEST_ANCHORS)
    anchor = pool[min(place, len(pool) - 1)]
    return Angle((anchor, *_companions(reading, anchor, pool, plan.hidden - 1)))


def _ranked(reading: PaperReading, will: Will) -> list[Fact]:
    """Best facts first: salient, and of the kind that the obeyed rules ask for."""
    wanted = [pattern for concept, pattern in _PATTERNS.items() if will.wants(concept)]
    shunned = [pattern for concept, pattern in _PATTERNS.items() if will.refuses(concept)]
    deep = FOCUS * (will.wants(Concept.DEEP_IN_PAPER) - will.refuses(Concept.DEEP_IN_PAPER))

    def attraction(fact: Fact) -> float:
        text = fact.sentence.text
        liked = sum(1 for pattern in wanted if pattern.search(text))
        disliked = sum(1 for pattern in shunned if pattern.search(text))
        return fact.salience + FOCUS * (liked - disliked) + deep * fact.place

    return sorted(reading.facts, key=lambda fact: (-attraction(fact), fact.number))


def _turn_away(reading: PaperReading, ranked: Sequence[Fact], feedback: Feedback) -> list[Fact]:
    """Drops facts of earlier questions; a question that matches no fact removes the best anchor."""
    free = list(ranked)
    for asked in feedback.asked:
        left = [fact for fact in free if not _points_to(reading, asked, fact)]
        free = left if len(left) < len(free) else free[2:]
    return free


def _points_to(reading: PaperReading, asked: frozenset[str], fact: Fact) -> bool:
    return sum(item in asked for item in rare_stems(reading.index, fact.sentence)[:5]) >= 2


def _companions(reading: PaperReading, anchor: Fact, pool: Sequence[Fact], count: int) -> list[Fact]:
    """Facts that share words with the anchor or are near it."""
    free = {fact.number: fact for fact in pool if fact.number != anchor.number}
    near = {hit.number: hit.score for hit in search(reading.index, dict.fromkeys(anchor.sentence.stems))}
    best = max(near.values(), default=1.0)

    def closeness(fact: Fact) -> float:
        distance = abs(fact.number - anchor.number)
        return near.get(fact.number, 0.0) / best + 0.3 * fact.salience + (0.25 if distance <= 10 else 0.0)

    return sorted(free.values(), key=lambda fact: (-closeness(fact), fact.number))[:count]
