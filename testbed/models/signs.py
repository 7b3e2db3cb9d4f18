"""Parses trajectories out of the analyzer's prompt and counts the signs of failure in them.

Parsing is deliberately tolerant: harnesses and models wrote the texts, so anything may be missing or cut, and
unreadable parts are not counted. Each sign keeps real quotes with their place. Independent of the testbed's
judge and solvers: the analyzer must infer from the outside what they did, as an analyst would, and may be
wrong. It shares only their definition of a word. Ranks nothing and knows no remedy.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studbook.llm.json_reader import find_objects
from studbook.testbed.models.words import covered_by, likeness

_TRAJECTORY = re.compile(r"<trajectory\b([^>]*)>(.*?)(?=</trajectory>|<trajectory\b|\Z)", re.DOTALL)
_ATTRIBUTE = re.compile(r'([a-z_]+)="([^"]*)"')
_HEADING = re.compile(
    r"^#{2,4} +((?:round|challenger|verifier|orchestrator|example|report|weak answer|strong answer|"
    r"final verifier|judge|box|outcome|result)\b.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD = re.compile(r"^(status|category|reason|weak|strong|gap):\s*(.*)$", re.MULTILINE)
_NOTES = re.compile(r"^(?:log|refused|finish reason): ", re.MULTILINE)
_MARK = re.compile(r"(\d+)\s*=\s*(not met|met)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectorySection:
    """One headed part of a trajectory; `round_number` is 0 before the first round."""

    round_number: int
    heading: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAnswer:
    solver: str  # weak | strong
    text: str
    marks: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRound:
    number: int
    example: dict[str, Any] | None
    status: str
    category: str
    reason: str
    weak_average: float | None
    strong_average: float | None
    answers: tuple[ReadAnswer, ...]

    def text(self, key: str) -> str:
        value = (self.example or {}).get(key)
        return value if isinstance(value, str) else ""

    @property
    def rubric(self) -> list[dict[str, Any]]:
        items = (self.example or {}).get("rubric")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTrajectory:
    number: str
    verdict: str
    text: str
    rounds: tuple[ReadRound, ...]
    challenger_replies: tuple[str, ...]
    verifier_replies: tuple[str, ...]
    box_lines: tuple[str, ...]


def read_json(text: str) -> dict[str, Any] | None:
    """The largest object in it, read as leniently as a harness's kit does."""
    return max(find_objects(text), key=lambda found: len(json.dumps(found)), default=None)


def tagged(text: str, tag: str) -> str:
    """The text between <tag> and its last end tag; "" when the tag is missing."""
    found = re.search(rf"<{tag}>(.*)</{tag}>", text, re.DOTALL)
    return found.group(1).strip() if found else ""


def read_trajectories(prompt: str) -> tuple[ReadTrajectory, ...]:
    return tuple(
        _trajectory(dict(_ATTRIBUTE.findall(attributes)), body)
        for attributes, body in _TRAJECTORY.findall(prompt)
    )


def _trajectory(attributes: dict[str, str], body: str) -> ReadTrajectory:
    sections = _sections(body)
    numbers = sorted({section.round_number for section in sections if section.round_number})
    return ReadTrajectory(
        number=attributes.get("number", "?"),
        verdict=attributes.get("verdict", "unknown"),
        text=body,
        rounds=tuple(
            _round(number, [section for section in sections if section.round_number == number])
            for number in numbers
        ),
        challenger_replies=_replies(sections, "challenger"),
        verifier_replies=_replies(sections, "verifier"),
        box_lines=tuple(
            line
            for section in sections
            if section.heading.startswith("box")
            for line in section.body.splitlines()
            if line.strip()
        ),
    )


def _sections(body: str) -> list[TrajectorySection]:
    found = list(_HEADING.finditer(body))
    ends = [match.start() for match in found[1:]] + [len(body)]
    sections, round_number = [], 0
    for match, end in zip(found, ends, strict=True):
        heading = match.group(1).strip().lower()
        if heading.startswith("round"):
            number = _NUMBER.search(heading)
            round_number = int(number.group().split(".")[0]) if number else round_number + 1
        sections.append(
            TrajectorySection(
                round_number=round_number, heading=heading, body=body[match.end() : end].strip("\n")
            )
        )
    return sections


def _replies(sections: list[TrajectorySection], role: str) -> tuple[str, ...]:
    """The role's replies, without the harness's own notes after them."""
    return tuple(
        _NOTES.split(section.body, maxsplit=1)[0].rstrip()
        for section in sections
        if section.heading.startswith(role)
        and "prompt" not in section.heading
        and "message" not in section.heading
    )


