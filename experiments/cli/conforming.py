"""`studbook conformance`: a small run with the models of an endpoint, and a report about each role."""

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from studbook.errors import UsageError
from studbook.experiments.cli.command import PLUGINS, RUNS, SET, command, flag
from studbook.experiments.cli.machine import result_lines
from studbook.experiments.cli.running import execute_shown, resume_command
from studbook.experiments.cli.terminal import EXIT_DONE, EXIT_FAILED, EXIT_UNMEASURED, Terminal
from studbook.experiments.conformance.figures import read_figures
from studbook.experiments.conformance.page import PAGE_TITLE, Conformance, conformance_json, conformance_page
from studbook.experiments.doctor import CheckState
from studbook.experiments.model_checks import check_endpoints
from studbook.experiments.outputs import Output, opened_output
from studbook.experiments.run.environment import (
    Tell,
    UserEnvironment,
    ignore_message,
    read_user_environment,
)
from studbook.experiments.run.execute import ActiveRun, begin_run, prepare
from studbook.experiments.run.opening import create_run, open_run
from studbook.experiments.run.plugins import plugging
from studbook.experiments.spec.loading import parse_override
from studbook.experiments.spec.model import Choice, Spec
from studbook.experiments.views.views import json_text
from studbook.llm.meter import Totals

TRIAL = "conformance"
"""The bundled spec of the small run."""
JSON_BEGINNING = b'{\n  "schema": 1,\n  "run": '
TAKEN = ("models", "sandbox")
"""The sections of the user's spec that replace those of the trial."""


@command(
    "studbook conformance http://127.0.0.1:8080/v1 --model my-model",
    flag(
        "target",
        metavar="SPEC_OR_ADDRESS",
        nargs="?",
        help="a spec whose models and sandbox are tried; or an endpoint's http(s) address, with --model "
        "(its key, if it needs one, in OPENAI_API_KEY)",
    ),
    flag("--model", metavar="NAME", help="the model for all roles, at an address or at OPENAI_BASE_URL"),
    flag("--of", metavar="RUN", help="write the report of this run, finished or not; makes no call"),
    flag(
        "--out",
        metavar="FILE",
        default="conformance.md",
        help="the report (default: %(default)s); the same as JSON is written beside it",
    ),
    flag("--name-host", action="store_true", help="name the endpoint's host in the report"),
    flag("--name", help="name of the run (default: the spec's name and a number)"),
    SET,
    PLUGINS,
    RUNS,
)
def conformance(options: Namespace, terminal: Terminal) -> int:
    """Writes the report however the run ended, and exits with 0 if it came to its end, not to a budget's."""
    out = Path(options.out)
    if out.suffix.lower() == ".json":
        raise UsageError(
            f"--out {options.out}: the report is Markdown, and the same as JSON is written beside it\n"
            f"  name the report: --out {out.with_suffix('.md')}"
        )
    with _opened_report(out) as report:
        terminal = replace(terminal, has_no_stdout=report.page.is_stdout)
        if options.of is not None:
            if options.target is not None or options.model is not None:
                raise UsageError("--of RUN reports on a run that was made: give no spec, address or --model")
            figures = read_figures(open_run(options.of, Path(options.runs_dir)))
            _write(Conformance(figures=figures, names_host=options.name_host), report, terminal)
            return 0
        is_spec = options.target is not None and not _is_address(options.target)
        with plugging(options.plugins, spec=options.target if is_spec else None):
            return _try_out(options, report, terminal)


