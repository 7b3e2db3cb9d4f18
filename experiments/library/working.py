"""Evaluate a harness, or execute a run, from Python.

Like the command line, but without output and signal handlers. Every error is a StudbookError: UsageError and
its subclasses for a wrong argument, before anything is written; InfrastructureError for a failing endpoint,
sandbox or disk.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from studbook.errors import UsageError
from studbook.evaluate.contracts import Paper
from studbook.evaluate.papers import Corpus, read_corpus
from studbook.evolve.loop import EndReason
from studbook.experiments.library.reading import Harness, Run, open_run
from studbook.experiments.run.bench import open_clean_sandbox
from studbook.experiments.run.environment import read_user_environment
from studbook.experiments.run.execute import begin_run, execute, opened_run, prepare
from studbook.experiments.run.foreign import Consent
from studbook.experiments.run.lengths import fit_corpus, fit_spec
from studbook.experiments.run.measuring import FOLDER, Measured, evaluate_harness
from studbook.experiments.run.models import open_endpoints
from studbook.experiments.run.opening import OpenedRun, create_run, discarding_refused, open_target
from studbook.experiments.run.plugins import open_display, plugging
from studbook.experiments.run.stopping import StopSwitch, watching_stop_file
from studbook.experiments.spec.loading import harness_folder
from studbook.experiments.spec.model import SandboxSpec
from studbook.experiments.views.display import Display
from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import HarnessTree
from studbook.populations.storage import RUNS_DIR, storage_errors
from studbook.sandbox.contract import StatedSandbox

Plugin = str | Callable[..., object] | object
"""A registered name, `module:Object`, or the object itself, which must be importable under a name."""


def evaluate(
    harness: str | Path | Harness | HarnessTree,
    *,
    papers: str | Path | Sequence[Paper],
    spec: str | Path | None = None,
    models: Mapping[str, Any] | None = None,
    predicate: Plugin | None = None,
    sandbox: Plugin | None = None,
    overrides: Mapping[str, Any] | None = None,
    replicates: int = 1,
    runs_dir: str | Path = RUNS_DIR,
    display: Plugin | Display | None = None,
) -> Measured:
    """Evaluates a harness on papers with the frozen evaluator, like `studbook evaluate`; returns a record.

    `harness`: a folder, a bundled name, RUN:HARNESS, or a harness of an opened run. `papers`: a folder, a
    file, or papers already read; `corpus.too_long` says what happens to those too long for the models.
    `models`: like the section `models` of a spec. Finished papers and calls are saved in `runs_dir`, so
    repeating the call repeats no work.

    Raises:
        UsageError: a wrong argument or spec. CorpusError: no papers there. ManifestError: a damaged harness.
        InfrastructureError: an endpoint, the sandbox or the disk failed. BudgetExceeded: the spec's limit.
    """
    if replicates < 1:
        raise UsageError(f"replicates={replicates}: must be at least 1")
    user = read_user_environment()
    given = {"models": models, "evaluator.predicate": predicate, "sandbox": sandbox}
    flags = spec_flags(given, overrides)
    resolved = user.load(None if spec is None else str(spec), flags)
    found = find_harness(harness, Path(runs_dir))
    tree = found.tree
    with open_endpoints(resolved, user.variables, lambda text: None) as endpoints:
        resolved = fit_spec(resolved, endpoints, tree.manifest.roles)
    given_papers = (
        read_corpus(Path(papers))
        if isinstance(papers, str | Path)
        else Corpus(papers=tuple(papers), skipped=())
    )
    read = fit_corpus(given_papers, resolved.corpus)[0].papers
    shown = _opened_display(display)
    try:
        return evaluate_harness(
            resolved,
            found.open_sandbox(resolved.sandbox, named=None if sandbox is None else resolved.sandbox.kind),
            user.variables,
            tree,
            read,
            replicates,
            store=evaluation_store(Path(runs_dir)),
            display=shown,
            switch=StopSwitch(),
        )
    finally:
        shown.close()


def run(
    spec: str | Path,
    *,
    selection: Plugin | None = None,
    predicate: Plugin | None = None,
    sandbox: Plugin | None = None,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    runs_dir: str | Path = RUNS_DIR,
    display: Plugin | Display | None = None,
) -> Run:
    """Executes a spec (a file or a bundled name) and returns the opened run.

    `overrides` changes keys of the spec: `{"search.iterations": 30}`. A run that reaches a budget or is asked
    to stop is returned in its current state; `studbook resume` continues it.

    Raises:
        UsageError: a wrong argument, and SpecError, a wrong spec: before anything is written.
        InfrastructureError: the run was interrupted; `studbook resume` picks it up where it left off.
    """
    with plugging(spec=spec):
        user = read_user_environment()
        given = {"search.selection": selection, "evaluator.predicate": predicate, "sandbox": sandbox}
        resolved = user.load(str(spec), spec_flags(given, overrides))
        prepared = prepare(resolved, user.variables)
        folder = create_run(Path(runs_dir), resolved.name, name, lambda draft: begin_run(draft, prepared))
        shown, switch = _opened_display(display), StopSwitch()
        try:
            with (
                discarding_refused(folder),
                opened_run(
                    folder, prepared, user.variables, shown, switch, listen=watching_stop_file
                ) as active,
            ):
                ending = execute(active)
        finally:
            shown.close()
        if ending.reason is EndReason.INFRASTRUCTURE and ending.error is not None:
            raise ending.error
        return open_run(folder.root)


def _opened_display(display: Plugin | Display | None) -> Display:
    """Takes a registered name, `module:Object`, or a display; None shows nothing."""
    return open_display(display or "silent") if isinstance(display, str | None) else cast(Display, display)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHarness:
    """`run`: where it comes from, if that is a run and not a folder that the user named."""

    tree: HarnessTree
    run: OpenedRun | None = None

    def open_sandbox(
        self, spec: SandboxSpec, *, named: str | None, command: str = "", adopting: str = "studbook adopt RUN"
    ) -> StatedSandbox:
        """`named`: the kind, if the user chose it for this evaluation. `command`: what they typed.

        Raises UsageError, SandboxError; without a container also for a harness of somebody else's run.
        """
        if self.run is None:
            return open_clean_sandbox(spec)
        consent = Consent(
            run=self.run.folder.name,
            provenance=self.run.provenance,
            command=command,
            adopting=adopting,
            sandbox=named,
        )
        return consent.open_for_evaluation(spec)


def find_harness(harness: str | Path | Harness | HarnessTree, runs_dir: Path) -> FoundHarness:
    """A folder, a bundled name, or RUN:HARNESS. Raises UsageError, ManifestError, RevisionError."""
    if isinstance(harness, HarnessTree):
        return FoundHarness(tree=harness)
    if isinstance(harness, Harness):
        run, harness_id = harness.opened, harness.record.harness_id
        return FoundHarness(tree=run.read_tree_to_run(harness_id), run=run)
    text = str(harness)
    if ":" in text and not Path(text).is_dir():
        target = open_target(text, runs_dir)
        return FoundHarness(tree=target.run.read_tree_to_run(target.get_harness()), run=target.run)
    return FoundHarness(tree=read_harness(harness_folder(text)))


def evaluation_store(runs_dir: Path) -> Path:
    """The folder in `runs_dir` for evaluations, created if it is missing. Raises StorageError."""
    store = runs_dir / FOLDER
    with storage_errors(store, "create"):
        store.mkdir(parents=True, exist_ok=True)
    return store


def spec_flags(given: Mapping[str, Any], overrides: Mapping[str, Any] | None) -> list[str]:
    """Arguments as `key=value`, like on the command line; objects by their importable name."""
    named = {
        key: value if isinstance(value, Mapping) else plugin_name(value)
        for key, value in given.items()
        if value is not None
    }
    return [
        f"{key}={json.dumps(value, default=str)}" for key, value in {**named, **(overrides or {})}.items()
    ]


def plugin_name(plugin: Plugin) -> str:
    """`module:Object`, by which another process finds the same object; a string is already a name.

    Raises UsageError for an object without such a name: its run could be neither resumed nor replayed.
    """
    if isinstance(plugin, str):
        return plugin
    module = getattr(plugin, "__module__", None) or type(plugin).__module__
    names = vars(sys.modules[module]).items() if module in sys.modules else ()
    name = next((name for name, value in names if value is plugin), None)
    if module == "__main__" or name is None:
        raise UsageError(
            f"{plugin!r} cannot be imported elsewhere: its run could be neither resumed nor replayed\n"
            "  define it at the top level of an importable module (not in a script, notebook or function)"
        )
    return f"{module}:{name}"
