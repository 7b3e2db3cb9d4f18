"""Replay of parts: chosen boxes of a run, run again one by one and compared with their recorded trajectories.

How a box is run again is `replaying_boxes.py`.

Replay of harnesses or papers at level recorded: their boxes run again, models answer from the records.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import ReplayDifference
from studbook.evaluate.contracts import Paper
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.evolve.contracts import StopRequested
from studbook.experiments.cli.terminal import Terminal
from studbook.experiments.replay.boxes import place_of, replay_box
from studbook.experiments.replay.recorded import Replayed, replayed_part
from studbook.experiments.replay.scope import Part, Piece, pieces_of, prepare_part, trees_of
from studbook.experiments.replay.whole import replayed_spec
from studbook.experiments.run.bench import Bench, open_bench
from studbook.experiments.run.environment import now
from studbook.experiments.run.notices import NoticeLog
from studbook.experiments.run.stopping import StopSwitch, listening
from studbook.experiments.spec.loading import read_resolved
from studbook.harnesses.tree import HarnessTree


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


def replay_part(part: Part, papers: Path | None, terminal: Terminal) -> Replayed | None:
    """Raises ReplayDifference at the first difference; None when the user interrupted it."""
    pieces = pieces_of(part)
    spec = replayed_spec(read_resolved(part.run.folder.spec), part.run)
    prepared = prepare_part(part.run, spec, papers)
    switch, display = StopSwitch(), terminal.display()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="studbook-replay-") as scratch,
            open_bench(
                prepared.spec,
                prepared.sandbox,
                prepared.origin,
                {},
                calls=None,
                trajectories=Path(scratch) / "trajectories",
                notices=NoticeLog(Path(scratch) / "notices.jsonl", display.notice, now),
                switch=switch,
                replay_from=part.run.folder.calls,
            ) as bench,
            listening(switch, Path(scratch), display.notice),
        ):
            replay = PartReplay(
                bench=bench,
                recorded=TrajectoryStore(part.run.folder.trajectories),
                trees=trees_of(part),
                papers=prepared.papers,
                switch=switch,
            )
            calls = replay_pieces(
                replay, pieces, lambda done: display.working(f"paper {done} of {len(pieces)}: identical")
            )
    except StopRequested:
        return None
    finally:
        display.close()
    return replayed_part(part, pieces, "recorded", calls)
