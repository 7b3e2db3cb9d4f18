"""Commands that execute runs: run, resume, stop."""

import os
import shlex
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from studbook.errors import BudgetExceeded, Outage, StorageError, UsageError
from studbook.evolve.loop import Ending, EndReason, end_reason
from studbook.experiments.cli.command import (
    PAPERS,
    PLUGINS,
    RESET,
    RUN,
    RUNS,
    SANDBOX,
    SET,
    command,
    flag,
)
from studbook.experiments.cli.terminal import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_UNMEASURED,
    Terminal,
)
from studbook.experiments.run.budgeting import plan_lines, plan_view
from studbook.experiments.run.corpus import find_recorded_papers
from studbook.experiments.run.environment import read_user_environment
from studbook.experiments.run.execute import (
    ActiveRun,
    Prepared,
    begin_run,
    check_version,
    execute,
    opened_run,
    prepare,
    read_seed,
    search_settings,
)
from studbook.experiments.run.foreign import Consent
from studbook.experiments.run.models import models_line, uses_only_testbed
from studbook.experiments.run.opening import (
    create_run,
    discarding_refused,
    find_run,
    find_start,
    is_being_written,
    open_run,
    read_head,
)
from studbook.experiments.run.plugins import check_plugins, distrusting, plugging
from studbook.experiments.run.provenance import Provenance, provenance_of
from studbook.experiments.run.stopping import StopSwitch, ask_to_stop, listening
from studbook.experiments.spec.loading import read_resolved
from studbook.experiments.spec.model import Spec
from studbook.experiments.views.lines import TESTBED_MODELS
from studbook.experiments.views.report import report_bytes
from studbook.experiments.views.text import count
from studbook.experiments.views.views import (
    EndView,
    StartView,
    champion_reason,
    lineage_steps,
    pooled_rate,
    sealed_difference,
    verdict_counts,
)
from studbook.populations.events import Purpose
from studbook.populations.population import SEED_ID
from studbook.populations.storage import RUNS_DIR, RunFolder, atomic_write
from studbook.sandbox.kinds import SANDBOX as SANDBOX_KINDS


@command(
    "studbook run quickstart -s search.iterations=2",
    flag("spec", metavar="SPEC", help="a YAML file, or a bundled spec: quickstart, autodata, conformance"),
    SET,
    PLUGINS,
    RUNS,
    flag("--name", help="name of the run (default: the spec's name and a number)"),
    flag("--dry-run", action="store_true", help="print the plan with its cost, then stop"),
    flag(
        "--accept-judge",
        action="store_true",
        help="start although judge or final verifier is near chance on planted cases "
        "(the same as -s models.accept_judge=true)",
    ),
)
def run(options: Namespace, terminal: Terminal) -> int:
    with plugging(options.plugins, spec=options.spec):
        user = read_user_environment()
        accepted = ["models.accept_judge=true"] if options.accept_judge else []
        spec = user.load(options.spec, [*options.overrides, *accepted], terminal.progress)
        prepared = prepare(spec, user.variables)
        if options.dry_run:
            prepared.sandbox.close()
            return _show_plan(prepared, terminal)
        folder = create_run(
            Path(options.runs_dir), spec.name, options.name, lambda draft: begin_run(draft, prepared)
        )
        with discarding_refused(folder):
            return execute_shown(folder, prepared, user.variables, terminal, options)


@command("studbook resume quickstart-1", RUN, RESET, PAPERS, SANDBOX, PLUGINS, RUNS)
def resume(options: Namespace, terminal: Terminal) -> int:
    """The resolved spec in the run folder applies; only the keys named in RESUMABLE may be changed."""
    folder = find_run(options.run, Path(options.runs_dir))
    consent = consent_of(options, folder, provenance_of(folder, read_head(folder)))
    with plugging(options.plugins), distrusting(is_own=consent.provenance.is_own):
        user = read_user_environment()
        recorded = read_resolved(folder.spec)
        resumed = user.resume(recorded, options.overrides, options.papers)
        consent.check_code(resumed.spec)
        consent.check_endpoints(resumed.spec, resumed.named)
        consent.check_papers(recorded, resumed.named)
        start = find_start(folder)
        if start is not None:  # what cannot be resumed at all asks for no agreement
            check_version(folder.name, start)
            check_plugins(folder.name, start.plugins, resumed.spec)
        papers = find_recorded_papers(resumed.spec.corpus, start.splits, folder.name) if start else None
        prepared = prepare(
            resumed.spec,
            user.variables,
            read_seed(folder),
            papers=papers,
            changes=resumed.changes,
            open_sandbox=consent.open_for_resume,
        )
        return execute_shown(folder, prepared, user.variables, terminal, options)


