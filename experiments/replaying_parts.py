"""Replay of parts: chosen boxes of a run, run again one by one and compared with their recorded trajectories.

How a box is run again is `replaying_boxes.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evaluate.contracts import Paper
from evaluate.trajectories import TrajectoryStore
from evolve.seams import StopRequested
from experiments.bench import Bench
from experiments.parts import Piece
from experiments.replaying_boxes import place_of, replay_box
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
    tree, paper = replay.trees[piece.harness_id], replay.papers[piece.result.paper_id]
    place = place_of(piece.harness_id, piece.result.paper_id, piece.result.replicate)
    known = replay.recorded.get(piece.result.key)
    again = replay_box(replay.bench, known, tree, paper, piece.result.replicate, place)
    if again.trajectory_hash != piece.result.trajectory_hash:
        raise ReplayDifference(
            f"{place}: the trajectory on disk is not the one the journal names\n"
            f"  journal: {piece.result.trajectory_hash}\n  on disk: {again.trajectory_hash}"
        )
    return again.calls