def _round(number: int, sections: list[TrajectorySection]) -> ReadRound:
    bodies = {section.heading.split()[0]: section.body for section in sections}
    reports = "\n".join(section.body for section in sections if section.heading.startswith("report"))
    fields = dict(_FIELD.findall(reports))  # of repeated fields, the last report of the round counts
    return ReadRound(
        number=number,
        example=read_json(bodies.get("example", "")),
        status=fields.get("status", ""),
        category=fields.get("category", "").strip(),
        reason=fields.get("reason", ""),
        weak_average=_average(fields.get("weak", "")),
        strong_average=_average(fields.get("strong", "")),
        answers=_answers(sections),
    )


def _average(field: str) -> float | None:
    found = re.search(r"average\s+(\d+(?:\.\d+)?)", field)
    return float(found.group(1)) if found else None


def _answers(sections: list[TrajectorySection]) -> tuple[ReadAnswer, ...]:
    """An answer that is repeated in a later report, with the strong answers, counts once."""
    latest = {section.heading: section for section in sections if " answer" in section.heading}
    return tuple(_answer(section) for section in latest.values())


def _answer(section: TrajectorySection) -> ReadAnswer:
    marks = {int(number): word == "met" for number, word in _MARK.findall(section.body)}
    return ReadAnswer(
        solver=section.heading.split()[0],
        text=re.split(r"^marks:", section.body, maxsplit=1, flags=re.MULTILINE)[0].strip(),
        marks=tuple(marks.get(number, False) for number in range(1, max(marks, default=0) + 1)),
    )


_GENERIC_OPENING = re.compile(
    r"\s*(explain (why|how|what|the)|describe|discuss|summari[sz]e|why (is|are|does|do|might) |"
    r"what (is|are) (the )?(main|key|primary|general)|what (is|are|does|do) |how (does|do|is|are) )",
    re.IGNORECASE,
)
_SPECIFIC = re.compile(r"\d|\b[A-Z]{2,}\b|\b[A-Za-z]+-[A-Za-z]+\b|(?<=[a-z,] )[A-Z][a-z]+")


def sounds_generic(question: str) -> bool:
    """Does it have an opening that fits any paper, and nothing specific to one paper in the rest?"""
    if not _GENERIC_OPENING.match(question):
        return False
    return len(_SPECIFIC.findall(question)) < 2


def shorten(text: str, limit: int = 160) -> str:
    """One line of at most `limit` characters, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    return line[:limit].rsplit(" ", 1)[0] + " …"


_QUOTED_WEIGHT = re.compile(r'"weight"\s*:\s*"([^"]{0,12})"')
_REFUSED = re.compile(r'"pass"\s*:\s*false', re.IGNORECASE)

LEAK_SHARE = 0.5
"""Share of the reference answer's words in the context above which the answer counts as given away."""

GIVEN_SHARE = 0.6
"""Share of a criterion's words in the context above which a weak solver could copy it."""

REPEAT_SHARE = 0.5
"""Similarity of two questions on one paper above which the second counts as a rewording."""

MOST_QUOTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    text: str
    place: str


@dataclass(slots=True, kw_only=True)
class Signs:
    """Filled once by `read_signs`; quotes are grouped by the name of the sign they show."""

    trajectories: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    replies: int = 0
    unreadable: int = 0
    quoted_weights: int = 0
    verifier_replies: int = 0
    own_refusals: int = 0
    questions: int = 0
    generic: int = 0
    repeated: int = 0
    leaks: int = 0
    weak_met: int = 0
    weak_met_in_context: int = 0
    criteria: int = 0
    negatives: int = 0
    heavy: int = 0
    strong_negative_marks: int = 0
    misfires: int = 0
    ran_out: int = 0
    crashed: int = 0
    context_words: int = 0
    weak_averages: list[float] = field(default_factory=list)
    strong_averages: list[float] = field(default_factory=list)
    quotes: dict[str, list[Quote]] = field(default_factory=dict)

    def quote(self, sign: str, text: str, place: str) -> None:
        kept = self.quotes.setdefault(sign, [])
        line = shorten(text)
        if line and len(kept) < MOST_QUOTES and all(quote.text != line for quote in kept):
            kept.append(Quote(text=line, place=place))

    @property
    def weak_average(self) -> float:
        """Mean over the reported rounds; 0 when there are none."""
        return sum(self.weak_averages) / max(1, len(self.weak_averages))

    @property
    def strong_average(self) -> float:
        return sum(self.strong_averages) / max(1, len(self.strong_averages))

    @property
    def failed_rounds(self) -> int:
        return sum(self.categories.values())

    def share(self, part: int, whole: int) -> float:
        return part / whole if whole else 0.0