@command("studbook stop quickstart-1", RUN, RUNS)
def stop(options: Namespace, terminal: Terminal) -> int:
    folder = find_run(options.run, Path(options.runs_dir))
    is_running = is_being_written(folder)
    if is_running:
        ask_to_stop(folder.root)
    if terminal.wants_json:
        terminal.json({"schema": 1, "run": folder.name, "was_running": is_running})
    elif is_running:
        terminal.result([f"asked {folder.name} to stop; continue it with: studbook resume {folder.name}"])
    else:
        terminal.result([f"{folder.name} is not running"])
    return 0


def leave(_: ActiveRun) -> None:
    """Reads nothing from a run before it is closed."""


def execute_shown(
    folder: RunFolder,
    prepared: Prepared,
    variables: Mapping[str, str],
    terminal: Terminal,
    options: Namespace,
    *,
    before_closing: Callable[[ActiveRun], None] = leave,
) -> int:
    """Executes a run on the terminal's display; returns the exit code. `before_closing` may read the run."""
    chosen = prepared.spec.display
    switch, display = StopSwitch(), terminal.display(chosen.name, chosen.params)
    listen = partial(listening, farewell=f"interrupted; resume with:\n  {resume_command(folder, options)}\n")
    try:
        with opened_run(folder, prepared, variables, display, switch, listen=listen) as active:
            display.started(start_view(active, prepared, folder))
            ending = execute(active)
            end = end_view(active, ending, folder, options)
            before_closing(active)
        if ending.population.start is not None:  # otherwise it ended before its first event
            with nullcontext() if ending.is_orderly else suppress(StorageError):  # `ending.error` reports it
                atomic_write(
                    folder.report, report_bytes(open_run(folder.root.as_posix(), Path(options.runs_dir)))
                )
        if ending.is_orderly or terminal.wants_json:
            display.finished(end)
    finally:
        display.close()
    if ending.error is not None:
        _tell_interruption(ending, folder, terminal, options)
    return _exit_code(ending, switch)


def _exit_code(ending: Ending, switch: StopSwitch) -> int:
    """Reaching a budget and stopping on a STOP file are planned ends."""
    if ending.reason is EndReason.STOPPED:
        return EXIT_INTERRUPTED if switch.was_interrupted else EXIT_DONE
    if ending.reason is EndReason.UNMEASURED:
        return EXIT_UNMEASURED
    return EXIT_FAILED if ending.reason is EndReason.INFRASTRUCTURE else EXIT_DONE


def _tell_interruption(ending: Ending, folder: RunFolder, terminal: Terminal, options: Namespace) -> None:
    command = resume_command(folder, options)
    if ending.reason is EndReason.STOPPED:
        finished = ending.population.iterations_done
        terminal.progress(
            f"stopped after iteration {finished}; finished work is saved. Resume with:\n  {command}"
        )
        return
    if isinstance(ending.error, BudgetExceeded):
        finished = ending.population.iterations_done
        larger = f"{command} -s {ending.error.key}={ending.error.more}"
        terminal.progress(
            f"stopped after {count(finished, 'iteration')}: {ending.error}\n"
            f"pick up where it left off:\n  {larger}"
        )
        if finished and not ending.population.is_concluding:
            terminal.progress(
                "or stop searching and pick a champion from what has been found:\n"
                f"  {larger} -s search.iterations={finished}"
            )
        return
    terminal.error(str(ending.error))
    if isinstance(ending.error, Outage):
        done = count(ending.population.iterations_done, "iteration")
        terminal.progress(
            f"paused after {done}; finished work and every reply received are saved.\n"
            f"Once the endpoint responds again, resume with:\n  {command}"
        )
    else:
        terminal.progress(f"finished work is saved; resume with: {command}")


def consent_of(options: Namespace, folder: RunFolder, provenance: Provenance) -> Consent:
    """What the user says about this run with the flags of this command."""
    where = "" if options.runs_dir == RUNS_DIR else f" --runs-dir {shlex.quote(options.runs_dir)}"
    return Consent(
        run=folder.name,
        provenance=provenance,
        command=f"{program()} {shlex.join(options.words)}",
        adopting=f"{program()} adopt {spoken(folder, options)[0]}{where}",
        sandbox=checked_sandbox(options.sandbox),
    )


def checked_sandbox(kind: str | None) -> str | None:
    """Raises UsageError for a kind that does not exist; `auto` says nothing."""
    if kind is None:
        return None
    if kind == "auto":
        raise UsageError("--sandbox auto: name the sandbox: docker or process")
    try:
        return SANDBOX_KINDS.check_name(kind)
    except ValueError as error:
        raise UsageError(f"--sandbox: {error}") from None


def resume_command(folder: RunFolder, options: Namespace) -> str:
    name, where = spoken(folder, options)
    return f"{program()} resume {name}{where}"


