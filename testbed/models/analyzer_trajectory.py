"""Reads trajectories back out of the analyzer's prompt.

Tolerant on purpose: the texts inside were written by harnesses and models, so anything may be missing or
torn, and what cannot be read is simply not counted. Interprets nothing; `analyzer_signs` does.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

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
class Section:
    """One headed part of a trajectory; `round_number` is 0 before the first round."""

    round_number: int
    heading: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    solver: str  # weak | strong
    text: str
    marks: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    number: int
    example: dict[str, Any] | None
    status: str
    category: str
    reason: str
    weak_average: float | None
    strong_average: float | None
    answers: tuple[Answer, ...]

    def text(self, key: str) -> str:
        value = (self.example or {}).get(key)
        return value if isinstance(value, str) else ""

    @property
    def rubric(self) -> list[dict[str, Any]]:
        items = (self.example or {}).get("rubric")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    number: str
    verdict: str
    text: str
    rounds: tuple[Round, ...]
    challenger_replies: tuple[str, ...]
    verifier_replies: tuple[str, ...]
    box_lines: tuple[str, ...]


def read_json(text: str) -> dict[str, Any] | None:
    """The object between the first and the last brace, if it is strict JSON."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        value = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def tagged(text: str, tag: str) -> str:
    """What stands between <tag> and its last end tag; empty when it is missing."""
    found = re.search(rf"<{tag}>(.*)</{tag}>", text, re.DOTALL)
    return found.group(1).strip() if found else ""


def read_trajectories(prompt: str) -> tuple[Trajectory, ...]:
    return tuple(
        _trajectory(dict(_ATTRIBUTE.findall(attributes)), body)
        for attributes, body in _TRAJECTORY.findall(prompt)
    )


def _trajectory(attributes: dict[str, str], body: str) -> Trajectory:
    sections = _sections(body)
    numbers = sorted({section.round_number for section in sections if section.round_number})
    return Trajectory(
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


def _sections(body: str) -> list[Section]:
    found = list(_HEADING.finditer(body))
    ends = [match.start() for match in found[1:]] + [len(body)]
    sections, round_number = [], 0
    for match, end in zip(found, ends, strict=True):
        heading = match.group(1).strip().lower()
        if heading.startswith("round"):
            number = _NUMBER.search(heading)
            round_number = int(number.group().split(".")[0]) if number else round_number + 1
        sections.append(
            Section(round_number=round_number, heading=heading, body=body[match.end() : end].strip("\n"))
        )
    return sections


def _replies(sections: list[Section], role: str) -> tuple[str, ...]:
    """What the role said, without the harness's own notes behind it."""
    return tuple(
        _NOTES.split(section.body, maxsplit=1)[0].rstrip()
        for section in sections
        if section.heading.startswith(role)
        and "prompt" not in section.heading
        and "message" not in section.heading
    )


def _round(number: int, sections: list[Section]) -> Round:
    bodies = {section.heading.split()[0]: section.body for section in sections}
    reports = "\n".join(section.body for section in sections if section.heading.startswith("report"))
    fields = dict(_FIELD.findall(reports))  # what a later report of the round says again counts
    return Round(
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


def _answers(sections: list[Section]) -> tuple[Answer, ...]:
    """An answer told again, because strong answers came later, counts once."""
    latest = {section.heading: section for section in sections if " answer" in section.heading}
    return tuple(_answer(section) for section in latest.values())


def _answer(section: Section) -> Answer:
    marks = {int(number): word == "met" for number, word in _MARK.findall(section.body)}
    return Answer(
        solver=section.heading.split()[0],
        text=re.split(r"^marks:", section.body, maxsplit=1, flags=re.MULTILINE)[0].strip(),
        marks=tuple(marks.get(number, False) for number in range(1, max(marks, default=0) + 1)),
    )
