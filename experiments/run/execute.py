"""From a spec, or a run folder, to a finished run: prepare, open, begin, search, conclude.

`prepare` checks everything that can be wrong before a folder is created: papers, harness, sandbox, endpoints.
`opened_run` holds the journal's lock. `execute` is the same for a new, a resumed and a replayed run: it skips
what is already in the ledger.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from studbook.errors import BudgetExceeded, InfrastructureError, IntegrityError, UsageError
from studbook.evaluate.contracts import Paper
from studbook.evaluate.splits import Splits
from studbook.evaluate.trajectories import render_for_analyzer
from studbook.evolve.champion import Promotion, conclude, why_no_champion
from studbook.evolve.contracts import (
    ADMISSION,
    ANALYZER,
    IMPLEMENTER,
    KNOBS,
    SELECTION,
    PromotionSettings,
    SearchSettings,
    StopRequested,
)
from studbook.evolve.gates import SeenTrees
from studbook.evolve.iteration import Workshop
from studbook.evolve.loop import PAUSE_AFTER, Ending, EndReason, evolve
from studbook.evolve.measuring import Measuring, StopToken, found
from studbook.evolve.prompting import room_in
from studbook.experiments.run.bench import (
    Bench,
    Origin,
    frozen_evaluator,
    open_bench,
    open_clean_sandbox,
    origin_of,
)
from studbook.experiments.run.canary import ask_canary
from studbook.experiments.run.corpus import LoadedPapers, load_papers
from studbook.experiments.run.environment import describe_environment, environment_text, now
from studbook.experiments.run.ledger import (
    Ledger,
    LineageTrees,
    check_trajectories,
    forget_open_failures,
    opened_ledger,
)
from studbook.experiments.run.lengths import fit_spec
from studbook.experiments.run.models import open_endpoints, role_models
from studbook.experiments.run.notices import NoticeLog
from studbook.experiments.run.plugins import check_buildable, check_plugins, find_plugin, identities
from studbook.experiments.run.provenance import UNSIGNED, Witness, mark_as_own
from studbook.experiments.run.stopping import StopSwitch
from studbook.experiments.run.watching import Watcher
from studbook.experiments.spec.loading import application_root, harness_folder, left_out_note, write_resolved
from studbook.experiments.spec.model import SandboxSpec, Spec
from studbook.experiments.spec.resuming import spec_hash
from studbook.experiments.views.display import Display
from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import META_ROLES
from studbook.populations.events import RunStarted, SearchEnded
from studbook.populations.lineage import Lineage
from studbook.populations.population import SEED_ID, Population
from studbook.populations.records import CanaryScore, MutationKind, PaperResult
from studbook.populations.storage import RunFolder, atomic_write, this_process
from studbook.sandbox.contract import WHY_NOT_DOCKER, StatedSandbox

WORDS = {
    EndReason.ITERATIONS: "all iterations are done",
    EndReason.PATIENCE: "nothing was admitted for as many iterations as search.patience allows",
}


LEAST_BUDGET_LEFT = 0.1
"""With a smaller share of any budget left, no paper is started before it is certain that it is needed."""

OpenSandbox = Callable[[SandboxSpec], StatedSandbox]

Listen = Callable[[StopSwitch, Path, Callable[[str], None]], AbstractContextManager[None]]
"""What sets the stop switch during a run: `listening` (signals and the stop file), or the stop file alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The checked inputs of a run. `spec` names the sandbox that was chosen, not `auto`.

    `changes`: a line for every key of the spec that a resume has changed. `isolates_untrusted_code` is what
    the run states about its sandbox; a replay, perhaps in another one, states what was recorded.
    `sandbox_reason` is why `auto` did not choose Docker; `canary` None: still to be asked. `left_out`: a note
    about files in the harness folder that are no part of it.
    """

    spec: Spec
    papers: LoadedPapers
    seed: HarnessTree
    sandbox: StatedSandbox
    origin: Origin
    isolates_untrusted_code: bool
    changes: tuple[str, ...] = ()
    sandbox_reason: str = ""
    canary: tuple[CanaryScore, ...] | None = None
    near_duplicates: tuple[tuple[str, ...], ...] = ()
    left_out: str = ""


def prepare(
    spec: Spec,
    environment: Mapping[str, str],
    seed: HarnessTree | None = None,
    *,
    replayed: RunStarted | None = None,
    papers: LoadedPapers | None = None,
    changes: tuple[str, ...] = (),
    open_sandbox: OpenSandbox = open_clean_sandbox,
) -> Prepared:
    """Raises UsageError before anything is written; the caller closes `sandbox`. A replay needs no endpoint.

    `seed` is given for an existing run, whose sandbox `open_sandbox` chooses. `papers` is given if they have
    already been found. Of a new run, the endpoints are asked for contexts that the spec leaves open, and
    papers must fit them: both are then part of its spec.
    """
    if seed is None:
        check_buildable(spec)  # of an existing run nothing is imported before its code was compared
    tree = seed or read_harness(harness_folder(spec.harness))
    if replayed is None:
        # reports a missing key or a wrong proxy before anything is written
        with open_endpoints(spec, environment, lambda text: None) as endpoints:
            if seed is None:
                spec = fit_spec(spec, endpoints, tree.manifest.roles)
    papers = papers or load_papers(spec.corpus, spec.seed)
    sandbox = open_sandbox(spec.sandbox)
    kind = sandbox.name if spec.sandbox.kind == "auto" else spec.sandbox.kind
    chosen = spec.sandbox.model_copy(update={"kind": kind})
    here = Origin(sandbox=sandbox.fingerprint, roles=tree.manifest.roles)
    return Prepared(
        spec=spec.model_copy(update={"sandbox": chosen}),
        papers=papers,
        seed=tree,
        sandbox=sandbox,
        origin=here if replayed is None else origin_of(replayed),
        isolates_untrusted_code=(replayed or sandbox).isolates_untrusted_code,
        changes=changes,
        sandbox_reason=replayed.sandbox_reason if replayed else sandbox.identity.get(WHY_NOT_DOCKER, ""),
        canary=replayed.canary if replayed else None,
        near_duplicates=replayed.near_duplicates if replayed else papers.near_duplicates,
        left_out="" if seed else left_out_note(spec.harness),
    )


def write_beginning(folder: RunFolder, prepared: Prepared) -> None:
    """Writes what comes before the first event: spec, environment, the seed's files."""
    atomic_write(folder.spec, write_resolved(prepared.spec).encode("utf-8"))
    environment = describe_environment(
        sandbox={**prepared.sandbox.identity, "kind": prepared.spec.sandbox.kind},
        evaluator_hash=frozen_evaluator(prepared.spec, prepared.origin).evaluator_hash,
        started=now().isoformat(timespec="seconds"),
        home=application_root(),
    )
    atomic_write(folder.environment, environment_text(environment).encode("utf-8"))
    with Lineage(folder.lineage) as lineage:
        lineage.add(
            SEED_ID,
            prepared.seed.files,
            parent_commit=None,
            iteration=0,
            hypothesis="the seed",
            run_name=prepared.spec.name,
            kind=MutationKind.SEED,
        )


