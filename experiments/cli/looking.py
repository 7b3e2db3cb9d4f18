"""Read-only commands for inspecting runs: ls, show, tree, lineage, diff.

Imports are kept few: importing everything takes longer than reading a population of thousands of iterations.
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from studbook.errors import IntegrityError, PluginError
from studbook.experiments.cli.command import RUN, RUNS, TARGET, command, flag
from studbook.experiments.cli.terminal import Terminal
from studbook.experiments.library.reading import Run, results_on
from studbook.experiments.run.costs import cost_lines, paid_by_role, read_costs
from studbook.experiments.run.opening import OpenedRun, find_paper, list_runs, open_run, open_target
from studbook.experiments.views.lines import (
    canary_line,
    change_words,
    harness_lines,
    iteration_lines,
    line,
    lineage_line,
    summary_blocks,
    summary_lines,
    tree_lines,
)
from studbook.experiments.views.text import clean_block, clean_inline, clean_line, count
from studbook.experiments.views.views import (
    RunSummary,
    failure_counts,
    harness_view,
    iteration_views,
    lineage_steps,
)
from studbook.llm.meter import sum_totals
from studbook.populations.diff import (
    FileDiff,
    HarnessDiff,
    PaperChange,
    PaperDiff,
    ScoreDiff,
)
from studbook.populations.family import tree_rows

if TYPE_CHECKING:
    from studbook.experiments.run.expected import Forecast

CHANGES = {
    PaperChange.REGRESSED: ("✗", "red"),
    PaperChange.FIXED: ("✓", "green"),
    PaperChange.STILL_FAILING: ("·", "dim"),
    PaperChange.UNCHANGED: ("=", "dim"),
    PaperChange.NOT_COMPARABLE: ("?", "dim"),
}


def diff_lines(before: str, after: str, files: Sequence[FileDiff], scores: HarnessDiff | None) -> list[Text]:
    """`scores` is None for harnesses of different runs, whose papers and random seeds differ."""
    lines = [line((f"{clean_line(before)} → {clean_line(after)}", "bold")), Text()]
    for file in files:
        lines += [*_file_lines(file), Text()]
    if not files:
        lines += [Text("the files are the same"), Text()]
    if scores is None:
        return [
            *lines,
            Text("scores of different runs are not compared: their papers and random seeds differ"),
        ]
    lines += [line(("Papers (validation)", "bold")), *_paper_lines(scores.papers), Text()]
    return [*lines, line(("Score", "bold")), *_score_lines(scores.score)]


def _file_lines(file: FileDiff) -> list[Text]:
    head = line((f"{clean_line(file.path, 200)} ({file.change})", "bold"))
    if file.is_binary:
        return [head, Text("  not text")]
    return [head, *(_diff_line(each) for each in file.lines)]


def _diff_line(text: str) -> Text:
    style = (
        "green"
        if text.startswith("+")
        else "red"
        if text.startswith("-")
        else "dim"
        if text[:1] == "@"
        else ""
    )
    return line((clean_inline(text), style))


def _paper_lines(papers: Sequence[PaperDiff]) -> list[Text]:
    lines = []
    for change, (glyph, style) in CHANGES.items():
        group = [paper for paper in papers if paper.change is change]
        if not group:
            continue
        lines.append(line((f"{glyph} {change}: {count(len(group), 'paper')}", style)))
        if change in {PaperChange.REGRESSED, PaperChange.FIXED}:
            lines += [Text(f"    {paper.paper_id}  {paper.before} → {paper.after}") for paper in group]
    return lines or [Text("neither was evaluated on any paper")]


def _score_lines(score: ScoreDiff) -> list[Text]:
    lines = [
        Text(f"before  {score.before}"),
        Text(f"after   {score.after}"),
        Text(f"change  {change_words(score)}"),
    ]
    if score.rests_on_stopped:
        lines.append(
            Text("note    some evaluations were stopped early, so the change looks larger than it is")
        )
    return lines


@command("studbook ls", RUNS)
def ls(options: Namespace, terminal: Terminal) -> int:
    """A damaged run is listed as such and does not hide the others."""
    summaries: list[RunSummary] = []
    damaged = 0
    for folder in list_runs(Path(options.runs_dir)):
        try:
            summaries.append(_summary(open_run(folder.name, Path(options.runs_dir))))
        except IntegrityError as error:
            damaged += 1
            terminal.error(str(error))
    if terminal.wants_json:
        terminal.json({"schema": 1, "runs": summaries})
    elif summaries:
        _tell_summaries(summaries, terminal)
    else:
        terminal.result([f"no runs in {options.runs_dir}; start one with: studbook run quickstart"])
    return 1 if damaged else 0


@command(
    "studbook show quickstart-1:best",
    TARGET,
    flag("paper", metavar="PAPER", nargs="?", help="a paper's id or a prefix of it: show its trajectory"),
    RUNS,
)
def show(options: Namespace, terminal: Terminal) -> int:
    target = open_target(options.target, Path(options.runs_dir))
    if options.paper is not None:
        return _show_paper(target.run, target.get_harness(), options.paper, terminal)
    if target.harness_id is None:
        return _show_run(target.run, terminal)
    view = harness_view(target.run.population, target.harness_id)
    if terminal.wants_json:
        terminal.json({"schema": 1, "run": target.run.folder.name, "harness": view})
    else:
        terminal.result(harness_lines(view))
    return 0


@command("studbook tree quickstart-1", RUN, RUNS)
def tree(options: Namespace, terminal: Terminal) -> int:
    rows = tree_rows(open_run(options.run, Path(options.runs_dir)).population)
    if terminal.wants_json:
        terminal.json({"schema": 1, "run": options.run, "harnesses": rows})
    else:
        terminal.result(tree_lines(rows) or ["the seed has not been evaluated yet"])
    return 0


@command("studbook lineage quickstart-1:best", TARGET, RUNS)
def lineage(options: Namespace, terminal: Terminal) -> int:
    target = open_target(options.target, Path(options.runs_dir))
    steps = lineage_steps(target.run.population, target.get_harness())
    if terminal.wants_json:
        terminal.json({"schema": 1, "run": target.run.folder.name, "lineage": steps})
    else:
        terminal.result(lineage_line(depth, step) for depth, step in enumerate(steps))
    return 0


@command(
    "studbook diff quickstart-1:seed quickstart-1:best",
    flag("before", metavar="A", help="RUN:HARNESS, like quickstart-1:seed"),
    flag(
        "after",
        metavar="B",
        help="RUN:HARNESS, or just HARNESS for the same run; across runs only files are compared",
    ),
    RUNS,
)
def diff(options: Namespace, terminal: Terminal) -> int:
    before = open_target(options.before, Path(options.runs_dir))
    after = open_target(options.after, Path(options.runs_dir), same_run=before.run)
    first, second = (Run.of(target.run).harness(target.get_harness()) for target in (before, after))
    found = second.diff(first)
    if terminal.wants_json:
        told = {"before": found.before, "after": found.after, "files": [*found.files], "scores": found.scores}
        terminal.json({"schema": 1, **told})
    elif found.scores is None:
        terminal.verbatim(diff_lines(found.before, found.after, found.files, None))
    else:  # within one run, leave out its name
        heads = (found.scores.before_id, found.scores.after_id)
        terminal.verbatim(diff_lines(*heads, found.files, found.scores))
    return 0


def _tell_summaries(summaries: list[RunSummary], terminal: Terminal) -> None:
    table = summary_lines(summaries)
    terminal.result(table if terminal.fits(table) else summary_blocks(summaries))


def _summary(run: OpenedRun) -> RunSummary:
    return Run.of(run).summary


def _show_run(run: OpenedRun, terminal: Terminal) -> int:
    summary = _summary(run)
    rows = iteration_views(run.population)
    failures = failure_counts(run.evaluations_of(summary.best_id), summary.best_id)
    costs = read_costs(run)
    canary = run.population.start.canary if run.population.start else ()
    expected = _forecast(run)
    if terminal.wants_json:
        told = {"run": summary, "iterations": rows, "best_failures": failures, "costs": costs}
        told |= {"canary": canary, "expected": expected}
        terminal.json({"schema": 1, **told})
        return 0
    _tell_summaries([summary], terminal)
    finish = run.population.finish
    if finish is not None and run.population.champion is None:
        terminal.result(["", f"no champion: {clean_line(finish.reason)}"])
    terminal.result(["", *(line for row in rows for line in iteration_lines(row))])
    if failures:
        counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in failures.items())
        terminal.result(["", f"rounds of {summary.best_id} that were not accepted: {counts}"])
    terminal.result(["", *cost_lines(costs)] if costs else [])
    if canary:
        terminal.result(["", "before the run, on planted cases with known answers:"])
        terminal.result(f"  {canary_line(score)}" for score in canary)
    if expected is not None:
        from studbook.experiments.run.expected import forecast_words  # see _forecast

        terminal.result([forecast_words(expected, costs[-1].dollars)])
    return 0


def _forecast(run: OpenedRun) -> "Forecast | None":
    """What the whole run will cost; None if it is finished, has paid for nothing, or is incomplete.

    None as well if a plug-in is needed that is not here, or is somebody else's.
    """
    paid = paid_by_role(run)
    if run.population.finish is not None or not sum_totals(paid).dollars or not run.folder.spec.is_file():
        return None
    from studbook.evaluate.trajectories import TrajectoryStore  # imported here: only unfinished runs that
    from studbook.experiments.run.expected import forecast  # cost something need the evaluator
    from studbook.experiments.run.plugins import distrusting
    from studbook.experiments.run.provenance import provenance_of
    from studbook.experiments.spec.loading import read_resolved

    store = TrajectoryStore(run.folder.trajectories)
    try:
        with distrusting(is_own=provenance_of(run.folder, run.head).is_own):
            return forecast(read_resolved(run.folder.spec), run.population, paid, store.count())
    except PluginError:  # its code is not here, or not to be imported
        return None


def _show_paper(run: OpenedRun, harness_id: str, text: str, terminal: Terminal) -> int:
    """Every trajectory of this harness on the paper, in journal order.

    Indented, so that no line of a harness's or a model's text can pass for one of ours.
    """
    from studbook.evaluate.trajectories import (  # imported here because
        TrajectoryStore,  # the other commands do not need the evaluator
        render_confirmation,
        render_for_analyzer,
    )

    paper_id = find_paper(text, run)
    found = results_on(run, harness_id, paper_id)
    store = TrajectoryStore(run.folder.trajectories)
    if terminal.wants_json:
        trajectories = [store.get(result.key) for _, result in found]
        terminal.json({"schema": 1, "harness": harness_id, "paper": paper_id, "trajectories": trajectories})
        return 0
    for event, result in found:
        title = f"{event.purpose}, iteration {event.iteration}, replicate {result.replicate}: "
        terminal.result([line((title, "bold"), clean_line(f"{result.verdict.value}, {result.reason}", 300))])
        trajectory = store.get(result.key)
        told = "\n".join([render_for_analyzer(trajectory), *render_confirmation(trajectory)])
        terminal.verbatim(f"  {each}" for each in clean_block(told).splitlines())
        terminal.result([""])
    return 0
