"""Everything a run works with, opened in one place and closed in order: models, boxes, stores, pools.

A bench evaluates and knows nothing about search: `studbook evaluate` uses only a bench, a run adds journal,
lineage and loop. Opening a sandbox first removes what crashed runs left behind.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from studbook.code_identity import source_hash
from studbook.errors import UsageError
from studbook.evaluate.contracts import Paper, PaperEvaluator
from studbook.evaluate.evaluations import evaluate_many
from studbook.evaluate.paper_evaluator import SandboxedEvaluator
from studbook.evaluate.paper_queue import PaperQueue
from studbook.evaluate.predicates import PREDICATE
from studbook.evaluate.settings import EvaluatorSettings, Frozen
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.experiments.run.models import build_client, evaluated_models, open_endpoints
from studbook.experiments.run.notices import NoticeLog
from studbook.experiments.run.plugins import find_plugin
from studbook.experiments.run.stopping import StoppableChat, StopSwitch
from studbook.experiments.spec.model import Choice, LimitsSpec, SandboxSpec, Spec
from studbook.harnesses.tree import HarnessTree
from studbook.llm.client import ModelClient
from studbook.llm.contracts import Chat, Endpoint
from studbook.llm.records import CallRecords
from studbook.populations.events import RunStarted
from studbook.populations.records import Evaluation, PaperResult
from studbook.sandbox.bubblewrap import reap_copies
from studbook.sandbox.contract import Limits, Sandbox, StatedSandbox
from studbook.sandbox.docker_box import DockerSandbox, reap_containers
from studbook.sandbox.kinds import SANDBOX
from studbook.sandbox.process_box import reap_processes
from studbook.sandbox.shim import box_sources


def open_clean_sandbox(spec: SandboxSpec) -> StatedSandbox:
    """Keeps boxes whose owner is still running. Raises UsageError, SandboxError."""
    found = find_plugin(SANDBOX, Choice(name=spec.kind, params=spec.params))
    sandbox = SANDBOX.build(found, image=spec.image, runtime=spec.runtime)
    if isinstance(sandbox, DockerSandbox):
        reap_containers(sandbox.engine)
    reap_processes()
    reap_copies()
    return sandbox


def open_recorded_sandbox(spec: SandboxSpec) -> StatedSandbox:
    """The one that a run began with. Raises UsageError that says so if it is not available."""
    try:
        return open_clean_sandbox(spec)
    except UsageError as error:
        told = str(error).splitlines()[0]
        raise UsageError(
            f"{told}\n  the run began in the {spec.kind} sandbox and can only be resumed or replayed there"
        ) from error


MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """`chat` is the client behind the stop switch; the calls of every role go through it."""

    spec: Spec
    client: ModelClient
    chat: Chat
    records: CallRecords
    sandbox: Sandbox
    frozen: Frozen
    store: TrajectoryStore
    evaluator: PaperEvaluator
    paper_pool: Executor

    def evaluate(
        self,
        harness: HarnessTree,
        papers: Sequence[Paper],
        *,
        harness_id: str,
        split: str,
        replicate: int,
        on_result: Callable[[PaperResult], None],
    ) -> Evaluation:
        return evaluate_many(
            PaperQueue(self.evaluator, self.paper_pool),
            harness,
            papers,
            harness_id=harness_id,
            split=split,
            replicate=replicate,
            workers=self.spec.workers,
            on_result=on_result,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a result depends on besides the spec: where boxes run, and which roles the harness calls."""

    sandbox: str
    roles: tuple[str, ...]


def origin_of(start: RunStarted) -> Origin:
    """The origin of a recorded run, also when it is read or replayed elsewhere."""
    return Origin(sandbox=start.sandbox_fingerprint, roles=start.harness_roles)


