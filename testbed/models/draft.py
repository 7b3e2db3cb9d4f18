"""The text of an example: context, question, reference answer, out of the paper's own sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

from studbook.testbed.models.concepts import Concept
from studbook.testbed.models.facts import Fact, Reading, clause_of, key_phrase, rare_stems
from studbook.testbed.models.luck import Luck
from studbook.testbed.models.plan import Angle, Plan, Will
from studbook.testbed.models.sentences import Sentence

_C = Concept


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`setting`: the sentences of the context that are not part of the answer."""

    context: str
    setting: tuple[Sentence, ...]
    question: str
    reference: str
    topic: str


def write_draft(reading: Reading, angle: Angle, plan: Plan, will: Will, luck: Luck) -> Draft:
    setting = _setting(reading, angle, plan)
    leaked = [fact for place, fact in enumerate(angle.hidden) if luck.happens(plan.leak, "leak", place)]
    told = [fact.sentence.text for fact in sorted(leaked, key=lambda fact: fact.number)]
    topic = _topic(reading)
    reference = [fact.sentence.text for fact in angle.hidden]
    return Draft(
        context=" ".join([*(sentence.text for sentence in setting), *told]),
        setting=setting,
        question=_question(reading, angle, plan, will, luck, topic),
        reference=" ".join(reference[:1] if will.wants(_C.SHORT_ANSWER) else reference),
        topic=topic,
    )


def _setting(reading: Reading, angle: Angle, plan: Plan) -> tuple[Sentence, ...]:
    hidden = {fact.sentence.text for fact in angle.hidden}
    ordered = [*reading.opening, *(fact.sentence for fact in reading.facts[::-1])]
    return tuple(sentence for sentence in dict.fromkeys(ordered) if sentence.text not in hidden)[
        : plan.setting_sentences
    ]


def _topic(reading: Reading) -> str:
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


def _question(reading: Reading, angle: Angle, plan: Plan, will: Will, luck: Luck, topic: str) -> str:
    if plan.is_specific:
        points = _join([_pointer(reading, fact, will) for fact in angle.hidden[: plan.pointers]])
        text = _shape(points, topic, will, luck)
    else:
        text = luck.pick(_GENERIC, "generic question")
    return _dress(text, reading, angle, will, topic)


def _pointer(reading: Reading, fact: Fact, will: Will) -> str:
    """Words that lead to the fact. Plain language points with its commonest words instead of its rarest."""
    rare = rare_stems(reading.index, fact.sentence)
    return key_phrase(fact.sentence, rare[::-1] if will.wants(_C.SIMPLE_LANGUAGE) else rare)


def _shape(points: str, topic: str, will: Will, luck: Luck) -> str:
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
    return luck.pick(_OPENERS, "opener").format(topic=topic, points=points)


def _dress(text: str, reading: Reading, angle: Angle, will: Will, topic: str) -> str:
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


def _join(points: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(point for point in points if point))
    return " and ".join([", ".join(distinct[:-1]), distinct[-1]]) if len(distinct) > 1 else "".join(distinct)
