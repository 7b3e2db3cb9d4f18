"""What happened in one box, written down event by event as plain JSON values.

The paper's text, which stands in nearly every challenger message, is kept as a marker: a content is a string,
or a list of strings and `{"paper": true}`, which no text can imitate. Knows no files.
"""

from threading import Lock
from typing import Any

from evaluate.confirmation import Confirmed
from evaluate.contracts import Paper, Report
from evaluate.examples import Admitted, example_to_json
from evaluate.reports import rollout_to_json
from evaluate.sandbox.contract import Outcome
from studbook.llm.contracts import ChatCall, ChatReply

MAX_RAW_CHARACTERS = 20_000
MAX_REFUSALS = 200

Event = dict[str, Any]
Content = str | list[Any]
_MARKER = {"paper": True}


class Transcript:
    """Events in the order in which they ended. Thread-safe."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self._lock = Lock()
        self._events: list[Event] = []
        self._refusals = 0

    @property
    def events(self) -> list[Event]:
        with self._lock:
            return list(self._events)

    def chat(self, call: ChatCall, reply: ChatReply) -> None:
        messages = [
            {"role": message.role, "content": fold_paper(message.content, self._paper.text)}
            for message in call.messages
        ]
        self._add(
            "chat",
            role=call.role,
            seed=call.seed,
            temperature=call.temperature,
            max_tokens=call.max_tokens,
            json_mode=call.json_mode,
            messages=messages,
            reply=fold_paper(reply.text, self._paper.text),
            finish_reason=reply.finish_reason,
        )

    def report(self, submitted: Admitted, report: Report, *, earlier: Report | None) -> None:
        """`earlier` is the weak-only report that this one completes: its rollouts are on record already."""
        weak = () if earlier is not None else report.weak
        self._add(
            "report",
            round=report.round_number,
            example=example_to_json(submitted.example),
            hidden_characters=submitted.hidden_characters,
            defused_marks=submitted.defused_marks,
            attempts=len(submitted.findings),
            screening=[
                {"kind": each.kind, "field": each.field, "quote": each.quote} for each in submitted.findings
            ],
            status=report.status.value,
            category=report.category.value if report.category else None,
            reason=report.reason,
            completes=earlier is not None,
            weak=[rollout_to_json(rollout) for rollout in weak],
            strong=[rollout_to_json(rollout) for rollout in report.strong],
        )

    def confirmation(self, confirmed: Confirmed) -> None:
        """The last event of an accepted paper: nothing in the box knows of it."""
        self._add(
            "confirmation",
            holds=confirmed.record.holds,
            reason=confirmed.record.reason,
            weak=[rollout_to_json(rollout) for rollout in confirmed.weak],
            strong=[rollout_to_json(rollout) for rollout in confirmed.strong],
        )

    def malformed(self, number: int, raw: Any, reason: str) -> None:
        self._add("malformed", round=number, raw=str(raw)[:MAX_RAW_CHARACTERS], reason=reason)

    def refused(self, request: str, kind: str, message: str) -> None:
        self._refusals += 1
        if self._refusals <= MAX_REFUSALS:
            self._add("refused", request=request[:40], type=kind, message=message)

    def log(self, text: str) -> None:
        self._add("log", text=text)

    def box(self, outcome: Outcome) -> None:
        """How the box ended; not how long it took, which differs between identical runs."""
        detail, stderr = _writable(outcome.detail), _writable(outcome.stderr_tail)
        self._add("box", status=outcome.status.value, detail=detail, stderr=stderr)

    def _add(self, kind: str, **data: Any) -> None:
        with self._lock:
            self._events.append({"kind": kind, **data})


def _writable(text: str) -> str:
    """What a box printed may hold lone surrogates, which UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def fold_paper(text: str, paper: str) -> Content:
    """`text` with every whole occurrence of the paper replaced by a marker."""
    if not paper or paper not in text:
        return text
    parts: list[Any] = []
    for number, piece in enumerate(text.split(paper)):
        parts += [_MARKER] if number else []
        parts += [piece] if piece else []
    return parts


def unfold_paper(content: Content, paper: str) -> str:
    """The text that was folded."""
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else paper for part in content)
