"""Replay at level live: fresh calls to the spec's endpoints, to see how much of a score was luck."""

from argparse import Namespace
from pathlib import Path

from evolve.seams import StopRequested
from experiments.bench import open_bench
from experiments.console import Terminal
from experiments.endpoints import build_endpoints
from experiments.exit_codes import EXIT_INTERRUPTED
from experiments.luck import Luck
from experiments.measured_parts import PreparedPart, prepare_part, trees_of
from experiments.measuring import FOLDER
from experiments.models import models_line, uses_only_testbed
from experiments.notices import NoticeLog
from experiments.opening import Target
from experiments.parts import Part, choose_part, is_whole
from experiments.replaying_lines import luck_lines
from experiments.replaying_live import OldScores, measure_again, old_scores, whole_run
from experiments.run_lines import TESTBED_MODELS, labelled
from experiments.spec_loading import read_resolved, resume_overrides
from experiments.stopping import StopSwitch, listening
from experiments.surroundings import now, read_surroundings
from experiments.text import clean_line
from populations.records import PaperResult
from populations.storage import storage_errors
from studbook.llm.meter import Totals, sum_totals

REPLICATES = 3


def replay_live(options: Namespace, target: Target, terminal: Terminal) -> int:
    whole = is_whole(target, options.paper, alone=options.alone)
    part = whole_run(target.run) if whole else choose_part(target, options.paper, alone=options.alone)
    old = old_scores(part)
    surroundings = read_surroundings()
    spec = resume_overrides(read_resolved(part.run.folder.spec), options.overrides)
    build_endpoints(spec, surroundings.variables, lambda text: None)  # a missing key is told at once
    prepared = prepare_part(part.run, spec, Path(options.papers) if options.papers else None)
    store = Path(options.runs_dir) / FOLDER / "live" / part.run.folder.name
    terminal.progress(labelled("models", clean_line(models_line(prepared.spec, TESTBED_MODELS), 800)))
    terminal.progress(labelled("kept in", clean_line(store.as_posix(), 300)))
    try:
        found, totals = _measure(part, old, prepared, options.replicates or REPLICATES, store, terminal)
    except StopRequested:
        terminal.progress("stopped; what is finished is kept: the same command goes on from there")
        return EXIT_INTERRUPTED
    if terminal.wants_json:
        live = {
            "run": part.run.folder.name,
            "level": "live",
            "harnesses": found,
            "fresh_calls": totals.calls,
            "recorded_calls": totals.recorded_calls,
        }
        terminal.json({"schema": 1, "replay": live})
    else:
        is_testbed = uses_only_testbed(prepared.spec)
        terminal.result(luck_lines(found, totals.calls, totals.recorded_calls, is_testbed=is_testbed))
    return 0


def _measure(
    part: Part, old: OldScores, prepared: PreparedPart, replicates: int, store: Path, terminal: Terminal
) -> tuple[tuple[Luck, ...], Totals]:
    with storage_errors(store, "create"):
        store.mkdir(parents=True, exist_ok=True)
    switch, display = StopSwitch(), terminal.display()
    done, total = 0, replicates * sum(len(papers) for papers in old.values())

    def finished(result: PaperResult) -> None:
        nonlocal done
        done += 1
        display.working(f"paper {done} of {total}: {result.verdict.value}")
        if switch.event.is_set():
            raise StopRequested("stopped on request")

    try:
        with (
            open_bench(
                prepared.spec,
                prepared.sandbox,
                read_surroundings().variables,
                calls=store / "calls.sqlite",
                trajectories=store / "trajectories",
                notices=NoticeLog(store / "notices.jsonl", display.notice, now),
                switch=switch,
            ) as bench,
            listening(switch, store, display.notice),
        ):
            found = measure_again(
                bench, part, old, trees_of(part), prepared.papers, replicates=replicates, on_result=finished
            )
            return found, sum_totals(bench.client.meter.snapshot())
    finally:
        display.close()
