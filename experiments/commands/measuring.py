"""Commands about single harnesses: evaluate one, begin a new one."""

import time
from argparse import Namespace
from pathlib import Path

from evaluate.papers import Corpus, read_corpus
from evolve.seams import StopRequested
from experiments.bench import open_bench
from experiments.console import Terminal
from experiments.corpus import skipped_note
from experiments.exit_codes import EXIT_INTERRUPTED
from experiments.measuring import FOLDER, default_path, measure, write_examples
from experiments.measuring_lines import breakdown_lines, summary_lines
from experiments.models import models_line
from experiments.notices import NoticeLog
from experiments.opening import open_target
from experiments.run_lines import TESTBED_MODELS, labelled, notice_line
from experiments.sandboxes import open_clean_sandbox
from experiments.spec_loading import application_root
from experiments.stopping import StopSwitch, listening
from experiments.surroundings import now, read_surroundings
from experiments.text import clean_line, count
from harnesses.folder import read_harness, write_harness
from harnesses.tree import HarnessTree
from populations.storage import storage_errors
from studbook.errors import CorpusError, UsageError

TEMPLATE = Path("harnesses") / "new_harness"


def evaluate(options: Namespace, terminal: Terminal) -> int:
    if options.replicates < 1:
        raise UsageError(f"--replicates {options.replicates}: at least 1")
    surroundings = read_surroundings()
    spec = surroundings.load(options.spec, options.overrides)
    harness = find_harness(options.harness, Path(options.runs_dir))
    corpus = limited(read_corpus(Path(options.papers)), options.limit)
    store = Path(options.runs_dir) / FOLDER
    with storage_errors(store, "create"):
        store.mkdir(parents=True, exist_ok=True)
    switch, display = StopSwitch(), terminal.display()
    sandbox = open_clean_sandbox(spec.sandbox)
    for line in (
        labelled("harness", clean_line(f"{harness.manifest.name} ({options.harness})")),
        labelled("models", clean_line(models_line(spec, TESTBED_MODELS), 800)),
        labelled("sandbox", clean_line(sandbox.statement, 200)),
        labelled("papers", count(len(corpus.papers), "paper")),
        *([notice_line(skipped_note(corpus.skipped))] if corpus.skipped else []),
    ):
        terminal.progress(line)
    began = time.monotonic()
    try:
        with (
            open_bench(
                spec,
                sandbox,
                surroundings.variables,
                calls=store / "calls.sqlite",
                trajectories=store / "trajectories",
                notices=NoticeLog(store / "notices.jsonl", display.notice, now),
                switch=switch,
            ) as bench,
            listening(switch, store, display.notice),
        ):
            measured = measure(bench, harness, corpus.papers, options.replicates, display)
            fallback = default_path(Path(options.runs_dir), harness, bench, corpus.papers, options.replicates)
    except StopRequested:
        display.close()
        terminal.progress("stopped; what is finished is kept: the same command goes on from there")
        return EXIT_INTERRUPTED
    finally:
        display.close()
    seconds = time.monotonic() - began
    out = Path(options.out) if options.out else fallback
    write_examples(out, measured.examples)
    if terminal.wants_json:
        summary = {**measured.summary.to_json(), "seconds": round(seconds, 3)}
        terminal.json(
            {
                "schema": 1,
                "harness": harness.manifest.name,
                "summary": summary,
                "breakdowns": measured.breakdowns,
                "accepted": out.as_posix(),
            }
        )
    else:
        terminal.result(summary_lines(measured.summary, seconds))
        terminal.result(breakdown_lines(measured.breakdowns))
        terminal.result([labelled("accepted", f"{count(len(measured.examples), 'example')} in {out}")])
    return 0


def find_harness(text: str, runs_dir: Path) -> HarnessTree:
    """A folder (here, or of the application), or RUN:HARNESS."""
    for folder in (Path(text), application_root() / text):
        if folder.is_dir():
            return read_harness(folder)
    if ":" in text:
        target = open_target(text, runs_dir)
        return target.run.read_tree(target.get_harness())
    raise UsageError(
        f"no harness at {text!r}: neither a folder nor RUN:HARNESS\n  try: harnesses/agentic_self_instruct"
    )


def limited(corpus: Corpus, limit: int | None) -> Corpus:
    if limit is None:
        return corpus
    if limit < 1:
        raise CorpusError(f"--limit {limit}: at least 1")
    return Corpus(papers=corpus.papers[:limit], skipped=corpus.skipped)


def init(options: Namespace, terminal: Terminal) -> int:
    folder = Path(options.folder)
    write_harness(read_harness(application_root() / TEMPLATE), folder)
    if terminal.wants_json:
        terminal.json({"schema": 1, "folder": folder.as_posix()})
    else:
        terminal.result([f"a new harness is in {folder}: read {folder}/agent.py, then change it"])
        terminal.progress(f"measure it: studbook evaluate {folder} --papers PAPERS")
    return 0