def begin_run(folder: RunFolder, prepared: Prepared) -> None:
    """`write_beginning` for a run that this user makes, and marks as their own."""
    write_beginning(folder, prepared)
    mark_as_own(folder)


def read_seed(folder: RunFolder) -> HarnessTree:
    """The seed as stored in the run; the folder it came from may have changed since."""
    with Lineage.existing(folder.lineage) as lineage:
        return HarnessTree.of(lineage.read(SEED_ID))


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRun:
    """A run that is ready to execute.

    `canary` None: judge and final verifier are still to be asked, unless the journal says what they did.
    `legs`: where the search of a recorded run ended before it was resumed; a replay ends it there as well.
    `is_replay`: its records decide where it ends, so it never pauses.
    """

    spec: Spec
    seed: HarnessTree
    splits: Splits
    bench: Bench
    ledger: Ledger
    trees: LineageTrees
    watcher: Watcher
    switch: StopSwitch
    tell: Callable[[str], None]
    sandbox_reason: str = ""
    canary: tuple[CanaryScore, ...] | None = None
    near_duplicates: tuple[tuple[str, ...], ...] = ()
    legs: tuple[SearchEnded, ...] = ()
    is_replay: bool = False
    isolates_untrusted_code: bool = False


@contextmanager
def opened_run(
    folder: RunFolder,
    prepared: Prepared,
    environment: Mapping[str, str],
    display: Display,
    switch: StopSwitch,
    *,
    listen: Listen,
    replay_from: Path | None = None,
) -> Iterator[ActiveRun]:
    """Holds the journal's lock during the block, while `listen` may set the stop switch.

    Raises UsageError if the run began with different code.
    """
    with ExitStack() as stack:
        stack.callback(prepared.sandbox.close)
        witness = Witness(folder)
        ledger = stack.enter_context(
            opened_ledger(
                folder,
                prepared.spec.name,
                clock=now,
                holder=this_process(),
                kind=Ledger,
                announce=witness.journal,
            )
        )
        witness.recognize(ledger.head)
        if (start := ledger.population.start) is not None:
            check_version(folder.name, start)
            check_plugins(folder.name, start.plugins, prepared.spec)
            if prepared.spec.search.iterations < (done := ledger.population.iterations_done):
                raise UsageError(
                    f"-s search.iterations={prepared.spec.search.iterations}: {folder.name} has {done} "
                    "iterations already\n  a run can only be extended"
                )
            if replay_from is None and ledger.population.evaluations and not folder.calls.is_file():
                raise IntegrityError(
                    f"{folder.calls} is missing: calls would be paid for twice, and none could be verified\n"
                    "  restore it from a backup of the run"
                )
            if replay_from is None:
                check_trajectories(folder)
        notices = NoticeLog(folder.notices, display.notice, now)
        bench = stack.enter_context(
            open_bench(
                prepared.spec,
                prepared.sandbox,
                prepared.origin,
                environment,
                calls=None if replay_from else folder.calls,
                trajectories=folder.trajectories,
                notices=notices,
                switch=switch,
                replay_from=replay_from,
            )
        )
        if replay_from is None:
            forget_open_failures(folder.journal, bench.records)
        for skipped in prepared.papers.skipped:
            notices.quietly("skipped", f"{skipped.source}: {skipped.reason}")
        for group in prepared.papers.near_duplicates:
            notices.quietly("near-duplicates", ", ".join(group))
        for long in prepared.papers.long:
            notices.quietly("too long", f"{long.source}: about {long.tokens:,} tokens")
        if prepared.left_out:
            notices.quietly("left out", prepared.left_out)
        for change in prepared.changes:
            notices.quietly("changed", change)
        if replay_from is None and ledger.population.start is None and not witness.is_signing:
            notices.add("unmarked", UNSIGNED)
        stack.enter_context(listen(switch, folder.root, display.notice))
        resolved = write_resolved(prepared.spec).encode("utf-8")
        witness.spec(resolved)
        atomic_write(folder.spec, resolved)  # a resume may have changed the spec
        yield ActiveRun(
            spec=prepared.spec,
            seed=prepared.seed,
            splits=prepared.papers.splits,
            bench=bench,
            ledger=ledger,
            trees=ledger.trees,
            watcher=Watcher(display, bench, ledger, time.monotonic),
            switch=switch,
            tell=lambda text: notices.add("canary", text),
            sandbox_reason=prepared.sandbox_reason,
            canary=prepared.canary,
            near_duplicates=prepared.near_duplicates,
            isolates_untrusted_code=prepared.isolates_untrusted_code,
        )


