"""What the tests of the evaluator share: a paper, an example, a small harness, models that follow a rule.

Chat is the real client over the shipped `ComputedBackend`: solvers state as many numbered facts as they are
told to know, and the judge marks a criterion as met when its fact stands in the answer.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from studbook.errors import SandboxError
from studbook.evaluate.contracts import Criterion, Example
from studbook.evaluate.evaluator import Evaluator
from studbook.evaluate.metering import MeteredChat
from studbook.evaluate.paper_evaluator import SandboxedEvaluator
from studbook.evaluate.papers import make_paper
from studbook.evaluate.relay import Relay
from studbook.evaluate.seeds import SeedScope
from studbook.evaluate.settings import EvaluatorSettings, Frozen, read_prompts
from studbook.evaluate.trajectories import TrajectoryStore, Transcript
from studbook.harnesses.tree import HarnessTree
from studbook.llm.client import ModelClient, RetryPolicy
from studbook.llm.contracts import ROLES, ChatRequest, Endpoint, RoleModel
from studbook.llm.records import CallRecords
from studbook.sandbox.contract import Handler, Job, Outcome
from studbook.testbed.inline_sandbox import InlineSandbox
from studbook.testbed.scripted import ComputedBackend

PAPER = make_paper(
    "# Ten facts\n\n" + "\n".join(f"Fact {n} holds because of cause {n}." for n in range(400)), "ten.md"
)

MANIFEST = b"""version: 1
name: small
entry: agent.py:main
roles: [challenger, verifier]
editable: ["*.py"]
knobs:
  tries: {type: int, low: 1, high: 8, value: 3}
