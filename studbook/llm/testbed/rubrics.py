"""The rubric of an example: positive criteria, and the negative ones that an unguided model words badly."""

import re
from dataclasses import dataclass

from studbook.llm.testbed.angle import Angle
from studbook.llm.testbed.concepts import Concept
from studbook.llm.testbed.draft import Draft
from studbook.llm.testbed.facts import clause_of
from studbook.llm.testbed.luck import Luck
from studbook.llm.testbed.plan import Plan, Will

_C = Concept
HEAVIEST = 10


@dataclass(frozen=True, slots=True)
class Item:
    criterion: str
    weight: int
    category: str


_GENERAL = (
    "Explains that the approach improves performance at the cost of extra effort",
    "Says that it depends on the data and the assumptions",
    "Notes that a simple method is easier to understand but less accurate",
    "States that structure in the problem is used",
)
_STYLE = (
    "Is well organised, fluent and free of spelling errors",
    "Uses a clear and professional tone throughout",
)
_VERBS = ("States that", "Explains that", "Says that")
_MISREADINGS = ("Fails to see that", "Confuses the point that", "Overlooks that", "Misunderstands that")


def write_rubric(draft: Draft, angle: Angle, plan: Plan, will: Will, luck: Luck) -> list[Item]:
    hidden = [fact.sentence.text for fact in angle.hidden]
    given = [sentence.text for sentence in draft.setting[: plan.given]]
    texts = [_positive(text, will, luck, place) for place, text in enumerate([*hidden, *given])]
    texts += [_GENERAL[place % len(_GENERAL)] for place in range(plan.general)]
    texts += list(_STYLE) if will.wants(_C.STYLE_CRITERIA) else []
    items = [
        Item(text, _weight(will, luck, place), "insight" if place < len(hidden) else "background")
        for place, text in enumerate(texts)
    ]
    if will.wants(_C.YES_NO):
        items.insert(0, Item("States Yes", min(HEAVIEST, _cap(will)), "insight"))
    return items + _negatives([*hidden, *given], plan, will, luck)


def _positive(text: str, will: Will, luck: Luck, place: int) -> str:
    clause = clause_of(text)
    if will.wants(_C.ATOMIC_CRITERIA):
        clause = " ".join(clause.split()[:13]).rstrip(",;:")
    return f"{luck.pick(_VERBS, 'verb', place)} {clause}"


def _weight(will: Will, luck: Luck, place: int) -> int:
    if will.wants(_C.EQUAL_WEIGHTS):
        return min(5, _cap(will))
    if will.wants(_C.HEAVY_WEIGHTS):
        return min(HEAVIEST if place < 2 else 2, _cap(will))
    return min(luck.between(1, HEAVIEST, "weight", place), _cap(will))


def _cap(will: Will) -> int:
    return will.amounts.get(_C.WEIGHT_CAP, HEAVIEST) if will.wants(_C.WEIGHT_CAP) else HEAVIEST


def _negatives(texts: list[str], plan: Plan, will: Will, luck: Luck) -> list[Item]:
    return [
        Item(
            _negative(luck.pick(texts, "negative about", place), plan, luck, place),
            -min(luck.between(1, 7, "negative weight", place), _cap(will)),
            "error",
        )
        for place in range(plan.negatives)
    ]


def _negative(text: str, plan: Plan, luck: Luck, place: int) -> str:
    clause = clause_of(text)
    if luck.happens(plan.precise_errors, "precise error", place):
        return f"Claims that {_deny(clause)}"
    return f"{luck.pick(_MISREADINGS, 'misreading', place)} {clause}"


_VERB = re.compile(r"\b(is|are|was|were|can|will|has|have|does|do|may|should|must)\b")


def _deny(clause: str) -> str:
    denied, count = _VERB.subn(r"\1 not", clause, count=1)
    return denied if count else f"it is not so that {clause}"
