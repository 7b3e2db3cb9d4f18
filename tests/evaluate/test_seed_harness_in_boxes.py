"""The seed harness through the real path: testbed, client, box, relay, store."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import studbook.harnesses
from studbook.evaluate.evaluations import evaluate_many, summarize
from studbook.evaluate.paper_evaluator import SandboxedEvaluator
from studbook.evaluate.paper_queue import PaperQueue
from studbook.evaluate.settings import EvaluatorSettings, Frozen
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.harnesses.folder import read_harness
from studbook.llm.client import ModelClient
from studbook.llm.contracts import ROLES, Endpoint, RoleModel
from studbook.llm.records import CallRecords
from studbook.sandbox.kinds import docker
from studbook.sandbox.process_box import ProcessSandbox
from studbook.testbed.models.backend import TestbedBackend
from studbook.testbed.papers.synthesis import synthetic_papers

SEED = read_harness(Path(studbook.harnesses.__file__).parent / "agentic_self_instruct")


def evaluate(sandbox, folder, papers, workers):
    roles = {role: RoleModel(endpoint="testbed", model=f"testbed-{role.replace('_', '-')}") for role in ROLES}
    with CallRecords.in_memory() as records, ThreadPoolExecutor(4) as pool, ThreadPoolExecutor(4) as rollouts:
        endpoint = Endpoint(name="testbed", backend=TestbedBackend())
        evaluator = SandboxedEvaluator(
            chat=ModelClient(roles=roles, endpoints={"testbed": endpoint}, records=records),
            sandbox=sandbox,
            store=TrajectoryStore(folder),
            frozen=Frozen(settings=EvaluatorSettings(), run_seed=1, models={}),
            rollout_pool=rollouts if workers > 1 else None,
        )
        evaluation = evaluate_many(
            PaperQueue(evaluator, pool),
            SEED,
            papers,
            harness_id="seed",
            split="train",
            replicate=0,
            workers=workers,
        )
        return evaluation, [evaluator.store.get(result.key) for result in evaluation.results]


@pytest.fixture
def process_sandbox():
    sandbox = ProcessSandbox.open()
    yield sandbox
    sandbox.close()


def test_the_seed_harness_evaluates_examples_of_its_own_on_every_paper(process_sandbox, tmp_path):
    evaluation, trajectories = evaluate(process_sandbox, tmp_path, synthetic_papers(2, seed=5), workers=2)
    summary = summarize([evaluation], trajectories)
    assert set(summary.verdicts) <= {"accepted", "not_accepted"}
    assert summary.rounds >= 2
    assert set(summary.calls_by_role) >= {"challenger", "verifier", "weak", "judge"}
    assert sum(summary.calls_by_role.values()) == summary.calls


def test_workers_leave_every_byte_of_an_evaluation_as_it_is(process_sandbox, tmp_path):
    papers = synthetic_papers(3, seed=6)
    alone, _ = evaluate(process_sandbox, tmp_path / "alone", papers, workers=1)
    together, _ = evaluate(process_sandbox, tmp_path / "together", papers, workers=3)
    assert together == alone


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_a_container_and_a_process_leave_the_same_trajectory(process_sandbox, tmp_path):
    papers = synthetic_papers(1, seed=7)
    in_process, _ = evaluate(process_sandbox, tmp_path / "process", papers, workers=1)
    sandbox = docker.plugin()
    try:
        in_container, _ = evaluate(sandbox, tmp_path / "docker", papers, workers=1)
    finally:
        sandbox.close()
    assert in_container == in_process
