"""The command replay: fold (nothing runs), recorded (models answer from the records), live (fresh calls)."""

from argparse import Namespace
from pathlib import Path

from studbook.errors import UsageError
from studbook.experiments.cli.terminal import EXIT_INTERRUPTED, Terminal
from studbook.experiments.replay.lines import replayed_lines
from studbook.experiments.replay.live import replay_live
from studbook.experiments.replay.parts import replay_part
from studbook.experiments.replay.recorded import Replayed, check_fold, check_fold_of_part
from studbook.experiments.replay.scope import choose_part, is_whole, pieces_of
from studbook.experiments.replay.whole import replay_whole
from studbook.experiments.run.opening import Target, open_target


def replay(options: Namespace, terminal: Terminal) -> int:
    _check_flags(options)
    target = open_target(options.target, Path(options.runs_dir))
    if options.level == "live":
        return replay_live(options, target, terminal)
    whole = is_whole(target, options.paper, alone=options.alone)
    replay_it = _replay_whole if whole else _replay_part
    done = replay_it(options, target, terminal)
    return EXIT_INTERRUPTED if done is None else _tell(done, terminal)


def _check_flags(options: Namespace) -> None:
    if options.level != "live" and (options.replicates is not None or options.overrides):
        given = "-s" if options.overrides else "--replicates"
        raise UsageError(f"{given} is for --level live: the other levels repeat what was recorded")
    if options.replicates is not None and options.replicates < 1:
        raise UsageError(f"--replicates {options.replicates}: at least 1")


def _replay_whole(options: Namespace, target: Target, terminal: Terminal) -> Replayed | None:
    if options.level == "fold":
        return check_fold(target.run)
    return replay_whole(target.run, _papers(options), terminal)


def _replay_part(options: Namespace, target: Target, terminal: Terminal) -> Replayed | None:
    part = choose_part(target, options.paper, alone=options.alone)
    if options.level == "fold":
        return check_fold_of_part(part, pieces_of(part))
    return replay_part(part, _papers(options), terminal)


def _papers(options: Namespace) -> Path | None:
    return Path(options.papers) if options.papers else None


def _tell(done: Replayed, terminal: Terminal) -> int:
    if terminal.wants_json:
        terminal.json({"schema": 1, "replay": done, "identical": True})
    else:
        terminal.result(replayed_lines(done))
    return 0
