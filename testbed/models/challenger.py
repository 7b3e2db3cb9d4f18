"""The challenger: reads the paper and its instructions, writes one example.

It takes sentences by salience, follows the rules it recognises in the prose around the paper (by chance, see
`plan.py`) and turns away from what the feedback says was asked. It knows neither who runs it nor what was
changed.

How an example is put on the page: clean JSON when told so, else with the usual slips.

The rubric of an example: positive criteria, and the negative ones that an unguided model words badly.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.concepts import Concept
from studbook.testbed.models.draft import Draft, write_draft
from studbook.testbed.models.facts import clause_of, read_paper
from studbook.testbed.models.feedback import Feedback, read_prompt
from studbook.testbed.models.luck import Luck
from studbook.testbed.models.plan import Angle, Plan, Will, choose_angle, decide, make_plan
from studbook.testbed.models.recognizer import recognise
from studbook.testbed.models.sentences import all_text, find_section, without_section

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


_C = Concept


@dataclass(frozen=True, slots=True, kw_only=True)
class Slips:
    """Chances of each kind of slip."""

    talk: float  # prose or a fence around the JSON
    stray_brace: float  # the prose holds a brace of its own
    broken: float  # a trailing comma
    signed: float  # weights written as "+8"


def _slips(will: Will, feedback: Feedback, json_mode: bool) -> Slips:
    care = 0.35 if feedback.was_unreadable else 1.0
    if will.wants(_C.STRICT_JSON):
        slips = Slips(talk=0.05, stray_brace=0.01, broken=0.02, signed=0.14 * care)
    else:
        worse = 1.5 if will.refuses(_C.STRICT_JSON) else 1.0
        slips = Slips(
            talk=0.5 * worse, stray_brace=0.12 * worse, broken=0.14 * care * worse, signed=0.18 * care
        )
    signed = {1: 0.02, 0: slips.signed, -1: 0.8}[will.signs.get(_C.INTEGER_WEIGHTS, 0)]
    if json_mode:
        return Slips(talk=0.0, stray_brace=0.0, broken=0.0, signed=signed)
    talk = max(slips.talk, 0.9) if will.wants(_C.THINK_FIRST) else slips.talk
    return Slips(talk=talk, stray_brace=slips.stray_brace, broken=slips.broken, signed=signed)


def put_on_page(
    draft: Draft, rubric: Sequence[Item], will: Will, feedback: Feedback, luck: Luck, json_mode: bool
) -> str:
    slips = _slips(will, feedback, json_mode)
    signed = luck.happens(slips.signed, "signed weights")
    example: dict[str, Any] = {
        "question_type": "yes_no" if will.wants(_C.YES_NO) else "explanation",
        "tags": ["causal reasoning", "synthesis"],
        "context": draft.context,
        "question": draft.question,
        "reference_answer": draft.reference,
        "rubric": [_item(item, signed) for item in rubric],
    }
    text = json.dumps(example, ensure_ascii=False, indent=1)
    if luck.happens(slips.broken, "trailing comma"):
        text = text[: text.rindex("]")].rstrip() + ",\n ]\n}"
    return _surround(text, will, slips, luck)


def _item(item: Item, signed: bool) -> dict[str, Any]:
    weight = f"{item.weight:+d}" if signed else item.weight
    return {"criterion": item.criterion, "weight": weight, "category": item.category}


_SCRATCHPAD = "Scratchpad: the key insights first, then where a weaker model would go wrong.\n\n"


def _surround(text: str, will: Will, slips: Slips, luck: Luck) -> str:
    if luck.happens(slips.talk, "talk"):
        text = luck.pick(
            (
                f"```json\n{text}\n```",
                f"Here is the example.\n\n{text}\n\nI hope this helps.",
                f"```\n{text}\n```",
            ),
            "wrapping",
        )
    if will.wants(_C.THINK_FIRST) and slips.talk > 0.0:
        text = _SCRATCHPAD + text
    if luck.happens(slips.stray_brace, "stray brace"):
        text = f"I used the fields {{context, question, rubric}} as asked.\n{text}"
    return text


NOTHING_TO_READ = "I was given no paper to write about."


def reply(request: ChatRequest) -> str:
    paper, rest = _split(all_text(request.messages))
    if not paper:
        return NOTHING_TO_READ
    prompt, luck = read_prompt(rest), Luck(request.seed)
    reading = read_paper(paper)
    if not reading.facts:
        return NOTHING_TO_READ
    will = decide(recognise(prompt.instructions), luck)
    plan = make_plan(will, prompt.feedback, luck)
    angle = choose_angle(reading, plan, will, prompt.feedback, luck)
    draft = write_draft(reading, angle, plan, will, luck)
    rubric = write_rubric(draft, angle, plan, will, luck)
    return put_on_page(draft, rubric, will, prompt.feedback, luck, request.json_mode)


SHORTEST_PAPER = 1_500


def _split(text: str) -> tuple[str, str]:
    """(paper, the rest): what is tagged as the paper, else the longest paragraph if it is long enough."""
    paper = find_section(text, "paper")
    if paper:
        return paper, without_section(text, "paper")
    longest = max(re.split(r"\n\s*\n", text), key=len)
    return (longest, text.replace(longest, "")) if len(longest) >= SHORTEST_PAPER else ("", text)
