"""The challenger: reads the paper and its instructions, and writes one example.

It selects sentences by salience, follows rules that it recognizes in the prose around the paper (with some
probability, see `plan`), and avoids what was asked before according to the feedback. Context, question and
reference answer consist of the paper's own sentences; its negative criteria are badly worded, as those of an
unguided model are; the reply is clean JSON if the prompt asks for that, otherwise it has the usual mistakes.
It knows neither who runs it nor what was changed.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.facts import Fact, PaperReading, clause_of, key_phrase, rare_stems, read_paper
from studbook.testbed.models.feedback import Feedback, read_prompt
from studbook.testbed.models.plan import Angle, Will, WritingPlan, choose_angle, decide, make_plan
from studbook.testbed.models.recognizer import Concept, recognize
from studbook.testbed.models.request import SeededDraws, all_text, find_section, without_section
from studbook.testbed.models.sentences import Sentence

_C = Concept

NOTHING_TO_READ = "I was given no paper to write about."
SHORTEST_PAPER = 1_500


def reply(request: ChatRequest) -> str:
    paper, rest = _split(all_text(request.messages))
    if not paper:
        return NOTHING_TO_READ
    prompt, draws = read_prompt(rest), SeededDraws(request.seed)
    reading = read_paper(paper)
    if not reading.facts:
        return NOTHING_TO_READ
    will = decide(recognize(prompt.instructions), draws)
    plan = make_plan(will, prompt.feedback, draws)
    angle = choose_angle(reading, plan, will, prompt.feedback, draws)
    draft = write_text(reading, angle, plan, will, draws)
    rubric = write_rubric(draft, angle, plan, will, draws)
    return put_on_page(draft, rubric, will, prompt.feedback, draws, request.json_mode)


def _split(text: str) -> tuple[str, str]:
    """(paper, the rest): the paper is the tagged section, or else the longest paragraph if long enough."""
    paper = find_section(text, "paper")
    if paper:
        return paper, without_section(text, "paper")
    longest = max(re.split(r"\n\s*\n", text), key=len)
    return (longest, text.replace(longest, "")) if len(longest) >= SHORTEST_PAPER else ("", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleText:
    """`setting`: the sentences of the context that are not part of the answer."""

    context: str
    setting: tuple[Sentence, ...]
    question: str
    reference: str
    topic: str


def write_text(
    reading: PaperReading, angle: Angle, plan: WritingPlan, will: Will, draws: SeededDraws
) -> ExampleText:
    setting = _setting(reading, angle, plan)
    leaked = [fact for place, fact in enumerate(angle.hidden) if draws.happens(plan.leak, "leak", place)]
    told = [fact.sentence.text for fact in sorted(leaked, key=lambda fact: fact.number)]
    topic = _topic(reading)
    reference = [fact.sentence.text for fact in angle.hidden]
    return ExampleText(
        context=" ".join([*(sentence.text for sentence in setting), *told]),
        setting=setting,
        question=_question(reading, angle, plan, will, draws, topic),
        reference=" ".join(reference[:1] if will.wants(_C.SHORT_ANSWER) else reference),
        topic=topic,
    )


def _setting(reading: PaperReading, angle: Angle, plan: WritingPlan) -> tuple[Sentence, ...]:
    hidden = {fact.sentence.text for fact in angle.hidden}
    ordered = [*reading.opening, *(fact.sentence for fact in reading.facts[::-1])]
    return tuple(sentence for sentence in dict.fromkeys(ordered) if sentence.text not in hidden)[
        : plan.setting_sentences
    ]


def _topic(reading: PaperReading) -> str:
    return " ".join(reading.title.split(":")[0].split()[:7]).rstrip(".,;")


_GENERIC = (
    "Explain why the approach described here works and what makes it better than simpler alternatives.",
    "What is the main idea behind this work, and why is it effective?",
    "Explain how the approach works and which advantages it offers over the usual one.",
    "Why does the method succeed, and which trade-offs does it make?",
)
_OPENERS = (
    "In {topic}, how do {points} work together, and what follows from it?",
    "What do {points} have to do with one another in {topic}, and to what effect?",
    "Concerning {topic}: how does what is said of {points} fit together?",
)


def _question(
    reading: PaperReading, angle: Angle, plan: WritingPlan, will: Will, draws: SeededDraws, topic: str
) -> str:
    if plan.is_specific:
        points = _joined([_pointer(reading, fact, will) for fact in angle.hidden[: plan.pointers]])
        text = _shape(points, topic, will, draws)
    else:
        text = draws.pick(_GENERIC, "generic question")
    return _dress(text, reading, angle, will, topic)


def _pointer(reading: PaperReading, fact: Fact, will: Will) -> str:
    """Words that point to the fact: its rarest ones, or its most common ones for plain language."""
    rare = rare_stems(reading.index, fact.sentence)
    return key_phrase(fact.sentence, rare[::-1] if will.wants(_C.SIMPLE_LANGUAGE) else rare)


def _shape(points: str, topic: str, will: Will, draws: SeededDraws) -> str:
    if will.wants(_C.YES_NO):
        return f"Is it true that {points} work together in {topic}?"
    if will.wants(_C.DEFINITIONS):
        return f"What is meant by {points} in {topic}, and how are these terms defined?"
    if will.wants(_C.LISTS):
        return f"List what {topic} has to say about {points}, one item each?"
    if will.wants(_C.MULTI_PART):
        return f"What role do {points} play in {topic}? What follows from it? What would change without it?"
    if will.wants(_C.COMPARE):
        return f"In {topic}, how do {points} compare with earlier approaches?"
    if will.wants(_C.WHY):
        return f"In {topic}, why do {points} matter for one another?"
    return draws.pick(_OPENERS, "opener").format(topic=topic, points=points)


def _dress(text: str, reading: PaperReading, angle: Angle, will: Will, topic: str) -> str:
    if will.wants(_C.FORMAL_TONE):
        text = f"Kindly elucidate the following. {text}"
    if will.wants(_C.TITLE) and topic not in text:
        text = f"In “{reading.title}”: {text}"
    if will.wants(_C.SECTION_NAMES) and angle.hidden[0].heading:
        text = f"With regard to the section “{angle.hidden[0].heading}”: {text}"
    if will.wants(_C.HYPOTHETICAL):
        text = f"Imagine that a small company has to build a new product with its data and users. {text}"
    if will.wants(_C.HINTS):
        hints = "; ".join(" ".join(clause_of(fact.sentence.text).split()[:6]) for fact in angle.hidden[:3])
        text = f"{text.rstrip('?')} (hint: think of {hints})?"
    return text


def _joined(points: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(point for point in points if point))
    return " and ".join([", ".join(distinct[:-1]), distinct[-1]]) if len(distinct) > 1 else "".join(distinct)


HEAVIEST = 10


@dataclass(frozen=True, slots=True)
class RubricItem:
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


def write_rubric(
    draft: ExampleText, angle: Angle, plan: WritingPlan, will: Will, draws: SeededDraws
) -> list[RubricItem]:
    hidden = [fact.sentence.text for fact in angle.hidden]
    given = [sentence.text for sentence in draft.setting[: plan.given]]
    texts = [_positive(text, will, draws, place) for place, text in enumerate([*hidden, *given])]
    texts += [_GENERAL[place % len(_GENERAL)] for place in range(plan.general)]
    texts += list(_STYLE) if will.wants(_C.STYLE_CRITERIA) else []
    items = [
        RubricItem(text, _weight(will, draws, place), "insight" if place < len(hidden) else "background")
        for place, text in enumerate(texts)
    ]
    if will.wants(_C.YES_NO):
        items.insert(0, RubricItem("States Yes", min(HEAVIEST, _cap(will)), "insight"))
    return items + _negatives([*hidden, *given], plan, will, draws)


def _positive(text: str, will: Will, draws: SeededDraws, place: int) -> str:
    clause = clause_of(text)
    if will.wants(_C.ATOMIC_CRITERIA):
        clause = " ".join(clause.split()[:13]).rstrip(",;:")
    return f"{draws.pick(_VERBS, 'verb', place)} {clause}"


def _weight(will: Will, draws: SeededDraws, place: int) -> int:
    if will.wants(_C.EQUAL_WEIGHTS):
        return min(5, _cap(will))
    if will.wants(_C.HEAVY_WEIGHTS):
        return min(HEAVIEST if place < 2 else 2, _cap(will))
    return min(draws.between(1, HEAVIEST, "weight", place), _cap(will))


def _cap(will: Will) -> int:
    return will.amounts.get(_C.WEIGHT_CAP, HEAVIEST) if will.wants(_C.WEIGHT_CAP) else HEAVIEST


def _negatives(texts: list[str], plan: WritingPlan, will: Will, draws: SeededDraws) -> list[RubricItem]:
    return [
        RubricItem(
            _negative(draws.pick(texts, "negative about", place), plan, draws, place),
            -min(draws.between(1, 7, "negative weight", place), _cap(will)),
            "error",
        )
        for place in range(plan.negatives)
    ]


def _negative(text: str, plan: WritingPlan, draws: SeededDraws, place: int) -> str:
    clause = clause_of(text)
    if draws.happens(plan.precise_errors, "precise error", place):
        return f"Claims that {_deny(clause)}"
    return f"{draws.pick(_MISREADINGS, 'misreading', place)} {clause}"


_AUXILIARY = re.compile(r"\b(is|are|was|were|can|will|has|have|does|do|may|should|must)\b")


def _deny(clause: str) -> str:
    denied, count = _AUXILIARY.subn(r"\1 not", clause, count=1)
    return denied if count else f"it is not so that {clause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slips:
    """Probability of each kind of mistake."""

    talk: float  # prose or a fence around the JSON
    stray_brace: float  # the prose contains a brace
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
    draft: ExampleText,
    rubric: Sequence[RubricItem],
    will: Will,
    feedback: Feedback,
    draws: SeededDraws,
    json_mode: bool,
) -> str:
    slips = _slips(will, feedback, json_mode)
    signed = draws.happens(slips.signed, "signed weights")
    example: dict[str, Any] = {
        "question_type": "yes_no" if will.wants(_C.YES_NO) else "explanation",
        "tags": ["causal reasoning", "synthesis"],
        "context": draft.context,
        "question": draft.question,
        "reference_answer": draft.reference,
        "rubric": [_as_json(item, signed) for item in rubric],
    }
    text = json.dumps(example, ensure_ascii=False, indent=1)
    if draws.happens(slips.broken, "trailing comma"):
        text = text[: text.rindex("]")].rstrip() + ",\n ]\n}"
    return _surround(text, will, slips, draws)


def _as_json(item: RubricItem, signed: bool) -> dict[str, Any]:
    weight = f"{item.weight:+d}" if signed else item.weight
    return {"criterion": item.criterion, "weight": weight, "category": item.category}


_SCRATCHPAD = "Scratchpad: the key insights first, then where a weaker model would go wrong.\n\n"


def _surround(text: str, will: Will, slips: Slips, draws: SeededDraws) -> str:
    if draws.happens(slips.talk, "talk"):
        text = draws.pick(
            (
                f"```json\n{text}\n```",
                f"Here is the example.\n\n{text}\n\nI hope this helps.",
                f"```\n{text}\n```",
            ),
            "wrapping",
        )
    if will.wants(_C.THINK_FIRST) and slips.talk > 0.0:
        text = _SCRATCHPAD + text
    if draws.happens(slips.stray_brace, "stray brace"):
        text = f"I used the fields {{context, question, rubric}} as asked.\n{text}"
    return text