"""


def example_body(marker: str = "one", facts: int = 10) -> dict[str, Any]:
    """What a harness submits: one criterion of weight 1 for each of `facts` facts.

    Two markers give two examples that have too little in common to be near-duplicates.
    """
    says = "States" if marker == "one" else sha256(marker.encode()).hexdigest()[:24]
    return {
        "context": f"The setting, called {marker}.",
        "question": "Which facts hold?",
        "reference_answer": "All of them.",
        "rubric": [
            {"criterion": f"{says} fact {n}.", "weight": 1, "category": "insight"} for n in range(facts)
        ],
        "question_type": "listing",
        "tags": ["facts"],
    }


EXAMPLE = Example(
    context="The setting, called one.",
    question="Which facts hold?",
    reference_answer="All of them.",
    rubric=tuple(Criterion(criterion=f"States fact {n}.", weight=1, category="insight") for n in range(10)),
    question_type="listing",
    tags=("facts",),
)

GOOD = {"weak": 4, "strong": 8}
TOO_EASY = {"weak": 9, "strong": 9}
HOPELESS = {"weak": 4, "strong": 5}


def facts(count: int) -> str:
    return " ".join(f"<{n}>" for n in range(count))


def mark_by_facts(text: str) -> str:
    """The judge: criterion n is met when the answer holds <n>."""
    criteria, answer = text.split("<answer>")
    asked = re.findall(r"\w fact (\d+)", criteria.split("<criteria>")[1])
    return json.dumps({"marks": [f"‹{n}>" in answer or f"<{n}>" in answer for n in asked]})


@dataclass
class RuleModels:
    """Each answer; `knows` maps a solver to how many facts it states; `requests` is all that was asked."""

    knows: Mapping[str, int] = field(default_factory=lambda: dict(GOOD))
    answers: dict[str, Callable[[ChatRequest], str]] = field(default_factory=dict)
    requests: list[ChatRequest] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def answer(self, request: ChatRequest) -> str:
        with self.lock:
            self.requests.append(request)
        role = request.model
        if role in self.answers:
            return self.answers[role](request)
        if role in self.knows:
            return facts(self.knows[role])
        if role == "judge":
            return mark_by_facts(request.messages[-1].content)
        if role == "final_verifier":
            return '{"pass": true, "reason": "sound"}'
        return f"{role} says something"

    def of(self, role: str) -> list[ChatRequest]:
        return [request for request in self.requests if request.model == role]


@dataclass
class Rig:
    """Everything around one paper: models, records, folders; builds what a test looks at."""

    records: CallRecords
    folder: Path
    models: RuleModels = field(default_factory=RuleModels)
    settings: EvaluatorSettings = field(default_factory=EvaluatorSettings)
    sandbox: "InlineSandbox | LossySandbox" = field(default_factory=InlineSandbox)
    notices: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=2))

    def chat(self, *, replay_only: bool = False) -> ModelClient:
        return ModelClient(
            roles={role: RoleModel(endpoint="rule", model=role) for role in ROLES},
            endpoints={"rule": Endpoint(name="rule", backend=ComputedBackend(self.models.answer))},
            records=self.records,
            retry=self.retry,
            sleep=lambda _: None,
            replay_only=replay_only,
        )

    def seeds(self, replicate: int = 0) -> SeedScope:
        return SeedScope(run_seed=7, paper_id=PAPER.paper_id, replicate=replicate)

    def evaluator(self, **more: Any) -> Evaluator:
        arguments: dict[str, Any] = {
            "chat": self.chat(),
            "settings": self.settings,
            "prompts": read_prompts(),
            "paper": PAPER,
            "seeds": self.seeds(),
        }
        return Evaluator(**{**arguments, **more})

    def replay(self) -> "RelayRig":
        """A relay whose models answer from the records only."""
        return self.relay(chat=self.chat(replay_only=True))

    def relay(
        self, roles: tuple[str, ...] = ("challenger", "verifier"), chat: ModelClient | None = None
    ) -> "RelayRig":
        meter, transcript = MeteredChat(chat or self.chat()), Transcript(PAPER)
        relay = Relay(
            chat=meter,
            evaluator=self.evaluator(chat=meter),
            settings=self.settings,
            roles=roles,
            seeds=self.seeds(),
            transcript=transcript,
        )
        return RelayRig(relay=relay, transcript=transcript, meter=meter)

    def paper_evaluator(self, **more: Any) -> SandboxedEvaluator:
        return SandboxedEvaluator(
            chat=self.chat(),
            sandbox=self.sandbox,
            store=TrajectoryStore(self.folder),
            frozen=Frozen(settings=self.settings, run_seed=7, models={"weak": "small"}),
            on_box_notice=self.notices.append,
            sleep=self.pauses.append,
            **more,
        )


@dataclass
class RelayRig:
    relay: Relay
    transcript: Transcript
    meter: MeteredChat

    def evaluate(self, example: Any, solvers: str = "both") -> dict[str, Any]:
        return self.relay.handle("evaluate", {"example": example, "solvers": solvers})

    def chat(self, **body: Any) -> dict[str, Any]:
        said = {"role": "challenger", "messages": [{"role": "user", "content": "Write."}]}
        return self.relay.handle("chat", {**said, **body})


class LossySandbox(InlineSandbox):
    """Loses its first `losses` boxes, after they have run."""

    def __init__(self, losses: int, error: SandboxError | None = None) -> None:
        super().__init__()
        self.losses = losses
        self.error = error or SandboxError("the engine went away")

    def run(self, job: Job, handler: Handler) -> Outcome:
        outcome = super().run(job, handler)
        if self.losses:
            self.losses -= 1
            raise self.error
        return outcome


class WarningSandbox(InlineSandbox):
    """Warns of the same in every box."""

    def run(self, job: Job, handler: Handler) -> Outcome:
        return replace(super().run(job, handler), warnings=("no system call filter",))


def harness(body: str) -> HarnessTree:
    """A harness whose `main(box)` has this body; `example(marker)` is at hand."""
    source = f"{EXAMPLE_SOURCE}\ndef main(box):\n" + "\n".join(f"    {line}" for line in body.splitlines())
    return HarnessTree.of({"harness.yaml": MANIFEST, "agent.py": source.encode()})


EXAMPLE_SOURCE = """
from hashlib import sha256

def example(marker="one"):
    says = "States" if marker == "one" else sha256(marker.encode()).hexdigest()[:24]
    return {
        "context": f"The setting, called {marker}.",
        "question": "Which facts hold?",
        "reference_answer": "All of them.",
        "rubric": [{"criterion": f"{says} fact {n}.", "weight": 1, "category": "insight"} for n in range(10)],
        "question_type": "listing",
        "tags": ["facts"],
    }
"""
