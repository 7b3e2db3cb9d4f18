"""Everything that happened on one paper: recorded as events, stored on disk, and rendered as text.

`Transcript` collects the events of one box as plain JSON values. The paper's text occurs in nearly every
challenger message and is replaced by a marker: a content is a string, or a list of strings and `{"paper":
true}`, which no text can imitate. `TrajectoryStore` keeps one compressed file per finished paper under the
key of its result, written atomically; its content is checked against its hash when it is read, and no key is
paid for twice. `render_for_analyzer` renders the events without repeating the paper or an earlier message;
headings and tags in text from harnesses and models are defused, so that they cannot be mistaken for ours.
Scores nothing.
"""

import json
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from studbook.compression import MAX_DECOMPRESSED_BYTES, compress, decompress
from studbook.errors import IntegrityError
from studbook.evaluate.confirmation import Confirmed
from studbook.evaluate.contracts import Example, Paper, Report, Rollout
from studbook.evaluate.examples import ReadExample, example_to_json
from studbook.evaluate.rubric import average
from studbook.identity import canonical_json, hash_bytes, hash_json
from studbook.json_text import read_json, typed
from studbook.llm.contracts import NO_EVIDENCE, ChatCall, ChatReply, Evidence
from studbook.populations.events import decode, encode
from studbook.populations.records import FailureCategory, PaperResult, ScoreText
from studbook.populations.storage import atomic_write, read_plain, storage_errors
from studbook.sandbox.contract import Outcome

MAX_RAW_CHARACTERS = 20_000
MAX_REFUSALS = 200

Event = dict[str, Any]
Content = str | list[Any]
_MARKER = {"paper": True}


class Transcript:
    """Events in the order in which they finished. Thread-safe."""

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
        self._add(
            "chat",
            **call_to_json(call, self._paper.text),
            reply=fold_paper(reply.text, self._paper.text),
            finish_reason=reply.finish_reason,
        )

    def report(self, submitted: ReadExample, report: Report, *, earlier: Report | None) -> None:
        """`earlier` is the weak-only report that this one completes; its rollouts are already recorded."""
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
        """The last event of an accepted paper; it is not visible from inside the box."""
        self._add(
            "confirmation",
            holds=confirmed.record.holds,
            reason=confirmed.record.reason,
            weak=[rollout_to_json(rollout) for rollout in confirmed.weak],
            strong=[rollout_to_json(rollout) for rollout in confirmed.strong],
        )

    def malformed(
        self,
        number: int,
        raw: Any,
        reason: str,
        category: FailureCategory = FailureCategory.MALFORMED,
        **more: Any,
    ) -> None:
        """A round without a report, because the example could not be parsed."""
        text = str(raw)[:MAX_RAW_CHARACTERS]
        self._add("malformed", round=number, raw=text, reason=reason, category=category.value, **more)

    def unmeasured(
        self, number: int, example: Example, reason: str, category: FailureCategory, *, is_compared_with: bool
    ) -> None:
        """A round without a report, because the example could not be measured.

        The event has an `example` if later examples are compared with it for near-duplicates.
        """
        content = example_to_json(example)
        compared = {"example": content} if is_compared_with else {}
        self.malformed(number, content, reason, category, **compared)

    def refused(self, request: str, kind: str, message: str) -> None:
        self._refusals += 1
        if self._refusals <= MAX_REFUSALS:
            self._add("refused", request=request[:40], type=kind, message=message)

    def log(self, text: str) -> None:
        self._add("log", text=text)

    def box(self, outcome: Outcome) -> None:
        """How the box ended. Leaves out how long it took, which differs between identical runs."""
        detail, stderr = _writable(outcome.detail), _writable(outcome.stderr_tail)
        self._add("box", status=outcome.status.value, detail=detail, stderr=stderr)

    def _add(self, kind: str, **data: Any) -> None:
        with self._lock:
            self._events.append({"kind": kind, **data})


def _writable(text: str) -> str:
    """The output of a box may contain lone surrogates, which UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def call_to_json(call: ChatCall, paper: str) -> dict[str, Any]:
    """A harness's call as it stands in an event. Its schema is there only if it has one."""
    return {
        "role": call.role,
        "seed": call.seed,
        "temperature": call.temperature,
        "max_tokens": call.max_tokens,
        "json_mode": call.json_mode,
        **({"json_schema": dict(call.json_schema)} if call.json_schema is not None else {}),
        "messages": [
            {"role": message.role, "content": fold_paper(message.content, paper)} for message in call.messages
        ],
    }


def rollout_to_json(rollout: Rollout) -> dict[str, Any]:
    return {
        "solver": rollout.solver,
        "index": rollout.index,
        "seed": rollout.seed,
        "answer": rollout.answer,
        "marks": list(rollout.marks),
        "score": str(rollout.score),
        "truncated": rollout.is_truncated,
    }


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
    """The original text; the inverse of `fold_paper`."""
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else paper for part in content)