def execute(run: ActiveRun) -> Ending:
    """Runs to the end or to an interruption; finished work is in the ledger either way.

    Raises UsageError for a resumed run that is another experiment, and before the first event of a run for a
    judge or final verifier near chance.
    """
    try:
        _begin(run, _measuring(run))
        return _search_and_conclude(run)
    except StopRequested as error:
        return Ending(reason=EndReason.STOPPED, population=run.ledger.population, error=error)
    except BudgetExceeded as error:
        return Ending(reason=EndReason.BUDGET, population=run.ledger.population, error=error)
    except InfrastructureError as error:
        return Ending(reason=EndReason.INFRASTRUCTURE, population=run.ledger.population, error=error)


def _search_and_conclude(run: ActiveRun) -> Ending:
    """Finishes a conclusion that has begun first: the budget may have been raised since."""
    for leg in run.legs:
        ending = _search(run, until(search_settings(run.spec), leg.iterations))
        if not ending.is_orderly:
            return ending
        _conclude(run, leg.reason)
    ended = run.ledger.population.ended
    if ended is not None and run.ledger.population.is_concluding:
        _conclude(run, ended.reason)
    ending = _search(run, search_settings(run.spec))
    if not ending.is_orderly:
        return ending
    why = why_no_champion(ending.population, run.ledger.evaluations())
    population = _conclude(run, why or WORDS[ending.reason])
    return Ending(reason=EndReason.UNMEASURED if why else ending.reason, population=population)


