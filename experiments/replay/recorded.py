"""Replay: a run proved against its own records.

`check_fold` reads everything and runs nothing. `CheckedLedger` is what a recorded replay commits to: each
event must be the recorded one, and when the recorded ones are used up the replay ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studbook.errors import ReplayDifference
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.evolve.contracts import StopRequested
from studbook.experiments.replay.scope import Part, Piece
from studbook.experiments.run.ledger import Ledger
from studbook.experiments.run.opening import OpenedRun
from studbook.llm.records import CallRecords
from studbook.populations.events import Event, to_json
from studbook.populations.journal import Entry
from studbook.populations.lineage import Lineage
from studbook.populations.population import Population
from studbook.populations.records import PaperResult

SHOWN, BEFORE = 300, 60
"""Characters of a side, and how many of them before the first that differs."""


class _Missing:
    """What a side shows where it has no such key; equal to nothing JSON can say."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """`calls` are recorded model calls: checked at level fold, answered again at level recorded.

    `part` names what was replayed, "" for the whole run; `events` is 0 for a part: events are the run's.
    """

    run: str
    level: str
    events: int
    harnesses: int
    trajectories: int
    calls: int
    head: str
    part: str = ""


class AllReplayed(StopRequested):
    """Every recorded event came again."""


class CheckedLedger(Ledger):
    """Accepts only what was recorded; raises ReplayDifference at the first event that differs."""

    def __init__(self, ledger: Ledger, recorded: Sequence[Entry]) -> None:
        super().__init__(ledger.journal, ledger.trees, ledger.population)
        self._recorded = recorded
        self.matched = 0

    def commit(self, events: Sequence[Event]) -> Population:
        for event in events:
            if self.matched == len(self._recorded):
                raise AllReplayed("the recorded run ends here")
            check_same(self._recorded[self.matched], event)
            self.matched += 1
        population = super().commit(events)
        if self.matched == len(self._recorded):
            raise AllReplayed("the recorded run ends here")
        return population


def check_same(recorded: Entry, event: Event) -> None:
    kind, data = to_json(event)
    if kind != recorded.kind:
        raise ReplayDifference(
            f"event {recorded.seq} differs: recorded {recorded.kind}, replayed {kind}\n"
            f"{both_sides(recorded.data, data)}"
        )
    found = first_difference(recorded.data, data)
    if found is not None:
        where, before, after = found
        raise ReplayDifference(
            f"event {recorded.seq} ({kind}) differs at {where}\n{both_sides(before, after)}"
        )


def first_difference(before: Any, after: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """The first place, in reading order, where two JSON values differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = [
            (f"{path}.{key}".lstrip("."), before.get(key, MISSING), after.get(key, MISSING))
            for key in {**before, **after}
        ]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [(f"{path}[{number}]", *pair) for number, pair in enumerate(zip(before, after, strict=True))]
    else:
        return None if before == after else (path or "the whole event", before, after)
    return next((found for name, one, two in pairs if (found := first_difference(one, two, name))), None)


def both_sides(recorded: Any, replayed: Any) -> str:
    """Two lines; of long values the part where they begin to differ."""
    one, two = repr(recorded), repr(replayed)
    same = next(
        (n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
    )
    start = same - BEFORE if same > SHOWN // 2 else 0
    return f"  recorded: {_cut(one, start)}\n  replayed: {_cut(two, start)}"


def _cut(text: str, start: int) -> str:
    before, after = "…" if start else "", "…" if len(text) > start + SHOWN else ""
    return f"{before}{text[start : start + SHOWN]}{after}"


def check_fold(run: OpenedRun) -> Replayed:
    """The chain holds (opening proved it); do lineage, trajectories and records say what the journal says?"""
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
    """Raises ReplayDifference for a ref that names another commit, IntegrityError for damaged files."""
    with Lineage(run.folder.lineage) as lineage:
        for mutant in run.population.mutants.values():
            _check_mutant(lineage, mutant.harness_id, mutant.commit)


def check_fold_of_part(part: Part, pieces: Sequence[Piece]) -> Replayed:
    """Its harnesses' files and its boxes' trajectories; call records are checked with the whole run."""
    with Lineage(part.run.folder.lineage) as lineage:
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
            f"refs/mutants/{harness_id} of {lineage.path} is not what the journal says\n"
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
