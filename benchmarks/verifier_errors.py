"""How often do the frozen final verifier and the judge err? Planted cases, put to any spec's models.

    .venv/bin/python benchmarks/verifier_errors.py                                  the testbed
    .venv/bin/python benchmarks/verifier_errors.py --spec my.yaml --papers FOLDER   your models, your papers

Cases: made by rule from papers (synthetic ones, or a folder), and two sets written by hand; `--cases FILE`
adds your own (testbed/planted/heldout.toml shows the form). `--plan` only counts the calls. All is derived
from the seed, so the testbed's table repeats exactly. The testbed's figures say nothing about models.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from studbook.errors import StudbookError, UsageError
from studbook.evaluate.contracts import Paper
from studbook.evaluate.papers import read_corpus
from studbook.experiments.run.bench import Origin, frozen_evaluator
from studbook.experiments.run.environment import read_user_environment
from studbook.experiments.run.models import build_client, models_line, open_endpoints
from studbook.experiments.spec.model import Spec
from studbook.llm.records import CallRecords
from studbook.testbed.papers.synthesis import synthetic_papers
from studbook.testbed.planted.cases import SETS, PlantedAnswer, PlantedExample, read_cases, shipped_cases
from studbook.testbed.planted.error_rates import (
    MET,
    NOT_MET,
    Checked,
    Examiner,
    Marked,
    examine_all,
    judge_rows,
    markdown,
    verifier_rows,
)
from studbook.testbed.planted.planting import plant

DEFAULT_SPEC = Path(__file__).parents[1] / "experiments" / "quickstart.yaml"
TESTBED = "the testbed: text programs, which say nothing about language models"

Show = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """All cases; `sources` are the columns of the table, in order."""

    sources: tuple[str, ...]
    examples: tuple[PlantedExample, ...]
    answers: tuple[PlantedAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    checked: tuple[Checked, ...]
    marked: tuple[Marked, ...]


def gather(options: argparse.Namespace) -> Planned:
    """Raises CorpusError for papers or cases that cannot be read."""
    wanted = set(filter(None, options.only.split(",")))
    name, papers = _papers(options)
    sets = [(name, plant(papers, options.seed, name))] if papers else []
    if not options.no_written:
        sets += [(source, shipped_cases(source)) for source in SETS]
    sets += [(path.name, read_cases(path.read_text(encoding="utf-8"), path.name)) for path in options.cases]
    examples = [case for _, (found, _) in sets for case in found if not wanted or case.kind in wanted]
    answers = [case for _, (_, found) in sets for case in found if not wanted or case.kind in wanted]
    return Planned(
        sources=tuple(source for source, _ in sets), examples=tuple(examples), answers=tuple(answers)
    )


def _papers(options: argparse.Namespace) -> tuple[str, Sequence[Paper]]:
    if options.papers is None:
        return "synthetic papers", synthetic_papers(options.n, options.seed)
    papers = sorted(read_corpus(options.papers).papers, key=lambda paper: paper.paper_id)
    Random(options.seed).shuffle(papers)
    return f"papers in {options.papers.resolve().name}/", papers[: options.n]


def measure(
    spec: Spec, planned: Planned, draws: int, records: CallRecords, tick: Callable[[], None]
) -> Measured:
    """Every case `draws` times, with the frozen prompts, settings and retries of the spec."""
    frozen = frozen_evaluator(spec, Origin(sandbox="", roles=()))
    checked: list[Checked] = []
    marked: list[Marked] = []
    with open_endpoints(spec, read_user_environment().variables, lambda text: None) as endpoints:
        client = build_client(spec, records, endpoints)
        for draw in range(draws):
            examiner = Examiner(
                chat=client,
                settings=frozen.settings,
                prompts=frozen.prompts,
                run_seed=spec.seed,
                draw=draw,
            )
            checked += examine_all(examiner.check, planned.examples, spec.workers, tick)
            marked += examine_all(examiner.mark, planned.answers, spec.workers, tick)
    return Measured(checked=tuple(checked), marked=tuple(marked))


def show_tables(measured: Measured, sources: Sequence[str], show: Show) -> None:
    if rows := verifier_rows(measured.checked):
        show("\n" + "\n".join(markdown(rows, "final verifier, how often", sources)))
    for source in sources:
        if rows := judge_rows(measured.marked, source):
            show("\n" + "\n".join(markdown(rows, f"judge, {source}", (MET, NOT_MET))))


def write_outcomes(path: Path, measured: Measured) -> None:
    """One JSON line a case and draw: what was asked about, what was right, what came out."""
    lines = [
        {
            **_name(item.case),
            "should_pass": item.case.should_pass,
            "outcome": item.outcome,
            "reason": item.reason,
        }
        for item in measured.checked
    ]
    lines += [{**_name(item.case), "truth": item.case.truth, "marks": item.marks} for item in measured.marked]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def _name(case: PlantedExample | PlantedAnswer) -> dict[str, object]:
    return {"source": case.source, "origin": case.origin, "kind": case.kind}


def main(arguments: Sequence[str], show: Show, tell: Show) -> int:
    options = _parse(arguments)
    try:
        return _run(options, show, tell)
    except (StudbookError, OSError) as error:
        tell(f"error: {error}")
        return 2 if isinstance(error, UsageError) else 1


def _run(options: argparse.Namespace, show: Show, tell: Show) -> int:
    spec = read_user_environment().load(str(options.spec), options.set)
    planned = gather(options)
    total = (len(planned.examples) + len(planned.answers)) * options.draws
    show(f"models: {models_line(spec, TESTBED)}")
    show(
        f"cases: {len(planned.examples)} examples, {len(planned.answers)} answers; draws: {options.draws}; "
        f"seed {options.seed}; at least {total} calls"
    )
    if options.plan:
        return 0
    with ExitStack() as stack:
        records = CallRecords.open(options.records) if options.records else CallRecords.in_memory()
        stack.enter_context(records)
        measured = measure(spec, planned, options.draws, records, _progress(total, tell))
    show_tables(measured, planned.sources, show)
    if options.outcomes:
        write_outcomes(options.outcomes, measured)
    return 0


def _progress(total: int, tell: Show) -> Callable[[], None]:
    """Tells at every tenth; called from several threads, where a line more or less does no harm."""
    done: list[None] = []

    def tick() -> None:
        done.append(None)
        if len(done) % max(1, total // 10) == 0:
            tell(f"{len(done)} of {total} cases")

    return tick


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spec", type=Path, default=DEFAULT_SPEC, help="whose models (default: the testbed)")
    parser.add_argument(
        "-s", "--set", action="append", default=[], metavar="KEY=VALUE", help="change the spec"
    )
    parser.add_argument("--papers", type=Path, help="a folder of papers instead of synthetic ones")
    parser.add_argument("--n", type=int, default=100, help="how many papers; 0 for the written cases only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=1, help="how often each case is asked about")
    parser.add_argument("--only", default="", help="kinds of cases, separated by commas")
    parser.add_argument("--cases", type=Path, action="append", default=[], help="a TOML file of your cases")
    parser.add_argument("--no-written", action="store_true", help="leave out the shipped written cases")
    parser.add_argument("--records", type=Path, help="keep the calls there, to pay for none twice")
    parser.add_argument("--outcomes", type=Path, help="write every outcome there, one JSON line a case")
    parser.add_argument("--plan", action="store_true", help="count the calls and stop")
    return parser.parse_args(arguments)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _print_error(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], _print, _print_error))