@contextmanager
def open_bench(
    spec: Spec,
    sandbox: Sandbox,
    origin: Origin,
    environment: Mapping[str, str],
    *,
    calls: Path | None,
    trajectories: Path,
    notices: NoticeLog,
    switch: StopSwitch,
    replay_from: Path | None = None,
    endpoints: Mapping[str, Endpoint] | None = None,
) -> Iterator[Bench]:
    """Closes `sandbox` at the end. `calls` None keeps records in memory.

    `replay_from` answers from these records only; `origin` is then that of the replayed run. `endpoints`, by
    name, take the place of those that the spec describes; the caller closes them.
    """
    with ExitStack() as stack:
        stack.callback(sandbox.close)

        def tell(text: str) -> None:
            notices.add("endpoint", text)

        records = stack.enter_context(_open_records(calls, replay_from))
        if endpoints is None:
            endpoints = {} if replay_from else stack.enter_context(open_endpoints(spec, environment, tell))
        client = build_client(
            spec,
            records,
            endpoints,
            on_notice=notices.model,
            replay_only=replay_from is not None,
            sleep=switch.sleep,
        )
        paper_pool = stack.enter_context(ThreadPoolExecutor(spec.workers, thread_name_prefix="paper"))
        threads = rollout_threads(spec)
        rollout_pool = stack.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="rollout"))
        chat = StoppableChat(client, switch)
        frozen = frozen_evaluator(spec, origin)
        store = TrajectoryStore(trajectories)
        evaluator = SandboxedEvaluator(
            chat=chat,
            sandbox=sandbox,
            store=store,
            frozen=frozen,
            rollout_pool=rollout_pool,
            on_box_notice=lambda text: notices.add("box", text),
            sleep=switch.sleep,
        )
        yield Bench(
            spec=spec,
            client=client,
            chat=chat,
            records=records,
            sandbox=sandbox,
            frozen=frozen,
            store=store,
            evaluator=evaluator,
            paper_pool=paper_pool,
        )


def rollout_threads(spec: Spec) -> int:
    """As many as can be busy: each waits for one call, to an endpoint of the solvers or the judge."""
    most = spec.workers * max(spec.evaluator.weak_rollouts, spec.evaluator.strong_rollouts)
    endpoints = {spec.models.roles[role].endpoint for role in ("weak", "strong", "judge")}
    return max(1, min(most, sum(spec.models.endpoints[name].concurrency for name in endpoints)))


def _open_records(calls: Path | None, replay_from: Path | None) -> CallRecords:
    if replay_from is not None:
        return CallRecords.read_only(replay_from)
    return CallRecords.in_memory() if calls is None else CallRecords.open(calls)


def frozen_settings(spec: Spec) -> EvaluatorSettings:
    predicate = find_plugin(PREDICATE, spec.evaluator.predicate)
    return EvaluatorSettings(
        predicate=PREDICATE.build(predicate),
        predicate_identity=predicate.identity,
        weak_rollouts=spec.evaluator.weak_rollouts,
        strong_rollouts=spec.evaluator.strong_rollouts,
        max_rounds=spec.evaluator.max_rounds,
        solver_temperature=spec.evaluator.solver_temperature,
        judge_temperature=spec.evaluator.judge_temperature,
        strong_sees_paper=spec.evaluator.strong_sees_paper,
        confirm=spec.evaluator.confirm,
        max_calls=spec.evaluator.calls_per_paper,
        max_tokens=spec.evaluator.tokens_per_paper,
    )


def frozen_evaluator(spec: Spec, origin: Origin) -> Frozen:
    """Everything that determines a score besides harness and paper."""
    return Frozen(
        settings=frozen_settings(spec),
        run_seed=spec.seed,
        models=evaluated_models(spec, origin.roles),
        limits=box_limits(spec.sandbox.limits),
        box_sources={name: source_hash(text) for name, text in box_sources().items()},
        sandbox=origin.sandbox,
    )


def box_limits(spec: LimitsSpec) -> Limits:
    return Limits(
        wall_seconds=spec.wall_seconds,
        memory_bytes=spec.memory_megabytes * MEGABYTE,
        cpus=spec.cpus,
        processes=spec.processes,
        open_files=spec.open_files,
        tmpfs_bytes=spec.tmpfs_megabytes * MEGABYTE,
        requests=spec.requests,
    )
