"""How an example is put on the page: clean JSON when told so, else with the usual slips."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studbook.llm.testbed.concepts import Concept
from studbook.llm.testbed.draft import Draft
from studbook.llm.testbed.feedback import Feedback
from studbook.llm.testbed.luck import Luck
from studbook.llm.testbed.plan import Will
from studbook.llm.testbed.rubrics import Item

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
