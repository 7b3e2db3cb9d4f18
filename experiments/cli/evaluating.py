"""Commands about single harnesses: evaluate one, create a starter."""

import shlex
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from rich.text import Text

from studbook.errors import CorpusError, StudbookError, UsageError
from studbook.evaluate.evaluations import Summary
from studbook.evaluate.near_duplicate_papers import find_near_duplicates
from studbook.evaluate.papers import Corpus, read_corpus
from studbook.evolve.contracts import StopRequested
from studbook.experiments.cli.command import PLUGINS, RUNS, SANDBOX, SET, command, flag
from studbook.experiments.cli.running import checked_sandbox, consent_of
from studbook.experiments.cli.terminal import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, Terminal
from studbook.experiments.library.working import FoundHarness, evaluation_store, find_harness
from studbook.experiments.outputs import Output, opened_output
from studbook.experiments.run.corpus import near_duplicates_note, skipped_note
from studbook.experiments.run.dotenv import source_of
from studbook.experiments.run.environment import read_user_environment
from studbook.experiments.run.lengths import fit_corpus, fit_spec
from studbook.experiments.run.measuring import (
    FIRST_KEYS,
    Breakdown,
    Measured,
    evaluate_harness,
    example_lines,
)
from studbook.experiments.run.models import models_line, open_endpoints
from studbook.experiments.run.plugins import plugging
from studbook.experiments.run.stopping import StopSwitch, listening
from studbook.experiments.spec.loading import TEMPLATE, bundled_harnesses, left_out_note, parse_override
from studbook.experiments.spec.model import Spec
from studbook.experiments.views.lines import TESTBED_MODELS, confirmed_words, labelled, line, notice_line
from studbook.experiments.views.text import clean_block, clean_line, count, duration
from studbook.harnesses.folder import read_harness, write_harness
from studbook.populations.storage import atomic_write
from studbook.rate import Rate
from studbook.sandbox.contract import StatedSandbox

MOST, LAST, WIDEST = 3, 6, 160
"""Limits on what is shown: distinct breakdowns, lines of stderr, characters per line. --json has all."""


def summary_lines(summary: Summary, seconds: float) -> list[Text]:
    papers = f"{count(summary.papers, 'paper')} × {count(summary.replicates, 'replicate')}"
    failures = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in summary.failures.items())
    verdicts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in summary.verdicts.items())
    tokens = summary.usage.prompt_tokens + summary.usage.completion_tokens
    lines = [
        labelled("passed", f"{summary.rate}, {papers}"),
        *confirmed_lines(summary.confirmed),
        labelled("weak", _averages(summary.weak_average, summary.accepted_weak_average)),
        labelled("strong", _averages(summary.strong_average, summary.accepted_strong_average)),
        labelled("gap", f"{_share(summary.gap)} over accepted rounds"),
        labelled(
            "rounds", f"{summary.rounds:,}; {_number(summary.rounds_per_accepted)} per accepted example"
        ),
        labelled("failures", failures or "no round failed"),
        labelled("papers", verdicts),
        labelled("work", f"{count(summary.calls, 'call')}, {count(tokens, 'token')}, {duration(seconds)}"),
    ]
    if summary.unreadable_by_role:
        shares = (
            f"{role} {number:,} of {count(summary.calls_by_role[role], 'reply', 'replies')}"
            for role, number in summary.unreadable_by_role.items()
        )
        lines.append(labelled("replies", f"unreadable: {', '.join(shares)}", "yellow"))
    tampering = summary.hidden_characters + summary.defused_marks + summary.attempts
    if tampering or summary.refused_requests:
        lines.append(
            labelled(
                "tried",
                f"{summary.hidden_characters} hidden characters (removed), "
                f"{summary.defused_marks} forged tags (neutralized), "
                f"{summary.refused_requests} refused requests, {summary.attempts} passages that may address "
                "the solver, judge or verifier (a hint: screening misses most disguises)",
                "yellow",
            )
        )
    return lines


def confirmed_lines(confirmed: Rate) -> list[Text]:
    """Empty if nothing was accepted or if rechecks are off."""
    return [labelled("fresh", confirmed_words(confirmed))] if confirmed.n else []


def breakdown_lines(breakdowns: Sequence[Breakdown]) -> list[Text]:
    """Why papers got no verdict from the evaluator: the first thing a harness author looks for."""
    lines: list[Text] = []
    for each in breakdowns[:MOST]:
        first = clean_line(each.first, 60)
        where = first if each.times == 1 else f"{each.times} times, first on {first}"
        lines.append(labelled("why", f"{clean_line(each.reason, 400)} ({where})", "yellow"))
        last = clean_block(each.errors).splitlines()[-LAST:]
        lines += [line((f"{'':<9}{told[:WIDEST]}", "dim")) for told in last]
    return lines


def _averages(over_all: Fraction | None, over_accepted: Fraction | None) -> str:
    """Rounds that never reached these solvers are excluded."""
    return f"{_share(over_all)} over all rounds, {_share(over_accepted)} over accepted ones"


def _share(value: Fraction | None) -> str:
    return "–" if value is None else f"{float(value):.3f}"


def _number(value: Fraction | None) -> str:
    return "–" if value is None else f"{float(value):.1f}"


