"""Replay of parts: chosen boxes of a run, run again one by one and compared with their recorded trajectories.

Harness code runs in the sandbox, models answer from the run's records alone, the evaluator is our own.
A trajectory must come again byte for byte; otherwise the first event that differs is told with both sides.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evaluate.contracts import Paper
from evaluate.paper_evaluator import SandboxedEvaluator
from evaluate.trajectories import Trajectory, TrajectoryStore
from evaluate.transcript import Event
from evolve.seams import StopRequested
from experiments.bench import Bench
from experiments.parts import Piece
from experiments.replaying import MISSING, both_sides, first_difference
from experiments.replaying_witness import Unrecorded, Witness
from experiments.stopping import StopSwitch
from harnesses.tree import HarnessTree
from studbook.errors import ReplayDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReplay:
    """What a replay works with. `bench` answers from records; `recorded` is the run's own store."""

    bench: Bench
    recorded: TrajectoryStore
    trees: Mapping[str, HarnessTree]
    papers: Mapping[str, Paper]
    switch: StopSwitch


def replay_pieces(replay: PartReplay, pieces: Sequence[Piece], on_piece: Callable[[int], None]) -> int:
    """How many calls the records answered. Raises ReplayDifference for the first piece that differs."""
    calls = 0
    futures = [replay.bench.paper_pool.submit(_replay_piece, replay, piece) for piece in pieces]
    try:
        for number, future in enumerate(futures, start=1):
            calls += future.result()
            on_piece(number)
    finally:
        for future in futures:
            future.cancel()  # what is not begun when one differs is not begun any more
    return calls


def _replay_piece(replay: PartReplay, piece: Piece) -> int:
    if replay.switch.event.is_set():
        raise StopRequested("stopped on request")
    recorded = replay.recorded.get(piece.result.key)
    place = f"{piece.harness_id} on paper {piece.result.paper_id}, replicate {piece.result.replicate}"
    if recorded.result.trajectory_hash != piece.result.trajectory_hash:
        raise ReplayDifference(
            f"{place}: the trajectory on disk is not the one the journal names\n"
            f"  journal: {piece.result.trajectory_hash}\n  on disk: {recorded.result.trajectory_hash}"
        )
    paper = replay.papers[piece.result.paper_id]
    witness = Witness(replay.bench.chat, paper)
    try:
        again = _evaluator(replay.bench, witness).evaluate_paper(
            replay.trees[piece.harness_id], paper, piece.result.replicate
        )
    except Unrecorded as missed:
        raise ReplayDifference(f"{place}: {missed.told(recorded.events)}") from missed
    if again.key != piece.result.key:
        raise ReplayDifference(
            f"{place}: harness, paper or evaluator are other ones\n"
            f"  recorded key: {piece.result.key}\n  replayed key: {again.key}"
        )
    if again.trajectory_hash != piece.result.trajectory_hash:
        raise ReplayDifference(f"{place}: {describe(recorded, replay.bench.store.get(again.key))}")
    return again.calls


def _evaluator(bench: Bench, witness: Witness) -> SandboxedEvaluator:
    """One for each box, because each box has a witness of its own. Rollouts run one after the other."""
    return SandboxedEvaluator(chat=witness, sandbox=bench.sandbox, store=bench.store, frozen=bench.frozen)


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
