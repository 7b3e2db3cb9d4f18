"""The command replay: fold (nothing runs) or recorded (all runs again, models answer from the records)."""

import math
import tempfile
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evolve.loop import EndReason
from experiments.assembly import opened_job, prepare, read_seed, write_beginning
from experiments.carrying_out import WORDS, carry_out
from experiments.console import Terminal
from experiments.opening import OpenedRun, open_run
from experiments.replaying import AllReplayed, CheckedLedger, Replayed, check_fold
from experiments.spec import Spec
from experiments.spec_loading import read_resolved
from experiments.stopping import StopSwitch, listening
from experiments.text import count
from populations.layout import RunFolder
from studbook.errors import ReplayDifference
from studbook.llm.meter import sum_totals

EXIT_INTERRUPTED = 130


def replay(options: Namespace, terminal: Terminal) -> int:
    run = open_run(options.run, Path(options.runs_dir))
    if options.level == "fold":
        return _tell(check_fold(run), terminal)
    with tempfile.TemporaryDirectory(prefix="studbook-replay-") as scratch:
        done = _replay_recorded(run, RunFolder(Path(scratch) / run.folder.name), terminal)
    return EXIT_INTERRUPTED if done is None else _tell(done, terminal)


def _replay_recorded(run: OpenedRun, scratch: RunFolder, terminal: Terminal) -> Replayed | None:
    """Raises ReplayDifference at the first difference; None when the user interrupted it."""
    spec = read_resolved(run.folder.spec)
    prepared = prepare(replayed_spec(spec, run), {}, read_seed(run.folder), is_replay=True)
    scratch.create()
    write_beginning(scratch, prepared)
    recorded = run.entries
    switch, display = StopSwitch(), terminal.display()
    try:
        with (
            opened_job(
                scratch,
                prepared,
                {},
                display,
                switch,
                replay_from=run.folder.calls,
            ) as job,
            listening(switch, scratch.root, display.notice),
        ):
            ledger = CheckedLedger(job.ledger, recorded)
            clock = replay_clock(ledger, run, spec)
            ending = carry_out(replace(job, ledger=ledger, watcher=job.watcher.over(ledger), clock=clock))
            answered = sum_totals(job.bench.client.meter.snapshot()).recorded_calls
    finally:
        display.close()
    if isinstance(ending.error, AllReplayed) or ledger.matched == len(recorded):
        return _replayed(run, ledger, answered)
    if ending.reason is EndReason.STOPPED:
        return None
    if ending.error is not None:
        raise ending.error
    raise ReplayDifference(
        f"the replay ended after {ledger.matched} of {len(recorded)} recorded events\n"
        f"  the next recorded one: {recorded[ledger.matched].kind}"
    )


def _replayed(run: OpenedRun, ledger: CheckedLedger, answered: int) -> Replayed:
    results = {
        (each.harness_id, each.replicate, paper)
        for each in ledger.population.evaluations
        for paper, _ in each.verdicts
    }
    return Replayed(
        run=run.folder.name,
        level="recorded",
        events=ledger.matched,
        harnesses=len(ledger.population.mutants),
        trajectories=len(results),
        calls=answered,
        head=ledger.head,
    )


def replayed_spec(spec: Spec, run: OpenedRun) -> Spec:
    """The same experiment without a budget: a replay pays nothing. But hours may have ended it."""
    ended_late = run.population.finish is not None and run.population.finish.reason == WORDS[EndReason.HOURS]
    budget = spec.budget.model_copy(
        update={"dollars": None, "calls": None, "tokens": None, "hours": 1.0 if ended_late else None}
    )
    return spec.model_copy(update={"budget": budget})


def replay_clock(ledger: CheckedLedger, run: OpenedRun, spec: Spec) -> Callable[[], float]:
    """Time stands still until the recorded iterations are under way; then the hours, if any, are over."""
    recorded = run.population.iterations_done

    def clock() -> float:
        return math.inf if ledger.population.iterations_done + spec.search.lag > recorded else 0.0

    return clock


def _tell(done: Replayed, terminal: Terminal) -> int:
    if terminal.wants_json:
        terminal.json({"schema": 1, "replay": done, "identical": True})
        return 0
    what = (
        "read and proved; nothing was run"
        if done.level == "fold"
        else "run again in the sandbox; every model call was answered from the records, none was paid"
    )
    counts = [
        count(done.events, "event"),
        count(done.harnesses, "harness", "harnesses"),
        count(done.trajectories, "trajectory", "trajectories"),
        count(done.calls, "recorded call"),
    ]
    lines = [f"✓ {done.run} is identical: {what}", f"  {', '.join(counts)}", f"  journal head {done.head}"]
    terminal.result(lines)
    return 0