SCHEMA = 2
SUFFIX = ".json.zst"
REDRAWS = ".redraws"
_MAX_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """`result.trajectory_hash` is the hash of the file's content; empty until the file is written.

    `evidence` names the call records that answered; calls answered without a record (by a test double) are
    not in it. `unreadable_by_role`: replies of judge and final verifier that could not be read. `redraws`:
    how often their seeds were drawn afresh after a pause (see `Evaluator`).
    """

    result: PaperResult
    tree_hash: str
    evaluator_hash: str
    calls_by_role: dict[str, int]
    events: tuple[Event, ...]
    truncated_by_role: dict[str, int] = field(default_factory=dict)
    evidence: Evidence = NO_EVIDENCE
    unreadable_by_role: dict[str, int] = field(default_factory=dict)
    redraws: int = 0


class TrajectoryStore:
    """Files under `root`, two levels deep. Thread-safe: a file is written once and atomically."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of(self, key: str) -> Path:
        return self._root / key[:2] / f"{key}{SUFFIX}"

    def find(self, key: str) -> Trajectory | None:
        """None when there is no result for this key yet; raises IntegrityError when the file is damaged."""
        path = self.path_of(key)
        with storage_errors(path, "read"):
            data = read_plain(path, MAX_DECOMPRESSED_BYTES)
        if data is None:
            return None
        return read_trajectory(decompress(data, place=str(path)), key, str(path))

    def has(self, key: str) -> bool:
        """Whether there is a file for this key that is not empty."""
        try:
            status = self.path_of(key).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size > 0

    def get(self, key: str) -> Trajectory:
        """Raises IntegrityError when the file is missing, because a recorded result refers to it."""
        found = self.find(key)
        if found is None:
            raise IntegrityError(f"{self.path_of(key)} is missing, and a recorded result refers to it.")
        return found

    def redraws(self, key: str) -> int:
        """The number that `put_redraws` left for a result that is not there yet."""
        path = self._redraws_of(key)
        with storage_errors(path, "read"):
            text = read_plain(path, _MAX_DIGITS)
        if text is None:
            return 0
        if not text.isdigit():
            raise IntegrityError(f"{path} does not hold a number; delete it and resume.")
        return int(text)

    def put_redraws(self, key: str, number: int) -> None:
        """The next attempt at this result draws the seeds of its judging roles afresh, as set `number`."""
        path = self._redraws_of(key)
        with storage_errors(path.parent, "create"):
            path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, str(number).encode("ascii"))

    def forget(self, key: str) -> None:
        """Delete the result, if there is one, to which nothing refers yet."""
        path = self.path_of(key)
        with storage_errors(path, "delete"):
            path.unlink(missing_ok=True)

    def _redraws_of(self, key: str) -> Path:
        return self._root / key[:2] / f"{key}{REDRAWS}"

    def count(self) -> int:
        """The number of finished results."""
        return sum(1 for _ in self._root.glob(f"??/*{SUFFIX}"))

    def put(self, trajectory: Trajectory) -> PaperResult:
        """Write it; returns its result with `trajectory_hash` set. Raises StorageError naming the path."""
        body = trajectory_body(trajectory)
        path = self.path_of(trajectory.result.key)
        with storage_errors(path.parent, "create"):
            path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, compress(body))
        with storage_errors(path, "write"):
            self._redraws_of(trajectory.result.key).unlink(missing_ok=True)
        return replace(trajectory.result, trajectory_hash=hash_bytes(body))


def trajectory_key(evaluator_hash: str, tree_hash: str, paper_id: str, replicate: int) -> str:
    """Identifies a result before it exists, by everything it may depend on."""
    return hash_json([SCHEMA, evaluator_hash, tree_hash, paper_id, replicate])


def trajectory_body(trajectory: Trajectory) -> bytes:
    """The content of a file, before compression."""
    return canonical_json(
        {
            "v": SCHEMA,
            "result": encode(replace(trajectory.result, trajectory_hash="")),
            "tree_hash": trajectory.tree_hash,
            "evaluator_hash": trajectory.evaluator_hash,
            "calls_by_role": trajectory.calls_by_role,
            "truncated_by_role": trajectory.truncated_by_role,
            **(
                {"unreadable_by_role": trajectory.unreadable_by_role} if trajectory.unreadable_by_role else {}
            ),
            **({"redraws": trajectory.redraws} if trajectory.redraws else {}),
            "rests": encode(trajectory.evidence),
            "events": list(trajectory.events),
        }
    )


def read_trajectory(body: bytes, key: str, place: str) -> Trajectory:
    """Raises IntegrityError naming `place` if `body` is not the trajectory of `key`."""
    try:
        data = read_json(body, place)
        if data["v"] != SCHEMA:
            raise IntegrityError(f"{place} has schema {data['v']!r:.40}; this version reads {SCHEMA}.")
        result = decode(PaperResult, canonical_json(data["result"]))
        trajectory = Trajectory(
            result=replace(result, trajectory_hash=hash_bytes(body)),
            tree_hash=typed(str, data["tree_hash"]),
            evaluator_hash=typed(str, data["evaluator_hash"]),
            calls_by_role=_COUNTS.validate_python(data["calls_by_role"], strict=True),
            truncated_by_role=_COUNTS.validate_python(data["truncated_by_role"], strict=True),
            unreadable_by_role=_COUNTS.validate_python(data.get("unreadable_by_role", {}), strict=True),
            redraws=typed(int, data.get("redraws", 0)),
            events=_events_of(data["events"]),
            evidence=decode(Evidence, canonical_json(data["rests"])),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))[:80]
        raise IntegrityError(
            f"{place} does not hold a trajectory: {where:.80}: {first['msg']:.80}"
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"{place} does not hold a trajectory: {error!r:.200}") from error
    if result.key != key:
        raise IntegrityError(f"{place} holds the trajectory of another key ({result.key}).")
    return trajectory


def _events_of(events: Any) -> tuple[Event, ...]:
    """As they are, once their parts are known to be of the types that are read and rendered."""
    for event in typed(list, events):
        kind = typed(str, typed(dict, event)["kind"])
        _SHAPES[kind].model_validate(event)
    return tuple(events)


_Folded = str | list[str | dict[str, bool]]


class _Part(BaseModel):
    """Other keys are allowed: whoever verifies a run compares the whole event with what it should be."""

    model_config = ConfigDict(strict=True)


class _Message(_Part):
    role: str
    content: _Folded


class _Rollout(_Part):
    solver: Literal["weak", "strong"]
    index: int
    answer: str
    marks: list[bool]
    score: ScoreText


class _Finding(_Part):
    kind: str
    field: str
    quote: str


class _Chat(_Part):
    role: str
    messages: list[_Message]
    reply: _Folded
    finish_reason: str


class _Report(_Part):
    round: int
    example: dict[str, Any]
    hidden_characters: int
    defused_marks: int
    screening: list[_Finding] = []
    status: str
    category: str | None
    reason: str
    completes: bool
    weak: list[_Rollout]
    strong: list[_Rollout]


class _Confirmation(_Part):
    holds: bool
    reason: str
    weak: list[_Rollout]
    strong: list[_Rollout]


class _Malformed(_Part):
    round: int
    raw: str
    reason: str
    category: str = ""


class _Refused(_Part):
    request: str
    type: str
    message: str


class _Log(_Part):
    text: str


class _Box(_Part):
    status: str
    detail: str
    stderr: str


_COUNTS = TypeAdapter(dict[str, int])
_SHAPES: dict[str, type[_Part]] = {
    "chat": _Chat,
    "report": _Report,
    "malformed": _Malformed,
    "refused": _Refused,
    "log": _Log,
    "box": _Box,
    "confirmation": _Confirmation,
}

MAX_TRAJECTORY = 60_000
MAX_EXAMPLE = 8_000
PAPER = "[the text of the paper]"
TEXT_LIMITS = (1_000_000, 6_000, 3_000, 1_500, 800)
"""Tried in order, so that a long trajectory has the middles of its texts cut before any round is cut."""

_HEADING = re.compile(r"^(#{1,6} )", re.MULTILINE)
_TAG = re.compile(r"<(?=\s*+/?\s*+(?:trajector(?:y|ies)|history|harness_files|file)\b)", re.IGNORECASE)


def render_for_analyzer(trajectory: Trajectory, limit: int = MAX_TRAJECTORY) -> str:
    """The body of one `<trajectory>`: rounds in order, uncut if that takes at most `limit` characters."""
    texts = (_render(trajectory, text_limit) for text_limit in TEXT_LIMITS)
    fitting = (text for text in texts if len(text) <= limit)
    return next(fitting, "") or cut(_render(trajectory, TEXT_LIMITS[-1]), limit)


def render_confirmation(trajectory: Trajectory) -> list[str]:
    """For people only: neither the harness nor the analyzer sees it."""
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
    """The beginning and the end of `text`, and how many characters are left out between them."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"


class _Writer:
    """Renders events; keeps track of the current round and of the messages already written."""

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
                self._data(unfold_paper(message["content"], PAPER)), f"{role} prompt in round {self._round}"
            )
        yield f"### {role} reply"
        yield self._data(unfold_paper(event["reply"], PAPER))
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
        yield f"status: rejected\ncategory: {_line(event.get('category', 'malformed'))}"
        yield f"reason: {_line(event['reason'])}"

    def refused(self, event: Event) -> Iterator[str]:
        yield f"refused: {_line(event['request'])}: {_line(event['type'])}: {_line(event['message'])}"

    def log(self, event: Event) -> Iterator[str]:
        yield f"log: {self._data(event['text'])}"

    def confirmation(self, _: Event) -> Iterator[str]:
        """Left out: a check that the search can see is no longer an independent check of the search."""
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


def _data(text: str, limit: int) -> str:
    return _TAG.sub("‹", _HEADING.sub(r"\\\1", cut(text.strip(), limit)))


def _line(text: str) -> str:
    return _data(" ".join(text.split()), TEXT_LIMITS[-1])
