"""Replay of harnesses or papers at level recorded: their boxes run again, models answer from the records."""

import tempfile
from pathlib import Path

from evaluate.trajectories import TrajectoryStore
from evolve.seams import StopRequested
from experiments.bench import open_bench
from experiments.commands.replaying_whole import replayed_spec
from experiments.console import Terminal
from experiments.measured_parts import prepare_part, trees_of
from experiments.notices import NoticeLog
from experiments.parts import Part, pieces_of
from experiments.replaying import Replayed, replayed_part
from experiments.replaying_parts import PartReplay, replay_pieces
from experiments.spec_loading import read_resolved
from experiments.stopping import StopSwitch, listening
from experiments.surroundings import now


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