def read_signs(trajectories: tuple[ReadTrajectory, ...]) -> Signs:
    signs = Signs(trajectories=len(trajectories))
    most_rounds = max((len(trajectory.rounds) for trajectory in trajectories), default=0)
    for trajectory in trajectories:
        _count_ending(signs, trajectory, most_rounds)
        _count_replies(signs, trajectory)
        _count_questions(signs, trajectory)
        for number, example_round in enumerate(trajectory.rounds, 1):
            place = f"trajectory {trajectory.number}, round {example_round.number or number}"
            _count_report(signs, example_round, place)
            _count_leak(signs, example_round, place)
            _count_rubric(signs, example_round, place)
    return signs


def _count_ending(signs: Signs, trajectory: ReadTrajectory, most_rounds: int) -> None:
    signs.verdicts[trajectory.verdict] += 1
    if trajectory.verdict in ("crashed", "timed_out", "out_of_limits", "protocol_error"):
        signs.crashed += 1
        for line in trajectory.box_lines[-2:]:
            signs.quote("crash", line, f"trajectory {trajectory.number}, box")
    if trajectory.verdict == "not_accepted" and len(trajectory.rounds) == most_rounds > 1:
        last = trajectory.rounds[-1]
        signs.ran_out += 1
        signs.quote("rounds", last.reason or last.category, f"trajectory {trajectory.number}, last round")


def _count_replies(signs: Signs, trajectory: ReadTrajectory) -> None:
    for number, reply in enumerate(trajectory.challenger_replies, 1):
        place = f"trajectory {trajectory.number}, challenger reply {number}"
        signs.replies += 1
        found = _QUOTED_WEIGHT.search(reply)
        if found:
            signs.quoted_weights += 1
            signs.quote("form", found.group(), place)
        if read_json(reply) is None:
            signs.unreadable += 1
            signs.quote("form", reply.strip()[-110:], place)
    for number, reply in enumerate(trajectory.verifier_replies, 1):
        signs.verifier_replies += 1
        if _REFUSED.search(reply):
            signs.own_refusals += 1
            signs.quote("verifier", reply, f"trajectory {trajectory.number}, verifier reply {number}")


def _count_questions(signs: Signs, trajectory: ReadTrajectory) -> None:
    earlier: list[str] = []
    for number, example_round in enumerate(trajectory.rounds, 1):
        question = example_round.text("question")
        if not question:
            continue
        place = f"trajectory {trajectory.number}, round {example_round.number or number}"
        signs.questions += 1
        if sounds_generic(question):
            signs.generic += 1
            signs.quote("generic", question, place)
        if any(likeness(question, other) >= REPEAT_SHARE for other in earlier):
            signs.repeated += 1
            signs.quote("repeat", question, place)
        earlier.append(question)


def _count_report(signs: Signs, example_round: ReadRound, place: str) -> None:
    signs.rounds += 1
    if example_round.weak_average is not None:
        signs.weak_averages.append(example_round.weak_average)
    if example_round.strong_average is not None:
        signs.strong_averages.append(example_round.strong_average)
    category = example_round.category
    if category and category not in ("null", "None", "none", "-"):
        signs.categories[category] += 1
        signs.quote(category, example_round.reason, place)


def _count_leak(signs: Signs, example_round: ReadRound, place: str) -> None:
    context, answer = example_round.text("context"), example_round.text("reference_answer")
    signs.context_words += len(context.split())
    if context and answer and covered_by(answer, context) >= LEAK_SHARE:
        signs.leaks += 1
        if len(signs.quotes.get("leak", ())) < MOST_QUOTES:
            signs.quote("leak", _shared_sentence(context, answer), place)


def _shared_sentence(context: str, answer: str) -> str:
    """The sentence of the context that gives away most of the answer."""
    sentences = [sentence for sentence in re.split(r"(?<=[.!?])\s+", context) if sentence.strip()]
    return max(sentences, key=lambda sentence: covered_by(answer, sentence), default="")


def _count_rubric(signs: Signs, example_round: ReadRound, place: str) -> None:
    context = example_round.text("context")
    for index, item in enumerate(example_round.rubric):
        text, weight = str(item.get("criterion", "")), _number(item.get("weight"))
        signs.criteria += 1
        signs.negatives += weight < 0
        signs.heavy += abs(weight) > 7
        for answer in example_round.answers:
            met = index < len(answer.marks) and answer.marks[index]
            _count_mark(signs, answer.solver, text, weight, met, context, place)


def _count_mark(
    signs: Signs, solver: str, criterion: str, weight: float, met: bool, context: str, place: str
) -> None:
    if solver == "strong" and weight < 0:
        signs.strong_negative_marks += 1
        if met:
            signs.misfires += 1
            signs.quote("negative", criterion, place)
    if solver == "weak" and weight > 0 and met:
        signs.weak_met += 1
        if covered_by(criterion, context) >= GIVEN_SHARE:
            signs.weak_met_in_context += 1
            signs.quote("given", criterion, place)


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def tally(counts: Mapping[str, int]) -> str:
    """ "6 too easy, 2 malformed", most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in ordered if count)
