"""Our client, relay, budgets, records and error paths against a server and a model that nobody here wrote.

`make test-llm` only. Nothing is asserted about quality: SmolLM2-135M is close to chance in any role.
STUDBOOK_LLM_PAPERS names a folder of papers; else it is ../shared/papers, else two synthetic papers.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.backend_contract import DeterministicBackendContract

from studbook.errors import ModelUnavailable, RequestRefused
from studbook.evaluate.contracts import Paper
from studbook.evaluate.paper_evaluator import SandboxedEvaluator
from studbook.evaluate.papers import make_paper, read_corpus
from studbook.evaluate.settings import EvaluatorSettings, Frozen
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import HarnessTree
from studbook.llm.client import ModelClient
from studbook.llm.contracts import ROLES, Backend, ChatCall, ChatRequest, Endpoint, Message, RoleModel
from studbook.llm.endpoints import probe
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.records import CallRecords
from studbook.llm.secrets import Secret
from studbook.populations.records import PaperResult, PaperVerdict
from studbook.sandbox.contract import Limits
from studbook.sandbox.docker_box import DockerSandbox
from studbook.testbed.papers.synthesis import synthetic_papers

ROOT = Path(__file__).parents[2]
MODEL = "smollm2-135m-instruct"
WEIGHTS = ROOT / ".models" / f"{MODEL}.gguf"
PAPER_CHARACTERS = 3000  # with prompt, feedback and answer inside the server's 8,192 tokens
ROLE = RoleModel(endpoint="local", model=MODEL, max_tokens=250)
UNREADABLE = "replies in a row that"


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    command = [ROOT / ".venv.llm/bin/python", ROOT / "benchmarks/local_model/serve.py", WEIGHTS]
    environment = {**os.environ, "GOMP_SPINCOUNT": "0"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip() + "/v1"
        server.kill()


@pytest.fixture(scope="module")
def local(base_url: str) -> Iterator[OpenAIBackend]:
    backend = OpenAIBackend(name="local", base_url=base_url, api_key=Secret(), timeout_seconds=600)
    yield backend
    backend.close()


class TestForeignServerKeepsTheContract(DeterministicBackendContract):
    @pytest.fixture
    def model(self) -> str:
        return MODEL

    @pytest.fixture
    def backend(self, local: OpenAIBackend) -> Backend:
        return local


def papers() -> list[Paper]:
    """Two real papers, cut to what the model can take."""
    folder = Path(os.environ.get("STUDBOOK_LLM_PAPERS", ROOT.parent / "shared" / "papers"))
    found = read_corpus(folder).papers if folder.is_dir() else synthetic_papers(2, seed=1)
    return [make_paper(paper.text[:PAPER_CHARACTERS], paper.source) for paper in found[:2]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    client: ModelClient
    evaluator: SandboxedEvaluator


@contextmanager
def bench(folder: Path, backend: OpenAIBackend | None, trajectories: str) -> Iterator[Bench]:
    """All roles on the one model; without a backend a replay from the records."""
    path = folder / "calls.sqlite"
    endpoints = (
        {} if backend is None else {"local": Endpoint(name="local", backend=backend, max_concurrent=2)}
    )
    with CallRecords.open(path) if backend else CallRecords.read_only(path) as records:
        client = ModelClient(
            roles=dict.fromkeys(ROLES, ROLE),
            endpoints=endpoints,
            records=records,
            replay_only=backend is None,
        )
        frozen = Frozen(
            settings=EvaluatorSettings(max_rounds=2),
            run_seed=1,
            models=dict.fromkeys(ROLES, MODEL),
            limits=Limits(wall_seconds=1500.0),
        )
        sandbox = DockerSandbox.connect()
        try:
            store = TrajectoryStore(folder / trajectories)
            yield Bench(
                client=client,
                evaluator=SandboxedEvaluator(chat=client, sandbox=sandbox, store=store, frozen=frozen),
            )
        finally:
            sandbox.close()


def run(bench: Bench, paper: Paper, harness: HarnessTree) -> PaperResult | str:
    """A verdict; or the one thing a model this small may honestly end with: a judge that cannot be read."""
    try:
        return bench.evaluator.evaluate_paper(harness, paper, replicate=1)
    except ModelUnavailable as error:
        assert UNREADABLE in str(error)
        return str(error)


@pytest.mark.docker
def test_the_seed_is_evaluated_on_two_papers_in_docker_and_replays(
    docker_engine: None, local: OpenAIBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = read_harness(ROOT / "harnesses" / "agentic_self_instruct")
    with bench(tmp_path, local, "live") as live:
        outcomes = [run(live, paper, seed) for paper in papers()]
        totals = live.client.meter.snapshot()
    assert totals["challenger"].calls >= 2
    assert totals["challenger"].usage.prompt_tokens > 2000
    assert totals["challenger"].usage.completion_tokens > 0
    assert sum(part.failures for part in totals.values()) == 0
    verdicts = [outcome.verdict for outcome in outcomes if isinstance(outcome, PaperResult)]
    assert set(verdicts) <= {PaperVerdict.ACCEPTED, PaperVerdict.NOT_ACCEPTED, PaperVerdict.NO_EXAMPLE}
    with CallRecords.read_only(tmp_path / "calls.sqlite") as records:
        assert records.verify() == sum(part.calls for part in totals.values())
    with bench(tmp_path, None, "replayed") as replayed:
        assert [run(replayed, paper, seed) for paper in papers()] == outcomes
    with capsys.disabled():
        for outcome in outcomes:
            sys.stdout.write(f"\n{outcome}\n")
        for role, part in totals.items():
            sys.stdout.write(f"{role}: {part.calls} calls, {part.usage}, {part.seconds:.0f} s\n")


HANDWRITTEN = """
from harness_kit import Box

