"""Replay: a run proved against its own records.

`check_fold` reads everything and runs nothing. `CheckedLedger` is what a recorded replay commits to: each
event must be the recorded one, and when the recorded ones are used up the replay ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluate.trajectories import TrajectoryStore
from evolve.seams import StopRequested
from experiments.ledger import Ledger
from experiments.opening import OpenedRun
from populations.events import Event, to_json
from populations.journal_line import Entry
from populations.lineage import Lineage
from populations.population import Population
from studbook.errors import ReplayDifference
from studbook.llm.records import CallRecords

SHOWN = 300


class _Missing:
    """What a side shows where it has no such key; equal to nothing JSON can say."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """`calls` are recorded model calls: checked at level fold, answered again at level recorded."""

    run: str
    level: str
    events: int
    harnesses: int
    trajectories: int
    calls: int
    head: str


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
            f"  recorded: {_short(recorded.data)}\n  replayed: {_short(data)}"
        )
    found = first_difference(recorded.data, data)
    if found is not None:
        where, before, after = found
        raise ReplayDifference(
            f"event {recorded.seq} ({kind}) differs at {where}\n"
            f"  recorded: {_short(before)}\n  replayed: {_short(after)}"
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


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def check_fold(run: OpenedRun) -> Replayed:
    """The chain holds (opening proved it); do lineage, trajectories and records say what the journal says?"""
    with Lineage(run.folder.lineage) as lineage:
        for mutant in run.population.mutants.values():
            _check_mutant(lineage, mutant.harness_id, mutant.commit)
    keys = _check_trajectories(run)
    return Replayed(
        run=run.folder.name,
        level="fold",
        events=len(run.entries),
        harnesses=len(run.population.mutants),
        trajectories=keys,
        calls=_check_calls(run.folder.calls),
        head=run.entries[-1].hash if run.entries else "",
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
            if store.get(result.key).result.trajectory_hash != result.trajectory_hash:
                raise ReplayDifference(
                    f"trajectory {result.key} is not the one the journal names\n"
                    f"  harness {event.evaluation.harness_id}, paper {result.paper_id}\n"
                    f"  journal: {result.trajectory_hash}"
                )
            seen.add(result.key)
    return len(seen)


def _check_calls(path: Path) -> int:
    records = CallRecords.read_only(path)
    try:
        return records.verify()
    finally:
        records.close()
