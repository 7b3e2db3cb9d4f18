"""Replay at level fold: checks lineage, trajectories and call records against the journal. Runs nothing.

The journal's hash chain was already verified when the run was opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import ReplayDifference
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.experiments.replay.scope import (
    Part,
    Piece,
)
from studbook.experiments.run.opening import OpenedRun
from studbook.llm.records import CallRecords
from studbook.populations.lineage import Lineage
from studbook.populations.records import PaperResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """`calls` are recorded model calls: checked at level fold, replayed at level recorded.

    `part` names what was replayed, "" for the whole run. `events` is 0 for a part: events belong to the run.
    """

    run: str
    level: str
    events: int
    harnesses: int
    trajectories: int
    calls: int
    head: str
    part: str = ""


def check_fold(run: OpenedRun) -> Replayed:
    """Checks a whole run: lineage, trajectories and call records."""
    check_lineage(run)
    keys = _check_trajectories(run)
    return Replayed(
        run=run.folder.name,
        level="fold",
        events=len(run.entries),
        harnesses=len(run.population.mutants),
        trajectories=keys,
        calls=_check_calls(run.folder.calls),
        head=run.head,
    )


def check_lineage(run: OpenedRun) -> None:
    """Raises ReplayDifference for a ref to a different commit, IntegrityError for damaged files."""
    with Lineage.existing(run.folder.lineage) as lineage:
        for mutant in run.population.mutants.values():
            _check_mutant(lineage, mutant.harness_id, mutant.commit)


def check_fold_of_part(part: Part, pieces: Sequence[Piece]) -> Replayed:
    """Checks the files of its harnesses and the trajectories of its boxes, but no call records."""
    with Lineage.existing(part.run.folder.lineage) as lineage:
        for harness_id in part.harness_ids:
            _check_mutant(lineage, harness_id, part.run.population.mutants[harness_id].commit)
    store = TrajectoryStore(part.run.folder.trajectories)
    for piece in pieces:
        _check_trajectory(store, piece.harness_id, piece.result)
    return replayed_part(part, pieces, "fold", 0)


def replayed_part(part: Part, pieces: Sequence[Piece], level: str, calls: int) -> Replayed:
    on = f" on paper {part.paper_id}" if part.paper_id else ""
    return Replayed(
        run=part.run.folder.name,
        level=level,
        events=0,
        harnesses=len(part.harness_ids),
        trajectories=len(pieces),
        calls=calls,
        head=part.run.head,
        part=", ".join(part.harness_ids) + on,
    )


def _check_mutant(lineage: Lineage, harness_id: str, commit: str) -> None:
    found = lineage.find_commit(harness_id)
    if found != commit:
        raise ReplayDifference(
            f"refs/mutants/{harness_id} in {lineage.path} differs from the journal\n"
            f"  journal: {commit}\n  lineage: {found or 'missing'}"
        )
    lineage.read(commit)


def _check_trajectories(run: OpenedRun) -> int:
    store, seen = TrajectoryStore(run.folder.trajectories), set()
    for event in run.evaluations():
        for result in event.evaluation.results:
            _check_trajectory(store, event.evaluation.harness_id, result)
            seen.add(result.key)
    return len(seen)


def _check_trajectory(store: TrajectoryStore, harness_id: str, result: PaperResult) -> None:
    found = store.get(result.key).result.trajectory_hash
    if found != result.trajectory_hash:
        raise ReplayDifference(
            f"trajectory {result.key} is not the one the journal names\n"
            f"  harness {harness_id}, paper {result.paper_id}\n"
            f"  journal: {result.trajectory_hash}\n  on disk: {found}"
        )


def _check_calls(path: Path) -> int:
    records = CallRecords.read_only(path)
    try:
        return records.verify()
    finally:
        records.close()
