"""Where a cheat meets its honest twin: same papers, same luck, the real evaluator, models of the testbed.

A world says who can be persuaded. Everything measured is kept in one folder that all test processes share, so
the honest arm is run once. Does not know what any cheat does.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from support.effects import load_effects

from studbook.evaluate.contracts import Paper
from studbook.evaluate.paper_evaluator import SandboxedEvaluator
from studbook.evaluate.settings import EvaluatorSettings, Frozen
from studbook.evaluate.trajectories import Trajectory, TrajectoryStore
from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import HarnessTree, set_knobs
from studbook.llm.client import ModelClient
from studbook.llm.contracts import ROLES, ChatRequest, Endpoint, RoleModel
from studbook.llm.records import CallRecords
from studbook.populations.records import PaperResult
from studbook.rate import NO_RATE, Rate
from studbook.sandbox.contract import Sandbox
from studbook.testbed.inline_sandbox import InlineSandbox
from studbook.testbed.models.backend import TestbedBackend
from studbook.testbed.models.gullible import GullibleBackend
from studbook.testbed.models.unkind import UnkindBackend
from studbook.testbed.papers.synthesis import synthetic_papers
from studbook.testbed.scripted import ComputedBackend

CHEATS = Path(__file__).parent / "cheats"
RUN_SEED = 1
PAPERS = synthetic_papers(20, seed=31)
REPLICATES = (0, 1)
ROUNDS = 3  # of the eight that the evaluator allows; the cheats that shop for luck use all of them


class World(StrEnum):
    """Who obeys what an example says. The final verifier checks, unless it is said otherwise."""

    SOBER = "sober"  # nobody: the testbed as it is
    GULLIBLE = "gullible"  # solvers and judge
    ALL_GULLIBLE = "all gullible"  # the final verifier too, except where screening warns it
    UNKIND = "unkind"  # nobody, and all of them are as unreliable as small language models
    UNKIND_GULLIBLE = "unkind and gullible"  # the same, and solvers and judge obey
    UNCHECKED = "unchecked"  # solvers and judge, and the final verifier passes everything


_OBEYS = {
    World.SOBER: (),
    World.UNKIND: (),
    World.UNKIND_GULLIBLE: ("weak", "strong", "judge"),
    World.GULLIBLE: ("weak", "strong", "judge"),
    World.ALL_GULLIBLE: ("weak", "strong", "judge", "final_verifier"),
    World.UNCHECKED: ("weak", "strong", "judge"),
}


def honest() -> HarnessTree:
    """The seed harness with the four findings in its prompts: room for gains and for losses."""
    effects = load_effects()
    tree: HarnessTree = effects.with_texts(read_harness(effects.SEED_HARNESS), effects.ALL)
    return set_knobs(tree, {"max_rounds": ROUNDS})


def cheating(cheat: str, **settings: object) -> HarnessTree:
    """The honest twin with `cheats/<cheat>.py` in front of its loop."""
    tree = honest()
    manifest = tree.files["harness.yaml"].replace(b"entry: agent.py:main", b"entry: cheat.py:main")
    sources = {"cheat.py": f"{cheat}.py", "kit.py": "kit.py"}
    return tree.replace(
        {name: (CHEATS / path).read_bytes() for name, path in sources.items()}
        | {"harness.yaml": manifest, "cheat.json": json.dumps(settings).encode()}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One harness on all papers and replicates, in the order asked for."""

    results: tuple[PaperResult, ...]
    trajectories: tuple[Trajectory, ...]

    @property
    def rate(self) -> Rate:
        return sum((Rate(int(result.passed), 1) for result in self.results), NO_RATE)

    @property
    def passed(self) -> tuple[bool, ...]:
        return tuple(result.passed for result in self.results)

    @property
    def confirmed(self) -> Rate:
        """Of what was accepted: how much the evaluator's own second measurement bore out."""
        seconds = [result.confirmation for result in self.results if result.confirmation is not None]
        return Rate(sum(second.holds for second in seconds), len(seconds))

    def __str__(self) -> str:
        return f"{self.rate}; confirmed {self.confirmed.passed}/{self.confirmed.n}"

    def count(self, what: str) -> int:
        """How often: a failure category of rounds, a kind of event, or a number that reports carry."""
        rounds = [item for result in self.results for item in result.rounds]
        events = [event for trajectory in self.trajectories for event in trajectory.events]
        reports = [event for event in events if event["kind"] == "report" and not event["completes"]]
        return (
            sum(item.category is not None and item.category.value == what for item in rounds)
            + sum(event["kind"] == what for event in events)
            + sum(_number(event.get(what)) for event in reports)
        )


def _number(value: object) -> int:
    if isinstance(value, list):
        return len(value)
    return value if isinstance(value, int) else 0


@dataclass(frozen=True, slots=True)
class Arena:
    """Measures. `folder` keeps finished papers; `records` answers what an earlier arm has asked already."""

    folder: Path
    records: CallRecords
    settings: EvaluatorSettings = field(default_factory=EvaluatorSettings)

    def measure(
        self,
        tree: HarnessTree,
        world: World = World.SOBER,
        *,
        papers: Sequence[Paper] = PAPERS,
        replicates: Iterable[int] = REPLICATES,
        sandbox: Sandbox | None = None,
    ) -> Arm:
        evaluator = self.evaluator(world, sandbox or InlineSandbox())
        numbers = tuple(replicates)
        results = [evaluator.evaluate_paper(tree, paper, n) for paper in papers for n in numbers]
        trajectories = [evaluator.store.get(result.key) for result in results]
        return Arm(results=tuple(results), trajectories=tuple(trajectories))

    def evaluator(self, world: World, sandbox: Sandbox) -> SandboxedEvaluator:
        return SandboxedEvaluator(
            chat=models_of(world, self.records),
            sandbox=sandbox,
            store=TrajectoryStore(self.folder),
            frozen=Frozen(settings=self.settings, run_seed=RUN_SEED, models={"world": world.value}),
        )


def models_of(world: World, records: CallRecords) -> ModelClient:
    unchecked = {"final_verifier": RoleModel(endpoint="unchecked", model="passes-everything")}
    roles = {role: RoleModel(endpoint="testbed", model=_model(role, world)) for role in ROLES}
    return ModelClient(
        roles=roles | (unchecked if world is World.UNCHECKED else {}),
        endpoints=_endpoints(),
        records=records,
        sleep=lambda _: None,
    )


def _model(role: str, world: World) -> str:
    name = role.replace("_", "-")
    unkind = "unkind-" if world in {World.UNKIND, World.UNKIND_GULLIBLE} else ""
    return f"testbed-{unkind}gullible-{name}" if role in _OBEYS[world] else f"testbed-{unkind}{name}"


def _endpoints() -> Mapping[str, Endpoint]:
    models = UnkindBackend(GullibleBackend(TestbedBackend()))
    backends = {"testbed": models, "unchecked": ComputedBackend(_pass_everything)}
    return {name: Endpoint(name=name, backend=backend) for name, backend in backends.items()}


def _pass_everything(_: ChatRequest) -> str:
    return '{"pass": true, "reason": "nothing is checked here"}'
