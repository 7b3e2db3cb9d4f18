"""Everything that happened on one paper, kept on disk under the key of its result.

One compressed file per finished paper, written whole or not at all; what is read back must hash to what
was written. Also the memory of finished work: the same key is never paid twice. Does not render or summarise.

What happened in one box, written down event by event as plain JSON values.

The paper's text, which stands in nearly every challenger message, is kept as a marker: a content is a string,
or a list of strings and `{"paper": true}`, which no text can imitate. Knows no files.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from studbook.compression import compress, decompress
from studbook.errors import IntegrityError
from studbook.evaluate.confirmation import Confirmed
from studbook.evaluate.contracts import Paper, Report
from studbook.evaluate.examples import ReadExample, example_to_json
from studbook.evaluate.reports import rollout_to_json
from studbook.identity import canonical_json, hash_bytes, hash_json
from studbook.llm.contracts import ChatCall, ChatReply
from studbook.llm.evidence import NO_EVIDENCE, Evidence
from studbook.populations.events import decode, encode
from studbook.populations.records import PaperResult
from studbook.populations.storage import atomic_write, storage_errors
from studbook.sandbox.contract import Outcome

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

    def report(self, submitted: ReadExample, report: Report, *, earlier: Report | None) -> None:
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


SCHEMA = 2
SUFFIX = ".json.zst"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """`result.trajectory_hash` is the hash of the file's content; empty until it was written.

    `evidence` names the call records that answered; what no records answered (a test's double) is not in it.
    """

    result: PaperResult
    tree_hash: str
    evaluator_hash: str
    calls_by_role: dict[str, int]
    events: tuple[Event, ...]
    truncated_by_role: dict[str, int] = field(default_factory=dict)
    evidence: Evidence = NO_EVIDENCE


class TrajectoryStore:
    """Files under `root`, two levels deep. Thread-safe: a file is written once, whole, under its own name."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of(self, key: str) -> Path:
        return self._root / key[:2] / f"{key}{SUFFIX}"

    def find(self, key: str) -> Trajectory | None:
        """None when nothing was finished under this key; raises IntegrityError when it is damaged."""
        path = self.path_of(key)
        if not path.exists():
            return None
        with storage_errors(path, "read"):
            data = path.read_bytes()
        return read_trajectory(decompress(data, place=str(path)), key, str(path))

    def get(self, key: str) -> Trajectory:
        """Raises IntegrityError when there is none: a recorded result rests on a file that is gone."""
        found = self.find(key)
        if found is None:
            raise IntegrityError(f"{self.path_of(key)} is missing, and a recorded result rests on it.")
        return found

    def put(self, trajectory: Trajectory) -> PaperResult:
        """Write it; returns its result, which now names the content. Raises StorageError naming the path."""
        body = trajectory_body(trajectory)
        path = self.path_of(trajectory.result.key)
        with storage_errors(path.parent, "create"):
            path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, compress(body))
        return replace(trajectory.result, trajectory_hash=hash_bytes(body))


def trajectory_key(evaluator_hash: str, tree_hash: str, paper_id: str, replicate: int) -> str:
    """Names a result before it exists: everything it may depend on."""
    return hash_json([SCHEMA, evaluator_hash, tree_hash, paper_id, replicate])


def _to_json(trajectory: Trajectory) -> dict[str, Any]:
    return {
        "v": SCHEMA,
        "result": encode(replace(trajectory.result, trajectory_hash="")),
        "tree_hash": trajectory.tree_hash,
        "evaluator_hash": trajectory.evaluator_hash,
        "calls_by_role": trajectory.calls_by_role,
        "truncated_by_role": trajectory.truncated_by_role,
        "rests": encode(trajectory.evidence),
        "events": list(trajectory.events),
    }


def trajectory_body(trajectory: Trajectory) -> bytes:
    """What a file holds, before it is compressed."""
    return canonical_json(_to_json(trajectory))


def read_trajectory(body: bytes, key: str, place: str) -> Trajectory:
    """Raises IntegrityError naming `place` for anything but the trajectory of `key`."""
    try:
        data = json.loads(body)
        if data["v"] != SCHEMA:
            raise IntegrityError(f"{place} has schema {data['v']}; this version reads {SCHEMA}.")
        result = decode(PaperResult, canonical_json(data["result"]))
        trajectory = Trajectory(
            result=replace(result, trajectory_hash=hash_bytes(body)),
            tree_hash=data["tree_hash"],
            evaluator_hash=data["evaluator_hash"],
            calls_by_role=data["calls_by_role"],
            truncated_by_role=data["truncated_by_role"],
            events=tuple(data["events"]),
            evidence=decode(Evidence, canonical_json(data["rests"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{place} does not hold a trajectory: {error!r}") from error
    if result.key != key:
        raise IntegrityError(f"{place} holds the trajectory of another key ({result.key}).")
    return trajectory