def main(box: Box) -> None:
    question = {"role": "user", "content": "Say which book lists horses, as JSON."}
    box.log(box.chat("challenger", [question], json_mode=True))
    report = box.evaluate({
        "context": "A stud book lists the horses of a breed and their parents.",
        "question": "Why does a stud book list the parents of a horse?",
        "reference_answer": "So that its descent can be proven.",
        "rubric": [{"criterion": "Descent can be proven.", "weight": 5, "category": "reasoning"}],
        "question_type": "why",
        "tags": [],
    })
    box.log(report["status"])
"""

MANIFEST = "version: 1\nname: handwritten\nentry: agent.py:main\nroles: [challenger]\neditable: ['*.py']\n"


@pytest.mark.docker
def test_an_example_from_a_box_is_answered_and_judged_by_the_foreign_model(
    docker_engine: None, local: OpenAIBackend, tmp_path: Path
) -> None:
    harness = HarnessTree.of({"agent.py": HANDWRITTEN.encode(), "harness.yaml": MANIFEST.encode()})
    with bench(tmp_path, local, "live") as live:
        outcome = run(live, papers()[0], harness)
        totals = live.client.meter.snapshot()
    assert totals["challenger"].calls == 1
    assert totals["weak"].usage.completion_tokens > 0
    assert totals["judge"].calls >= 1
    if isinstance(outcome, PaperResult):
        assert len(outcome.rounds) == 1
        assert totals["weak"].calls == 3


def test_doctor_finds_the_model_healthy(local: OpenAIBackend) -> None:
    found = probe("weak", ROLE, local)
    assert found.is_healthy, found.text


def test_a_prompt_that_is_too_long_is_refused_as_the_requests_own_fault(local: OpenAIBackend) -> None:
    request = ChatRequest(
        model=MODEL,
        messages=(Message(role="user", content="word " * 20_000),),
        seed=1,
        temperature=1.0,
        max_tokens=8,
    )
    with pytest.raises(RequestRefused, match="HTTP 400") as caught:
        local.complete(request)
    assert len(str(caught.value).splitlines()) == 3


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(local: OpenAIBackend) -> None:
    with CallRecords.in_memory() as first, CallRecords.in_memory() as second:
        answers = []
        for records in (first, second):
            client = ModelClient(
                roles={"weak": ROLE},
                endpoints={"local": Endpoint(name="local", backend=local, max_concurrent=1)},
                records=records,
            )
            for seed in (1, 2):
                messages = (Message(role="user", content="Describe a horse."),)
                call = ChatCall(role="weak", messages=messages, seed=seed, max_tokens=40)
                answers.append(client.chat(call).text)
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]
    assert answers[0] != answers[1]