def _try_out(options: Namespace, report: "_Report", terminal: Terminal) -> int:
    user = read_user_environment()
    spec = trial_spec(user, options.target, options.model, options.overrides, terminal.progress)
    findings = tuple(check_endpoints(spec, user.variables, terminal.progress, asks_roles=False))
    for line in result_lines(findings):
        terminal.progress(line)
    if any(each.state is CheckState.MISSING for each in findings):
        terminal.error("the endpoint cannot be used as it is: see above")
        return EXIT_FAILED
    shown = replace(terminal, wants_json=False)  # one object is printed: the report
    if terminal.wants_json:
        spec = spec.model_copy(update={"display": Choice(name="silent")})
    prepared = prepare(spec, user.variables)
    folder = create_run(
        Path(options.runs_dir), spec.name, options.name, lambda draft: begin_run(draft, prepared)
    )
    meter: dict[str, Totals] = {}
    code = execute_shown(
        folder,
        prepared,
        user.variables,
        shown,
        options,
        before_closing=lambda active: meter.update(_times(active)),
    )
    run = open_run(folder.root.as_posix(), Path(options.runs_dir))
    found = Conformance(figures=read_figures(run, meter), findings=findings, names_host=options.name_host)
    _write(found, report, terminal)
    if code == EXIT_UNMEASURED:  # that no mutant could be measured is a finding like others
        return EXIT_DONE
    if code == EXIT_DONE and run.population.finish is None:  # a budget is no end of a trial
        code = EXIT_FAILED
    if code:
        terminal.progress(
            f"the run did not end as planned; go on with it, and then write its report again:\n"
            f"  {resume_command(folder, options)}\n  studbook conformance --of {folder.name}"
        )
    return code


def _times(active: ActiveRun) -> Mapping[str, Totals]:
    return active.bench.client.meter.snapshot()


def _is_address(target: str) -> bool:
    return target.startswith(("http://", "https://"))


def trial_spec(
    user: UserEnvironment,
    target: str | None,
    model: str | None,
    overrides: Iterable[str],
    tell: Tell = ignore_message,
) -> Spec:
    """The bundled trial with the models of `target`: a spec, an address, or None for OPENAI_BASE_URL.

    Raises UsageError if it is not clear which models are meant; SpecError.
    """
    given = [*overrides, "models.accept_judge=true"]  # what a weak judge is worth is part of the report
    if target is not None and not _is_address(target):
        if model is not None:
            raise UsageError("--model names the model at an address; a spec names its own")
        theirs = user.load(target, given, tell).model_dump(mode="json", include=set(TAKEN))
        sections = [f"{name}={json.dumps(section)}" for name, section in theirs.items()]
        ours = [text for text in given if parse_override(text).path[0] not in TAKEN]
        return user.load(TRIAL, [*sections, *ours])
    if model is None:
        raise UsageError(
            "which model? give a spec, or an address and a model:\n"
            "  studbook conformance http://127.0.0.1:8080/v1 --model NAME"
        )
    address = [] if target is None else [f"models.endpoints.openai.base_url={json.dumps(target)}"]
    chosen = ["models.default.endpoint=openai", f"models.default.model={json.dumps(model)}"]
    return user.load(TRIAL, [*address, *chosen, *given], tell)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """`beside`: where the same goes as JSON; None if the page goes to a pipe or a terminal."""

    page: Output
    beside: Output | None


@contextmanager
def _opened_report(out: Path) -> Iterator[_Report]:
    """Raises UsageError if a file cannot be written, or would be lost."""
    with opened_output(out, PAGE_TITLE.encode()) as page:
        if not page.is_file:
            yield _Report(page=page, beside=None)
            return
        with opened_output(out.with_suffix(".json"), JSON_BEGINNING, "the JSON beside --out:") as beside:
            yield _Report(page=page, beside=beside)


def _write(found: Conformance, report: _Report, terminal: Terminal) -> None:
    page, told = conformance_page(found), conformance_json(found)
    report.page.write(page.encode("utf-8"))
    if report.beside is not None:
        report.beside.write((json_text(told) + "\n").encode("utf-8"))
    if terminal.wants_json:
        terminal.json({"schema": 1, "conformance": told, "report": report.page.named.as_posix()})
    else:
        terminal.verbatim(page.splitlines())
        written = [each.named.as_posix() for each in (report.page, report.beside) if each is not None]
        terminal.progress(f"report: {', '.join(written)}")
