"""Everything that happened on one paper, kept on disk under the key of its result.

One compressed file per finished paper, written whole or not at all; what is read back must hash to what
was written. Also the memory of finished work: the same key is never paid twice. Does not render or summarise.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluate.transcript import Event
from populations.codec import decode, encode
from populations.records import PaperResult
from populations.storage import atomic_write, storage_errors
from studbook.compression import compress, decompress
from studbook.errors import IntegrityError
from studbook.identity import canonical_json, hash_bytes, hash_json
from studbook.llm.seals import NOTHING, Rests

SCHEMA = 2
SUFFIX = ".json.zst"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """`result.trajectory_hash` is the hash of the file's content; empty until it was written.

    `rests` names the call records that answered; what no records answered (a test's double) is not in it.
    """

    result: PaperResult
    tree_hash: str
    evaluator_hash: str
    calls_by_role: dict[str, int]
    events: tuple[Event, ...]
    truncated_by_role: dict[str, int] = field(default_factory=dict)
    rests: Rests = NOTHING


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
        "rests": encode(trajectory.rests),
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
        result = decode(PaperResult, data["result"])
        trajectory = Trajectory(
            result=replace(result, trajectory_hash=hash_bytes(body)),
            tree_hash=data["tree_hash"],
            evaluator_hash=data["evaluator_hash"],
            calls_by_role=data["calls_by_role"],
            truncated_by_role=data["truncated_by_role"],
            events=tuple(data["events"]),
            rests=decode(Rests, data["rests"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{place} does not hold a trajectory: {error!r}") from error
    if result.key != key:
        raise IntegrityError(f"{place} holds the trajectory of another key ({result.key}).")
    return trajectory
