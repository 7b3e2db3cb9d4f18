"""One box of a run, run again and compared with its recorded trajectory.

Harness code runs in the sandbox, models answer from the run's records alone, the evaluator is our own.
A trajectory must come again byte for byte; otherwise the first event that differs is told with both sides.
"""

import itertools

from evaluate.contracts import Paper
from evaluate.paper_evaluator import SandboxedEvaluator
from evaluate.trajectories import Trajectory, TrajectoryStore, trajectory_key
from evaluate.transcript import Event
from experiments.bench import Bench
from experiments.opening import OpenedRun
from experiments.replaying import MISSING, both_sides, first_difference
from experiments.replaying_witness import Unrecorded, Witness
from harnesses.tree import HarnessTree
from populations.records import PaperResult
from studbook.errors import ReplayDifference


def place_of(harness: str, paper_id: str, replicate: int) -> str:
    return f"{harness} on paper {paper_id}, replicate {replicate}"


def replay_box(
    bench: Bench, known: Trajectory | None, harness: HarnessTree, paper: Paper, replicate: int, place: str
) -> PaperResult:
    """`bench` answers from records; `known`: what the run has of it. Raises ReplayDifference."""
    # one for each box, because each box has a witness of its own; rollouts run one after the other
    witness = Witness(bench.chat, paper)
    evaluator = SandboxedEvaluator(
        chat=witness, sandbox=bench.sandbox, store=bench.store, frozen=bench.frozen
    )
    try:
        again = evaluator.evaluate_paper(harness, paper, replicate)
    except Unrecorded as missed:
        told = missed.told(known.events) if known else f"{missed}, and there is no trajectory of it"
        raise ReplayDifference(f"{place}: {told}") from missed
    if known is None:
        return again
    if again.key != known.result.key:
        raise ReplayDifference(
            f"{place}: harness, paper or evaluator are other ones\n"
            f"  recorded key: {known.result.key}\n  replayed key: {again.key}"
        )
    if again.trajectory_hash != known.result.trajectory_hash:
        raise ReplayDifference(f"{place}: {describe(known, bench.store.get(again.key))}")
    return again


class WatchedEvaluator:
    """The `PaperEvaluator` of a whole replay: every box is compared as soon as it has been run.

    What the journal names must be in the run's store; papers behind one that decided a race may be.
    """

    def __init__(self, bench: Bench, run: OpenedRun) -> None:
        self.evaluator_hash = bench.frozen.evaluator_hash
        self._bench = bench
        self._store = TrajectoryStore(run.folder.trajectories)
        self._named = {each.key for event in run.evaluations() for each in event.evaluation.results}

    def evaluate_paper(self, harness: HarnessTree, paper: Paper, replicate: int) -> PaperResult:
        place = place_of(f"harness {harness.tree_hash[:12]}", paper.paper_id, replicate)
        key = trajectory_key(self.evaluator_hash, harness.tree_hash, paper.paper_id, replicate)
        known = self._store.get(key) if key in self._named else self._store.find(key)
        return replay_box(self._bench, known, harness, paper, replicate, place)


def describe(recorded: Trajectory, replayed: Trajectory) -> str:
    """The first event that differs, or what else does, with both sides."""
    pairs = itertools.zip_longest(recorded.events, replayed.events)
    for number, (one, two) in enumerate(pairs):
        if one != two:
            return _event_difference(number, one, two)
    for name in ("result", "calls_by_role", "truncated_by_role", "rests", "tree_hash", "evaluator_hash"):
        before, after = getattr(recorded, name), getattr(replayed, name)
        if before != after:
            return f"its events are the same, and {name} differs\n{both_sides(before, after)}"
    return "its bytes differ, and nothing that is read from them does"


def _event_difference(number: int, one: Event | None, two: Event | None) -> str:
    if one is None or two is None:
        present = two if one is None else one
        side = "replay has one more" if one is None else "replay ends before it"
        told = both_sides(one if one is not None else MISSING, two if two is not None else MISSING)
        return f"event {number} ({present['kind'] if present else ''}): the {side}\n{told}"
    if one["kind"] != two["kind"]:
        return f"event {number} is of another kind\n{both_sides(one, two)}"
    where, before, after = first_difference(one, two) or ("", one, two)
    return f"event {number} ({one['kind']}) differs at {where}\n{both_sides(before, after)}"