@command(
    "studbook evaluate agentic_self_instruct --papers papers --replicates 2",
    flag("harness", metavar="HARNESS", help="a directory, the name of a bundled harness, or RUN:HARNESS"),
    flag("--papers", metavar="PATH", required=True, help="a directory or file of papers (.md, .txt)"),
    flag("--replicates", metavar="N", type=int, default=1, help="evaluations of each paper (default: 1)"),
    flag("--limit", metavar="N", type=int, help="only the first N papers, by file name"),
    flag("--out", metavar="FILE", help="write the accepted examples to this file, as JSONL"),
    flag("--spec", metavar="SPEC", help="take models, evaluator, sandbox and seed from this spec"),
    SET,
    SANDBOX,
    PLUGINS,
    RUNS,
)
def evaluate(options: Namespace, terminal: Terminal) -> int:
    if options.replicates < 1:
        raise UsageError(f"--replicates {options.replicates}: must be at least 1")
    with (
        opened_output(Path(options.out), FIRST_KEYS) if options.out else nullcontext() as out,
        plugging(options.plugins, spec=options.spec),
    ):
        shown = terminal if out is None else replace(terminal, has_no_stdout=out.is_stdout)
        return _evaluate(options, shown, out)


def _evaluate(options: Namespace, terminal: Terminal, out: Output | None) -> int:
    runs_dir = Path(options.runs_dir)
    user = read_user_environment()
    named = [] if options.sandbox is None else [f"sandbox={options.sandbox}"]
    spec = user.load(options.spec, [*options.overrides, *named], terminal.progress)
    found = find_harness(options.harness, runs_dir)
    harness = found.tree
    left_out = left_out_note(options.harness)
    with open_endpoints(spec, user.variables, lambda text: None) as endpoints:
        spec = fit_spec(spec, endpoints, harness.manifest.roles)
    corpus, too_long = fit_corpus(read_corpus(Path(options.papers)), spec.corpus)
    corpus = limited(corpus, options.limit)
    alike = near_duplicates_note(find_near_duplicates(corpus.papers))
    store = evaluation_store(runs_dir)
    switch, display = StopSwitch(), terminal.display(spec.display.name, spec.display.params)
    sandbox = _open_sandbox(found, spec, options)
    for told in (
        labelled("harness", clean_line(f"{harness.manifest.name} ({options.harness})")),
        labelled("models", clean_line(models_line(spec, TESTBED_MODELS), 800)),
        labelled("sandbox", clean_line(sandbox.statement, 400)),
        labelled("papers", count(len(corpus.papers), "paper")),
        *(notice_line(note) for note in (left_out, skipped_note(corpus.skipped), too_long, alike) if note),
    ):
        terminal.progress(told)
    try:
        with listening(switch, store, display.notice):
            measured = evaluate_harness(
                spec,
                sandbox,
                user.variables,
                harness,
                corpus.papers,
                options.replicates,
                store=store,
                display=display,
                switch=switch,
            )
    except StopRequested:
        display.close()
        terminal.progress("stopped; finished work is saved: run the same command again to continue")
        return EXIT_INTERRUPTED
    finally:
        display.close()
    place, problem = _write_examples(measured, out, store)
    if terminal.wants_json:
        summary = {**measured.summary.to_json(), "seconds": round(measured.seconds, 3)}
        terminal.json(
            {
                "schema": 1,
                "harness": harness.manifest.name,
                "summary": summary,
                "breakdowns": measured.breakdowns,
                "accepted": place.as_posix(),
            }
        )
    else:
        terminal.result(summary_lines(measured.summary, measured.seconds))
        terminal.result(breakdown_lines(measured.breakdowns))
        terminal.result([labelled("accepted", f"{count(len(measured.examples), 'example')} in {place}")])
    if problem:
        terminal.error(f"{problem}\n  the examples are in {place} instead")
    return EXIT_FAILED if problem else EXIT_DONE


def _write_examples(measured: Measured, out: Output | None, store: Path) -> tuple[Path, str]:
    """Where they were written, and what prevented another place: what was paid for is kept."""
    content, kept = example_lines(measured.examples), store / f"{measured.name}.jsonl"
    problem = ""
    if out is not None:
        try:
            out.write(content)
            return out.named, ""
        except StudbookError as error:
            problem = str(error).splitlines()[0]
    atomic_write(kept, content)
    return kept, problem


def _open_sandbox(found: FoundHarness, spec: Spec, options: Namespace) -> StatedSandbox:
    """With `-s sandbox=…` or --sandbox the user has chosen its kind for this harness; a spec has not."""
    given = [parse_override(text) for text in options.overrides]
    chosen = source_of(("sandbox", "kind"), given) is not None
    kind = spec.sandbox.kind if chosen and spec.sandbox.kind != "auto" else checked_sandbox(options.sandbox)
    if found.run is None:
        return found.open_sandbox(spec.sandbox, named=kind)
    consent = consent_of(options, found.run.folder, found.run.provenance)
    return found.open_sandbox(spec.sandbox, named=kind, command=consent.command, adopting=consent.adopting)


def limited(corpus: Corpus, limit: int | None) -> Corpus:
    if limit is None:
        return corpus
    if limit < 1:
        raise CorpusError(f"--limit {limit}: must be at least 1")
    return Corpus(papers=corpus.papers[:limit], skipped=corpus.skipped)


@command(
    "studbook init my-harness",
    flag("folder", metavar="DIR", help="a directory that does not exist yet, or is empty"),
)
def init(options: Namespace, terminal: Terminal) -> int:
    folder = Path(options.folder)
    pasted = shlex.quote(folder.as_posix())
    write_harness(read_harness(bundled_harnesses()[TEMPLATE]), folder)
    if terminal.wants_json:
        terminal.json({"schema": 1, "folder": folder.as_posix()})
    else:
        terminal.result([f"created a starter harness in {folder}: read {pasted}/agent.py, then change it"])
        terminal.progress(f"evaluate it: studbook evaluate {pasted} --papers PAPERS")
    return 0