def _search(run: ActiveRun, settings: SearchSettings) -> Ending:
    return evolve(
        _workshop(run, settings),
        run.ledger.population,
        run.ledger.commit,
        workers=run.spec.workers,
        pause_after=None if run.is_replay else PAUSE_AFTER,
    )


def until(settings: SearchSettings, iterations: int) -> SearchSettings:
    """The same search, ended only by its number of iterations."""
    return replace(settings, iterations=iterations, patience=None)


def _measuring(run: ActiveRun) -> Measuring:
    return Measuring(
        evaluator=run.bench.evaluator,
        pool=run.bench.paper_pool,
        workers=run.spec.workers,
        observer=run.watcher,
        stop_token=StopToken(run.switch.event),
        speculation_share=run.spec.speculation,
        has_room=lambda: run.bench.client.budget_left >= LEAST_BUDGET_LEFT,
    )


def run_started(run: ActiveRun, canary: tuple[CanaryScore, ...] = ()) -> RunStarted:
    return RunStarted(
        run_name=run.spec.name,
        spec_hash=spec_hash(run.spec),
        evaluator_hash=run.bench.evaluator.evaluator_hash,
        seed_tree_hash=run.seed.tree_hash,
        splits=run.splits.paper_ids(),
        sandbox=run.spec.sandbox.kind,
        isolates_untrusted_code=run.isolates_untrusted_code,
        models={name: role.model for name, role in run.spec.models.roles.items()},
        sandbox_fingerprint=run.bench.frozen.sandbox,
        harness_roles=run.seed.manifest.roles,
        plugins=identities(run.spec),
        sandbox_reason=run.sandbox_reason,
        canary=canary,
        near_duplicates=run.near_duplicates,
    )


def _begin(run: ActiveRun, measuring: Measuring) -> None:
    """Makes the first two commits of a journal; for a resumed run, checks that the experiment is the same."""
    if run.ledger.population.start is None:
        canary = ask_canary(run.bench, run.tell) if run.canary is None else run.canary
        run.ledger.commit((run_started(run, canary),))
    else:
        check_unchanged(run.ledger.population.start, run_started(run))
    if not run.ledger.population.members:
        run.ledger.commit(found(run.seed, run.trees, measuring, run.splits.validation))


def check_version(name: str, recorded: RunStarted) -> None:
    """Raises UsageError for a run of an earlier version, which hashed its evaluator differently."""
    if not recorded.sandbox_fingerprint:
        raise UsageError(
            f"run {name} was started by an earlier version of Studbook, whose evaluator differs: "
            "it cannot be resumed or re-run here\n"
            "  it can still be read: studbook show, tree, lineage, diff, report, and replay --level fold"
        )


