"""A trajectory as prose for the analyzer: every exchange, with what the evaluator said and why.

The paper is not repeated, and neither is a message that stood there before. Headings and tags inside what
harnesses and models wrote are defused, so that they cannot pass for ours. Decides nothing.
"""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from studbook.evaluate.rubric import average
from studbook.evaluate.trajectories import Event, Trajectory

MAX_TRAJECTORY = 60_000
MAX_EXAMPLE = 8_000
WHOLE = 1_000_000
TEXT_LIMITS = (WHOLE, 6_000, 3_000, 1_500, 800)
"""Tried in turn, so that a long trajectory loses the middles of its texts before it loses a round."""

_HEADING = re.compile(r"^(#{1,6} )", re.MULTILINE)
_TAG = re.compile(r"<(?=\s*+/?\s*+(?:trajector(?:y|ies)|history|harness_files|file)\b)", re.IGNORECASE)


def render_for_analyzer(trajectory: Trajectory, limit: int = MAX_TRAJECTORY) -> str:
    """The body of one `<trajectory>`: rounds in order, whole when that takes at most `limit` characters."""
    texts = (_render(trajectory, text_limit) for text_limit in TEXT_LIMITS)
    fitting = (text for text in texts if len(text) <= limit)
    return next(fitting, "") or cut(_render(trajectory, TEXT_LIMITS[-1]), limit)


def render_confirmation(trajectory: Trajectory) -> list[str]:
    """For people: what neither the harness nor the analyzer is shown."""
    found = trajectory.result.confirmation
    if found is None:
        return []
    held = "it would be accepted again" if found.holds else "it would not be accepted again"
    return ["### Measured again, on fresh rollouts", f"{held}: {_line(found.reason)}"]


def _render(trajectory: Trajectory, text_limit: int) -> str:
    result = trajectory.result
    lines = [f"outcome: {result.verdict.value}: {_line(result.reason)}"]
    writer = _Writer(text_limit)
    for event in trajectory.events:
        lines += writer.write(event)
    return "\n".join(lines)


def cut(text: str, limit: int) -> str:
    """The beginning and the end, and how much is missing between them."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"


class _Writer:
    """Knows which round it is in and which messages it has written before."""

    def __init__(self, text_limit: int) -> None:
        self._limit = text_limit
        self._round = 0
        self._is_open = False
        self._seen: dict[str, str] = {}

    def write(self, event: Event) -> Iterator[str]:
        kind = event["kind"]
        begins = kind == "chat" and not self._is_open
        if begins or event.get("round", 0) > self._round:
            self._round += 1
            self._is_open = True
            yield f"\n## Round {self._round}"
        yield from _PARTS[kind](self, event)
        if kind in ("report", "malformed"):
            self._is_open = event.get("status") == "undecided"

    def chat(self, event: Event) -> Iterator[str]:
        role = str(event["role"]).capitalize()
        for message in event["messages"]:
            yield f"### {role} prompt ({message['role']})"
            yield self._once(
                self._data(_content(message["content"])), f"{role} prompt in round {self._round}"
            )
        yield f"### {role} reply"
        yield self._data(_content(event["reply"]))
        if event["finish_reason"] != "stop":
            yield f"finish reason: {event['finish_reason']}"

    def report(self, event: Event) -> Iterator[str]:
        if not event["completes"]:
            yield "### Example"
            yield _data(json.dumps(event["example"], ensure_ascii=False), max(self._limit, MAX_EXAMPLE))
        late = event["round"] < self._round
        yield "### Report (of an earlier round)" if late else "### Report"
        yield from _report_lines(event)
        for rollout in (*event["weak"], *event["strong"]):
            yield f"### {rollout['solver'].capitalize()} answer {rollout['index'] + 1}"
            yield self._data(rollout["answer"])
            marks = (f"{n}={'met' if met else 'not met'}" for n, met in enumerate(rollout["marks"], 1))
            yield f"marks: {' '.join(marks)}"

    def malformed(self, event: Event) -> Iterator[str]:
        yield "### Example"
        yield self._data(event["raw"])
        yield "### Report"
        yield "status: rejected\ncategory: malformed"
        yield f"reason: {_line(event['reason'])}"

    def refused(self, event: Event) -> Iterator[str]:
        yield f"refused: {_line(event['request'])}: {_line(event['type'])}: {_line(event['message'])}"

    def log(self, event: Event) -> Iterator[str]:
        yield f"log: {self._data(event['text'])}"

    def confirmation(self, _: Event) -> Iterator[str]:
        """Left out: what the search looks at is no longer a check of the search."""
        yield from ()

    def box(self, event: Event) -> Iterator[str]:
        yield "\n### Box"
        yield f"status: {event['status']}"
        if event["detail"]:
            yield f"detail: {_line(event['detail'])}"
        if event["stderr"]:
            yield self._data(event["stderr"])

    def _data(self, text: str) -> str:
        return _data(text, self._limit)

    def _once(self, text: str, place: str) -> str:
        if len(text) < 200:
            return text
        if text in self._seen:
            return f"[the same text as in: {self._seen[text]}]"
        self._seen[text] = place
        return text


_PARTS = {
    "chat": _Writer.chat,
    "report": _Writer.report,
    "malformed": _Writer.malformed,
    "refused": _Writer.refused,
    "log": _Writer.log,
    "box": _Writer.box,
    "confirmation": _Writer.confirmation,
}


def _report_lines(event: Event) -> Iterator[str]:
    yield f"status: {event['status']}"
    if event["category"]:
        yield f"category: {event['category']}"
    yield f"reason: {_line(event['reason'])}"
    for solver in ("weak", "strong"):
        if event[solver]:
            yield f"{solver}: {_scores(event[solver])}"
    attempts = [_line(f"{each['kind']} in {each['field']}") for each in event.get("screening", [])]
    if attempts:
        yield f"screening: {'; '.join(attempts)}"
    if event["hidden_characters"] or event["defused_marks"]:
        yield (
            f"tampering: {event['hidden_characters']} hidden characters removed, "
            f"{event['defused_marks']} tags or role marks defused"
        )


def _scores(rollouts: list[dict[str, Any]]) -> str:
    scores = [Fraction(rollout["score"]) for rollout in rollouts]
    return (
        f"average {float(average(scores)):.3f} scores {' '.join(f'{float(score):.2f}' for score in scores)}"
    )


def _content(content: str | list[Any]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else "[the text of the paper]" for part in content)


def _data(text: str, limit: int) -> str:
    return _TAG.sub("‹", _HEADING.sub(r"\\\1", cut(text.strip(), limit)))


def _line(text: str) -> str:
    return _data(" ".join(text.split()), TEXT_LIMITS[-1])
