"""A whole run carried out again from its records, in a scratch folder, event by event."""

import tempfile
from dataclasses import replace
from pathlib import Path

from studbook.errors import ReplayDifference
from studbook.evolve.loop import EndReason
from studbook.experiments.cli.terminal import Terminal
from studbook.experiments.replay.boxes import WatchedEvaluator
from studbook.experiments.replay.recorded import AllReplayed, CheckedLedger, Replayed, check_lineage
from studbook.experiments.replay.scope import check_evaluator, find_papers
from studbook.experiments.run.execute import (
    Prepared,
    carry_out,
    opened_job,
    prepare,
    read_seed,
    write_beginning,
)
from studbook.experiments.run.opening import OpenedRun
from studbook.experiments.run.stopping import StopSwitch, listening
from studbook.experiments.spec.loading import read_resolved
from studbook.experiments.spec.model import BudgetSpec, Spec
from studbook.llm.meter import sum_totals
from studbook.populations.events import SearchEnded
from studbook.populations.layout import RunFolder


def replay_whole(run: OpenedRun, papers: Path | None, terminal: Terminal) -> Replayed | None:
    """Raises ReplayDifference at the first difference; None when the user interrupted it.

    `papers`: where they lie now, if not where the spec says.
    """
    check_lineage(run)
    spec = read_resolved(run.folder.spec)
    found = find_papers(run, spec, papers)
    check_evaluator(run, spec)
    prepared = prepare(replayed_spec(spec, run), {}, read_seed(run.folder), replayed=run.start, papers=found)
    with tempfile.TemporaryDirectory(prefix="studbook-replay-") as scratch:
        return _carried_out(run, prepared, RunFolder(Path(scratch) / run.folder.name), terminal)


def _carried_out(
    run: OpenedRun, prepared: Prepared, scratch: RunFolder, terminal: Terminal
) -> Replayed | None:
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
            watched = WatchedEvaluator(job.bench, run)
            ending = carry_out(
                replace(
                    job,
                    bench=replace(job.bench, evaluator=watched),
                    ledger=ledger,
                    watcher=job.watcher.over(ledger),
                    legs=legs_of(run),
                )
            )
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
    """The same experiment without a budget, as far as it came: a replay pays nothing."""
    search = spec.search.model_copy(update={"iterations": run.population.iterations_done, "patience": None})
    return spec.model_copy(update={"budget": BudgetSpec(), "search": search})


def legs_of(run: OpenedRun) -> tuple[SearchEnded, ...]:
    """Where its search ended; more than one where a larger budget let it go on."""
    events = (entry.event for entry in run.entries if entry.kind == "search_ended")
    return tuple(event for event in events if isinstance(event, SearchEnded))
