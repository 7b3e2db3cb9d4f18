"""From a spec, or a run folder, to a job that can be carried out: everything opened, nothing measured yet.

What can be wrong is found before a folder is made: papers, harness, sandbox, endpoints. Opening order is
closing order reversed; whoever enters `opened_job` gets a run that no one else writes.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import UsageError
from studbook.experiments.run.bench import Origin, frozen_evaluator, open_bench, open_clean_sandbox, origin_of
from studbook.experiments.run.corpus import LoadedPapers, load_papers
from studbook.experiments.run.environment import describe_environment, environment_text, now
from studbook.experiments.run.execute import Job
from studbook.experiments.run.ledger import Ledger, opened_ledger
from studbook.experiments.run.models import open_endpoints
from studbook.experiments.run.notices import NoticeLog
from studbook.experiments.run.stopping import StopSwitch
from studbook.experiments.run.watching import Watcher
from studbook.experiments.spec.bundled import application_root, harness_folder
from studbook.experiments.spec.loading import write_resolved
from studbook.experiments.spec.model import SandboxSpec, Spec
from studbook.experiments.views.display import Display
from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import HarnessTree
from studbook.populations.events import RunStarted
from studbook.populations.layout import RunFolder
from studbook.populations.lineage import Lineage
from studbook.populations.population import SEED_ID
from studbook.populations.records import MutationKind
from studbook.populations.storage import atomic_write, this_process
from studbook.sandbox.contract import StatedSandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that a run needs and that can be refused. `spec` names the sandbox that was chosen, not `auto`."""

    spec: Spec
    papers: LoadedPapers
    seed: HarnessTree
    sandbox: StatedSandbox
    origin: Origin


def prepare(
    spec: Spec,
    environment: Mapping[str, str],
    seed: HarnessTree | None = None,
    *,
    replayed: RunStarted | None = None,
    papers: LoadedPapers | None = None,
) -> Prepared:
    """Raises UsageError before anything is written; the caller closes `sandbox`. A replay needs no endpoint.

    `seed` is given for a run that exists already: it is bound to its sandbox. So are its `papers`, where they
    were found already.
    """
    papers = papers or load_papers(spec.corpus, spec.seed)
    tree = seed or read_harness(harness_folder(spec.harness))
    if replayed is None:
        with open_endpoints(spec, environment, lambda text: None):
            pass  # a missing key or a wrong proxy is told before anything is written
    sandbox = open_clean_sandbox(spec.sandbox) if seed is None else _same_sandbox(spec.sandbox)
    kind = sandbox.name if spec.sandbox.kind == "auto" else spec.sandbox.kind
    chosen = spec.sandbox.model_copy(update={"kind": kind})
    here = Origin(sandbox=sandbox.fingerprint, roles=tree.manifest.roles)
    return Prepared(
        spec=spec.model_copy(update={"sandbox": chosen}),
        papers=papers,
        seed=tree,
        sandbox=sandbox,
        origin=here if replayed is None else origin_of(replayed),
    )


def _same_sandbox(spec: SandboxSpec) -> StatedSandbox:
    try:
        return open_clean_sandbox(spec)
    except UsageError as error:
        told = str(error).splitlines()[0]
        raise UsageError(
            f"{told}\n  the run began in the {spec.kind} sandbox and goes on, or is replayed, only there"
        ) from error


def write_beginning(folder: RunFolder, prepared: Prepared) -> None:
    """What a run rests on, written before its first event: spec, environment, the seed's files."""
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


def read_seed(folder: RunFolder) -> HarnessTree:
    """The seed as the run keeps it; the folder it came from may have changed since."""
    with Lineage(folder.lineage) as lineage:
        return HarnessTree.of(lineage.read(SEED_ID))


@contextmanager
def opened_job(
    folder: RunFolder,
    prepared: Prepared,
    environment: Mapping[str, str],
    display: Display,
    switch: StopSwitch,
    *,
    replay_from: Path | None = None,
) -> Iterator[Job]:
    """The journal's lock is held while the block runs."""
    with ExitStack() as stack:
        stack.callback(prepared.sandbox.close)
        ledger = stack.enter_context(
            opened_ledger(folder, prepared.spec.name, clock=now, holder=this_process(), kind=Ledger)
        )
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
        for skipped in prepared.papers.skipped:
            notices.quietly("skipped", f"{skipped.source}: {skipped.reason}")
        yield Job(
            spec=prepared.spec,
            seed=prepared.seed,
            splits=prepared.papers.splits,
            bench=bench,
            ledger=ledger,
            trees=ledger.trees,
            watcher=Watcher(display, bench, ledger, time.monotonic),
            switch=switch,
        )