def program() -> str:
    """How the user's shell starts this program: by path if PATH has no `studbook` or another one."""
    started, found = Path(sys.argv[0]), shutil.which("studbook")
    if started.name != "studbook" or (found and Path(found).absolute() == started.absolute()):
        return "studbook"
    return shlex.quote(os.path.relpath(started))


def spoken(folder: RunFolder, options: Namespace) -> tuple[str, str]:
    """How commands name this run: by name, or by path if it is outside the runs folder; and the flag."""
    where = "" if options.runs_dir == RUNS_DIR else f" --runs-dir {shlex.quote(options.runs_dir)}"
    where += plugins_flag(options)
    if (Path(options.runs_dir) / folder.name).absolute() == folder.root.absolute():
        return shlex.quote(folder.name), where
    return shlex.quote(folder.root.as_posix()), plugins_flag(options)


def plugins_flag(options: Namespace) -> str:
    """The directory where this command found plug-ins, for the commands that continue the run."""
    spec = getattr(options, "spec", None)
    folder = options.plugins or (Path(spec).parent if spec is not None and Path(spec).is_file() else None)
    is_used = folder is not None and str(Path(folder).resolve()) in sys.path
    if not is_used or Path(str(folder)).resolve() == Path.cwd().resolve():
        return ""
    return f" --plugins {shlex.quote(str(folder))}"


def start_view(active: ActiveRun, prepared: Prepared, folder: RunFolder) -> StartView:
    spec, population = active.spec, active.ledger.population
    moves = [each for each in prepared.changes if each.startswith(("models.", "corpus."))]
    fallback = sandbox_note(prepared.sandbox_reason)
    return StartView(
        run=folder.name,
        folder=folder.root.as_posix(),
        models=models_line(spec, TESTBED_MODELS),
        is_testbed=uses_only_testbed(spec),
        sandbox=prepared.sandbox.statement,
        isolates_untrusted_code=prepared.sandbox.isolates_untrusted_code,
        papers=prepared.papers.description,
        splits={name: len(papers) for name, papers in active.splits.paper_ids().items()},
        harness=active.seed.manifest.name,
        search=search_line(spec),
        iterations=spec.search.iterations,
        finished_iterations=population.iterations_done,
        is_finished=population.finish is not None
        and end_reason(search_settings(spec), population) is not None,
        notes=(*prepared.papers.notes, *moves, *filter(None, (prepared.left_out, fallback))),
    )


def sandbox_note(reason: str) -> str:
    """One line for the user; "" if `auto` chose Docker, or another sandbox was asked for.

    The sandbox's own statement, above it, has the reason.
    """
    if not reason:
        return ""
    return "start Docker to isolate untrusted code, or choose child processes with -s sandbox=process"


def search_line(spec: Spec) -> str:
    search = spec.search
    temperature = f" (temperature {search.temperature:g})" if search.selection.name == "boltzmann" else ""
    return (
        f"{count(search.iterations, 'iteration')}, {search.selection.name} selection{temperature}, "
        f"predicate {spec.evaluator.predicate.name}, {count(spec.workers, 'worker')}"
    )


def end_view(active: ActiveRun, ending: Ending, folder: RunFolder, options: Namespace) -> EndView:
    population = ending.population
    champion = population.champion
    best = population.best_id
    name, where = spoken(folder, options)
    return EndView(
        run=folder.name,
        reason=population.finish.reason if ending.is_orderly and population.finish else ending.reason.value,
        lineage=lineage_steps(population, best) if best in population.mutants else (),
        verdicts=verdict_counts(population),
        champion_id=champion.harness_id if champion else None,
        champion_reason=champion_reason(population),
        champion_test=pooled_rate(population, champion.harness_id if champion else best, Purpose.TEST),
        seed_test=pooled_rate(population, SEED_ID, Purpose.TEST),
        test_difference=sealed_difference(population),
        is_testbed=uses_only_testbed(active.spec),
        progress=active.watcher.progress(population),
        next_commands=(
            (f"{program()} tree {name}{where}", "every mutant, its parent and its outcome"),
            (f"{program()} show {name}{where}", "what was tried, and how it ended")
            if best == SEED_ID
            else (f"{program()} diff {name}:seed best{where}", "what the winner changed, and what it gained"),
            (
                f"{program()} replay {name} --level recorded{where}",
                "re-run everything from recorded model calls (no API calls)",
            ),
        ),
    )


def _show_plan(prepared: Prepared, terminal: Terminal) -> int:
    view = plan_view(prepared.spec, prepared.papers, prepared.sandbox.statement, prepared.seed.manifest)
    if prepared.left_out:
        view = replace(view, notes=(prepared.left_out, *view.notes))
    if terminal.wants_json:
        terminal.json({"schema": 1, "plan": view})
    else:
        terminal.result(plan_lines(view))
    return 0
