"""What the challenger sets out to write: its own habits, bent by the rules it obeys and by what has failed.

Habits are the vices of an unguided model. A rule only changes a choice about the *text*; nothing here touches
scores. Every choice has one draw under its own label, so a rule that changes one leaves the others alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studbook.llm.testbed.concepts import Concept
from studbook.llm.testbed.feedback import Feedback
from studbook.llm.testbed.luck import Luck
from studbook.llm.testbed.recogniser import Rule

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


def decide(rules: Sequence[Rule], luck: Luck) -> Will:
    """Each rule is obeyed by chance: the clearer the likelier, a little less so the more rules there are."""
    crowd = 1.0 / (1.0 + CROWDING * max(0, len(rules) - EASILY_FOLLOWED))
    obeyed = [
        rule for rule in rules if luck.happens(OBEDIENCE * rule.clarity * crowd, f"obey {rule.concept.value}")
    ]
    return Will(
        signs={rule.concept: 1 if rule.wanted else -1 for rule in obeyed},
        amounts={rule.concept: rule.amount for rule in obeyed if rule.amount is not None},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    is_specific: bool
    leak: float  # chance that a fact of the answer is told in the context
    setting_sentences: int
    hidden: int  # facts asked for
    given: int  # criteria about what the context says
    general: int  # criteria that common knowledge meets
    pointers: int  # hidden facts that the question points to
    negatives: int
    precise_errors: float
    turns_away: bool  # leaves the facts of earlier questions alone
    sure_hand: bool  # takes the best anchor rather than one of the best


def make_plan(will: Will, feedback: Feedback, luck: Luck) -> Plan:
    specific = will.choose(_C.PAPER_SPECIFIC, obeyed=0.92, habit=0.28, opposite=0.04)
    specific += 0.12 * feedback.too_easy + 0.10 * feedback.strong_failed
    is_specific = luck.happens(specific, "specific question")
    return Plan(
        is_specific=is_specific,
        leak=_leak(will, feedback),
        setting_sentences=_setting(will),
        hidden=max(2, _hidden(will, luck) - (0 if is_specific else 2)),
        given=max(0, 3 - 2 * will.wants(_C.BEYOND_CONTEXT) + will.wants(_C.EASIER)),
        general=_general(is_specific, will),
        pointers=_pointers(will, feedback, luck),
        negatives=_negatives(will, luck),
        precise_errors=will.choose(_C.PRECISE_ERRORS, obeyed=0.94, habit=0.66, opposite=0.2),
        turns_away=luck.happens(will.choose(_C.NEW_ANGLE, obeyed=1.0, habit=0.5, opposite=0.1), "turn away"),
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


def _hidden(will: Will, luck: Luck) -> int:
    count = 5 + luck.between(0, 1, "hidden facts")
    if will.wants(_C.MORE_CRITERIA):
        count = min(9, max(count + 3, will.amounts.get(_C.MORE_CRITERIA, 0) - 3))
    if will.wants(_C.FEWER_CRITERIA):
        count = max(2, min(count - 2, will.amounts.get(_C.FEWER_CRITERIA, 9) - 3))
    return count - 2 * will.wants(_C.SHORT_ANSWER) + will.wants(_C.HARDER)


def _general(is_specific: bool, will: Will) -> int:
    return (1 if is_specific else 4) + 2 * will.wants(_C.BROAD_CRITERIA)


def _pointers(will: Will, feedback: Feedback, luck: Luck) -> int:
    count = 2 + luck.between(0, 2, "pointers") + min(2, feedback.strong_failed)
    count += will.wants(_C.HINTS) + will.wants(_C.EASIER) + will.wants(_C.MULTI_PART) - will.wants(_C.HARDER)
    return max(1, count - 2 * will.wants(_C.YES_NO) - will.wants(_C.DEFINITIONS))


def _negatives(will: Will, luck: Luck) -> int:
    if will.wants(_C.POSITIVE_ONLY):
        return 0
    return (
        luck.between(3, 5, "negatives") if will.refuses(_C.POSITIVE_ONLY) else luck.between(2, 4, "negatives")
    )