def check_unchanged(recorded: RunStarted, now: RunStarted) -> None:
    """Raises UsageError naming what differs: mixing two experiments in one journal would invalidate both."""
    check_version(recorded.run_name, recorded)
    reasons = {
        "spec_hash": "the resolved spec was changed",
        "seed_tree_hash": "the seed harness is different",
        "splits": "the papers are different",
        "sandbox": f"it used the {recorded.sandbox} sandbox, and this is {now.sandbox}",
        "sandbox_fingerprint": (
            f"its boxes were built from {recorded.sandbox_fingerprint}, these are built from "
            f"{now.sandbox_fingerprint}: the image or the Python changed, perhaps under the same name"
        ),
        "plugins": "the code of its plug-ins has changed",
        "evaluator_hash": "the evaluator's code, prompts or settings are different",
    }
    for name, reason in reasons.items():
        if getattr(recorded, name) != getattr(now, name):
            raise UsageError(
                f"run {recorded.run_name} cannot be resumed here: {reason}\n"
                "  restore what it began with (environment.json names the commit), or start a new run"
            )


def _workshop(run: ActiveRun, settings: SearchSettings) -> Workshop:
    search = run.spec.search
    models = role_models(run.spec)
    analyzer, implementer = (room_in(models[role]) for role in META_ROLES)
    return Workshop(
        settings=settings,
        papers=_papers(run),
        selection=SELECTION.build(find_plugin(SELECTION, search.selection), temperature=search.temperature),
        trees=run.trees,
        seen=SeenTrees(run.trees),
        measuring=_measuring(run),
        analyzer=ANALYZER.build(
            find_plugin(ANALYZER, search.analyzer),
            chat=run.bench.chat,
            render=lambda result, limit: _render(run, result, limit),
            prompt_tokens=analyzer.prompt_tokens,
            answer_tokens=analyzer.answer_tokens,
        ),
        implementer=IMPLEMENTER.build(
            find_plugin(IMPLEMENTER, search.implementer),
            chat=run.bench.chat,
            prompt_tokens=implementer.prompt_tokens,
            answer_tokens=implementer.answer_tokens,
        ),
        admission=ADMISSION.build(find_plugin(ADMISSION, search.admission)),
        knobs=KNOBS.build(find_plugin(KNOBS, search.knobs)),
        observer=run.watcher,
    )


def _render(run: ActiveRun, result: PaperResult, limit: int) -> str:
    return render_for_analyzer(run.bench.store.get(result.key), limit)


def _papers(run: ActiveRun) -> dict[str, tuple[Paper, ...]]:
    return {"train": run.splits.train, "validation": run.splits.validation, "test": run.splits.test}


def _conclude(run: ActiveRun, reason: str) -> Population:
    promotion = Promotion(
        settings=promotion_settings(run.spec),
        papers=_papers(run),
        trees=run.trees,
        measuring=_measuring(run),  # with its own stop token: the search has set the other one
        commit=run.ledger.commit,
    )
    return conclude(promotion, run.ledger.population, reason)


def search_settings(spec: Spec) -> SearchSettings:
    return SearchSettings(
        run_seed=spec.seed,
        iterations=spec.search.iterations,
        minibatch=spec.search.minibatch,
        lag=spec.search.lag,
        knob_share=spec.search.knob_share,
        full_scores=spec.search.full_scores,
        patience=spec.search.patience,
        racing=spec.search.admission.name == "strict",  # racing skips only what cannot change this decision
    )


def promotion_settings(spec: Spec) -> PromotionSettings:
    return PromotionSettings(
        candidates=spec.champion.candidates,
        confirm_replicates=spec.champion.confirm_replicates,
        test_replicates=spec.champion.test_replicates,
        shrinkage=spec.champion.shrinkage,
    )
