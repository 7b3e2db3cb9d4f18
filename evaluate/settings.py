"""What a run fixes about its evaluator before it starts, and the hash that names it.

Frozen: nothing a harness sends can change a value here. Does not know how a spec spells these settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources

from studbook.code_identity import code_hash
from studbook.evaluate.contracts import Predicate
from studbook.evaluate.predicates.deployed import DEPLOYED
from studbook.identity import Json, hash_json
from studbook.sandbox.contract import Limits

PROMPT_NAMES = ("solver", "judge", "final_verifier")

SCORING = ("studbook.evaluate.paper_evaluator",)
"""The roots of the scoring code; the modules they import are found automatically."""
KEEPING = ("studbook.evaluate.trajectories", "studbook.evaluate.predicates.deployed")
"""Imported by the scoring code without influence on scores: result storage and the default predicate. The
predicate in use has an identity of its own (`EvaluatorSettings.predicate_identity`).
"""


def read_prompts() -> dict[str, str]:
    """The bundled frozen prompts, by name."""
    folder = resources.files("studbook.evaluate") / "prompts"
    return {name: (folder / f"{name}.md").read_text(encoding="utf-8").strip() for name in PROMPT_NAMES}


@cache
def scoring_code_hash() -> str:
    """Changes when the behavior of the scoring code may change, but not for a comment or a moved module."""
    return code_hash(SCORING, stops=KEEPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorSettings:
    """Budgets are per paper and count the harness's own calls, not the evaluator's rollouts and marks."""

    predicate: Predicate = DEPLOYED
    weak_rollouts: int = 3
    strong_rollouts: int = 3
    max_rounds: int = 8
    solver_temperature: float = 1.0
    judge_temperature: float = 0.0
    solver_max_tokens: int | None = None
    strong_sees_paper: bool = True
    max_calls: int = 200
    max_tokens: int = 4_000_000
    reading_attempts: int = 3  # attempts to get a readable mark sheet or final check
    confirm: bool = True  # re-measure an accepted example on fresh rollouts; never changes the verdict
    predicate_identity: Json = None  # its name, parameters and code, if a spec named it

    def to_json(self) -> dict[str, Json]:
        plain: dict[str, Json] = {item.name: getattr(self, item.name) for item in fields(self)}
        del plain["predicate_identity"]
        return plain | {"predicate": self.predicate_identity or repr(self.predicate)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """Everything that decides a score besides harness and paper.

    `models` maps each role to whatever identifies its model and parameters; `box_sources` identifies
    what is injected into a box (harness_kit, shim); `code` identifies the scoring code; `sandbox` is the
    fingerprint of the sandbox that produces the results.
    """

    settings: EvaluatorSettings
    run_seed: int
    models: Mapping[str, Json]
    limits: Limits = field(default_factory=Limits)
    prompts: Mapping[str, str] = field(default_factory=read_prompts)
    box_sources: Mapping[str, str] = field(default_factory=dict)
    code: str = field(default_factory=scoring_code_hash)
    sandbox: str = ""

    @property
    def evaluator_hash(self) -> str:
        limits: dict[str, Json] = {item.name: getattr(self.limits, item.name) for item in fields(self.limits)}
        return hash_json(
            {
                "schema": 2,
                "settings": self.settings.to_json(),
                "run_seed": self.run_seed,
                "models": dict(self.models),
                "limits": limits,
                "prompts": dict(self.prompts),
                "box_sources": dict(self.box_sources),
                "code": self.code,
                "sandbox": self.sandbox,
            }
        )
