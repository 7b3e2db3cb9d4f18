"""Puts the report of a run together: reads the run, makes the view, writes one file."""

from pathlib import Path

from evaluate.splits import SPLIT_NAMES
from experiments.models import uses_only_testbed
from experiments.opening import OpenedRun, is_being_written
from experiments.report import ReportView, report_html
from experiments.spec_loading import read_resolved
from experiments.views import (
    confirmed_rate,
    curve,
    failure_counts,
    iteration_views,
    lineage_steps,
    pooled_rate,
    run_summary,
    sealed_difference,
    verdict_counts,
)
from populations.events import Purpose
from populations.family import tree_rows
from populations.file_diff import diff_files
from populations.population import SEED_ID
from populations.storage import atomic_write


def write_report(run: OpenedRun, path: Path) -> None:
    atomic_write(path, report_html(report_view(run)).encode("utf-8"))


def report_view(run: OpenedRun) -> ReportView:
    population, start = run.population, run.start
    spec = read_resolved(run.folder.spec)
    best = population.best_id
    champion = population.champion
    return ReportView(
        run=run.folder.name,
        state=run_summary(run.folder.name, population, is_being_written(run.folder)).state,
        models=tuple(sorted(start.models.items())),
        is_testbed=uses_only_testbed(spec),
        sandbox=start.sandbox,
        contains_hostile_code=start.contains_hostile_code,
        splits={name: len(start.splits[name]) for name in SPLIT_NAMES if name in start.splits},
        evaluator_hash=start.evaluator_hash,
        iterations=iteration_views(population, spec.search.iterations),
        verdicts=verdict_counts(population),
        curve=curve(population),
        tree=tree_rows(population),
        lineage=lineage_steps(population, best) if best in population.mutants else (),
        best_id=best,
        champion_id=champion.harness_id if champion else None,
        champion_reason=champion.reason if champion else "the run has not come to its end yet",
        champion_test=pooled_rate(population, champion.harness_id if champion else best, Purpose.TEST),
        seed_test=pooled_rate(population, SEED_ID, Purpose.TEST),
        champion_confirmed=confirmed_rate(
            population, champion.harness_id if champion else best, Purpose.TEST
        ),
        seed_confirmed=confirmed_rate(population, SEED_ID, Purpose.TEST),
        test_difference=sealed_difference(population),
        seed_validation=population.as_of(0).tally(SEED_ID).observed,
        diff=winning_diff(run),
        failures=tuple(
            (name, failure_counts(run.evaluations(), name)) for name in dict.fromkeys([SEED_ID, best])
        ),
    )


def winning_diff(run: OpenedRun) -> str:
    """Seed to best as one unified diff; "" while there is nothing to compare."""
    best = run.population.best_id
    if best == SEED_ID or best not in run.population.mutants:
        return ""
    before, after = run.read_tree(SEED_ID), run.read_tree(best)
    parts: list[str] = []
    for file in diff_files(before.files, after.files):
        parts += file.lines or [f"{file.path}: {file.change} (not text)"]
    return "\n".join(parts)
