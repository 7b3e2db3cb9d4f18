"""The schema of a spec: every key with its type, default and bounds, validated once.

A `Choice` names a plug-in for a door of the registry, with its parameters. `experiments/spec/loading.py`
loads, overrides and writes specs; `experiments/spec/reference.py` generates the reference for users.
"""

import json
import re
from datetime import date
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_serializer,
    model_validator,
)

from studbook.evaluate.predicates import PREDICATE
from studbook.evaluate.readers import READER
from studbook.evolve.contracts import ADMISSION, ANALYZER, IMPLEMENTER, KNOBS, SELECTION
from studbook.experiments.views.display import DISPLAY
from studbook.llm.contracts import ROLES
from studbook.llm.endpoints import BACKEND
from studbook.registry import Door
from studbook.sandbox.kinds import SANDBOX


class Choice(BaseModel):
    """`selection: uniform` is short for `selection: {name: uniform}`, and is written in the short form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    params: dict[str, Any] = {}

    @field_validator("params")
    @classmethod
    def _plain_values(cls, params: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(params, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError("params hold plain values only: no NaN, no infinity, no dates") from None
        return params

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        return {"name": raw} if isinstance(raw, str) else raw

    @model_serializer
    def _as_written(self) -> Any:
        return {"name": self.name, "params": self.params} if self.params else self.name


def named_by(door: Door[Any]) -> AfterValidator:
    """Refuses a name that this door does not have; the error suggests the nearest one."""

    def check(choice: Choice) -> Choice:
        door.check_name(choice.name)
        return choice

    return AfterValidator(check)


def name_of(door: Door[Any], *, is_quoted: bool = True) -> AfterValidator:
    """The same for a plain name. `is_quoted=False` keeps a value that might be a key out of the error."""
    return AfterValidator(lambda name: door.check_name(name, is_quoted=is_quoted))


Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
RoleName = Literal[
    "challenger",
    "verifier",
    "orchestrator",
    "weak",
    "strong",
    "judge",
    "final_verifier",
    "analyzer",
    "implementer",
]
TooLong = Literal["exclude", "shorten", "refuse"]
Temperature = Annotated[float, Field(ge=0, le=2)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveNumber = Annotated[float, Field(gt=0)]

DEFAULT_HARNESS = "agentic_self_instruct"
SHORTHANDS = {"sandbox": "kind"}
"""`sandbox: docker` is short for `sandbox: {kind: docker}`."""

FROZEN_TEMPERATURES: dict[RoleName, str] = {
    "weak": "solver_temperature",
    "strong": "solver_temperature",
    "judge": "judge_temperature",
    "final_verifier": "judge_temperature",
}
"""The evaluator's roles: their temperatures are keys of `evaluator`, because they are frozen."""


class Section(BaseModel):
    """Refuses unknown keys, does not coerce values, and is immutable after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class SyntheticSpec(Section):
    """`count` null: as many papers as the splits need."""

    count: Positive | None = None
    seed: int = 0


class SplitsSpec(Section):
    train: Positive = 50
    validation: Positive = 25
    test: Positive = 25

    @property
    def total(self) -> int:
        return self.train + self.validation + self.test


class CorpusSpec(Section):
    """One folder or file (`path`), or one per split; synthetic papers if neither is given.

    `longest_tokens` null: what the models' contexts have room for, if they are known.
    """

    path: str | None = None
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    longest_tokens: Positive | None = None
    too_long: TooLong = "exclude"
    near_duplicates: Literal["together", "anywhere"] = "together"
    readers: list[Annotated[Choice, named_by(READER)]] = [Choice(name="text")]
    synthetic: SyntheticSpec = SyntheticSpec()
    splits: SplitsSpec = SplitsSpec()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [self.train, self.validation, self.test]
        if any(given) and not all(given):
            raise ValueError("give all of the paths train, validation and test, or none of them")
        if any(given) and self.path is not None:
            raise ValueError("give either path or the three paths train, validation and test")
        return self


class EndpointSpec(Section):
    """Where models are served. `api_key_env` names an environment variable; keys never appear in a spec.

    Without it the endpoint gets no key. The endpoint named `openai` gets OPENAI_API_KEY. `stream` null:
    answers are streamed if the endpoint wants it. `query` is added to every address (Azure's `api-version`).
    """

    kind: Annotated[str, name_of(BACKEND, is_quoted=False)]
    base_url: str | None = None
    api_key_env: str | None = None
    timeout_seconds: PositiveNumber = 120.0
    concurrency: Positive = 8
    stream: bool | None = None
    query: dict[str, str] = {}
    api_key_header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")] | None = None

    @field_validator("api_key_header")
    @classmethod
    def _header_name(cls, value: str | None) -> str | None:
        if value is not None and _is_key_like(value):
            raise ValueError("must be the name of a header, never the key itself")
        return value

    @field_validator("query", mode="before")
    @classmethod
    def _dates_as_text(cls, value: Any) -> Any:
        """YAML reads `api-version: 2024-10-21` as a date."""
        if not isinstance(value, dict):
            return value
        return {name: each.isoformat() if isinstance(each, date) else each for name, each in value.items()}

    @field_validator("query")
    @classmethod
    def _no_key_in_query(cls, value: dict[str, str]) -> dict[str, str]:
        for name, each in value.items():
            if _SECRETIVE.search(name) or _is_key_like(each) or re.search(rf"\b{KEY_PREFIX}{{16,}}", each):
                raise ValueError(f"{name} must not hold a key: use api_key_env, and api_key_header if needed")
        return value

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not _is_http_address(value):
            raise ValueError("must be an http(s) address")
        if _holds_key(value):
            raise ValueError(
                "must not contain a user name, password, query or key: use api_key_env for the key, "
                "and `query` for an API version"
            )
        return value

    @field_validator("api_key_env")
    @classmethod
    def _variable_name(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not (value.isascii() and value.isidentifier()) or _is_key_like(value):
            raise ValueError("must be the name of an environment variable, never the key itself")
        return value


_SECRETIVE = re.compile(r"key|token|secret|signature|^sig$|password|credential|auth|^code$", re.IGNORECASE)
KEY_PREFIX = r"(?:sk|pk|rk|gsk|xai)[-_]\w"
RANDOM_LIKE = r"(?=.*[0-9])(?=.*[a-z])(?!.*_).{20,}"  # lowercase letters and digits without a break


def _is_key_like(name: str) -> bool:
    """Detects a key given instead of the name of its variable, which would be stored and shown."""
    return re.match(f"{KEY_PREFIX}|{RANDOM_LIKE}", name) is not None


def _holds_key(address: str) -> bool:
    """Does not look at long random words: the paths of some endpoints contain account numbers."""
    has_place = "@" in urlsplit(address).netloc or "?" in address or "#" in address
    return has_place or re.search(rf"\b{KEY_PREFIX}{{16,}}", address) is not None


def _is_http_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:  # unbalanced brackets, a port that is not a number
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


TESTBED, OPENAI = "testbed", "openai"
"""The endpoints that every spec has."""
KEY_OF_OPENAI = "OPENAI_API_KEY"
OWN_FIELDS = frozenset(
    {
        "model",
        "messages",
        "seed",
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "response_format",
        "n",
    }
    | {"stream", "stream_options", "tools", "tool_choice", "functions", "function_call"}
)
"""Fields of a request that Studbook sets itself, or that would let a provider act on its own."""


class RoleSpec(Section):
    """The model of a role and its settings. Prices are used for the budget in dollars.

    `context_tokens` is how many tokens prompt and answer may have together; null: ask the endpoint.

    `temperature` is null for the evaluator's roles, whose temperatures are keys of `evaluator`.
    """

    endpoint: str = "testbed"
    model: str = "testbed"
    temperature: Temperature | None = 0.7
    max_tokens: Positive = 4096
    dollars_per_million_input: Annotated[float, Field(ge=0)] | None = None
    dollars_per_million_output: Annotated[float, Field(ge=0)] | None = None
    dollars_per_million_cached_input: Annotated[float, Field(ge=0)] | None = None
    context_tokens: Positive | None = None
    extra_body: dict[str, Any] = {}

    @field_validator("extra_body")
    @classmethod
    def _no_fields_of_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if name in OWN_FIELDS:
                raise ValueError(f"{name} is set by Studbook and cannot be sent in extra_body")
        if re.search(rf"\b{KEY_PREFIX}{{16,}}", json.dumps(value)):
            raise ValueError("no key: it goes into the variable of the endpoint's api_key_env")
        return value


def _standard_endpoints() -> dict[str, EndpointSpec]:
    return {
        TESTBED: EndpointSpec(kind="testbed"),
        OPENAI: EndpointSpec(kind="openai", api_key_env=KEY_OF_OPENAI),
    }


class ModelsSpec(Section):
    """`default` applies to every role; a role's own entry overrides single keys.

    The endpoints `testbed` and `openai` always exist; OPENAI_BASE_URL sets the latter's address. A failed
    request is retried `retries` times before its role is asked a control question. If an endpoint stops
    responding, the run waits `patience_minutes` (null: forever) before it pauses. `strict_names` refuses
    replies that name a different model; otherwise the difference is reported once. `accept_judge` starts a
    run whose judge or final verifier is near chance on planted cases.
    """

    endpoints: dict[str, EndpointSpec] = Field(default_factory=_standard_endpoints)
    default: RoleSpec = RoleSpec()
    roles: dict[RoleName, RoleSpec] = Field(default_factory=dict)
    retries: Count = 11
    retry_wait_seconds: PositiveNumber = 1.0
    patience_minutes: Annotated[float, Field(ge=0)] | None = 15.0
    strict_names: bool = False
    accept_judge: bool = False

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, raw: Any) -> Any:
        """Merges `default` into the roles before validation, while it is known which keys were written."""
        if not isinstance(raw, dict):
            return raw
        default, roles, endpoints = (raw.get(key) or {} for key in ("default", "roles", "endpoints"))
        if not all(isinstance(part, dict) for part in (default, roles, endpoints)):
            return raw
        standard = {name: endpoint.model_dump() for name, endpoint in _standard_endpoints().items()}
        return {
            **raw,
            "roles": {**roles, **{role: _role_over(role, default, roles.get(role) or {}) for role in ROLES}},
            "endpoints": {
                name: _over(standard.get(name), endpoints.get(name)) for name in {**standard, **endpoints}
            },
        }

    @model_validator(mode="after")
    def _known_endpoints(self) -> Self:
        for name, role in [("default", self.default), *self.roles.items()]:
            if role.endpoint not in self.endpoints:
                where = name if name == "default" else f"roles.{name}"
                raise ValueError(
                    f"{where}.endpoint is {role.endpoint!r}, which models.endpoints does not define "
                    f"(it has {', '.join(self.endpoints)})"
                )
        return self


def _over(base: dict[str, Any] | None, changes: Any) -> Any:
    if isinstance(changes, dict):
        merged: dict[str, Any] = {} if base is None else dict(base)
        return {**merged, **changes}
    return base if changes is None else changes


def _role_over(role: str, default: dict[str, Any], given: Any) -> Any:
    """The default temperature does not apply to the evaluator's roles."""
    if role in FROZEN_TEMPERATURES:
        default = {**default, "temperature": None}
    return _over(default, given)


class EvaluatorSpec(Section):
    """The frozen part. Every key here is hashed into every evaluation.

    `confirm`: recheck accepted examples on fresh rollouts; this does not change the verdict.
    """

    predicate: Annotated[Choice, named_by(PREDICATE)] = Choice(name="deployed")
    max_rounds: Positive = 8
    weak_rollouts: Positive = 3
    strong_rollouts: Positive = 3
    strong_sees_paper: bool = True
    solver_temperature: Temperature = 1.0
    judge_temperature: Temperature = 0.0
    confirm: bool = True
    calls_per_paper: Positive = 200
    tokens_per_paper: Positive = 4_000_000


class LimitsSpec(Section):
    """Limits of one box. See sandbox/contract.py."""

    wall_seconds: PositiveNumber = 120.0
    memory_megabytes: Positive = 512
    cpus: PositiveNumber = 1.0
    processes: Positive = 128
    open_files: Positive = 256
    tmpfs_megabytes: Positive = 64
    requests: Positive = 2000


class SandboxSpec(Section):
    """`auto` uses Docker if an engine responds, and reports its choice.

    `params`: parameters of your own sandbox.
    """

    kind: Annotated[str, name_of(SANDBOX)] = "auto"
    image: str | None = None
    runtime: str | None = None
    params: dict[str, Any] = {}
    limits: LimitsSpec = LimitsSpec()


class SearchSpec(Section):
    """`lag`: iteration i selects from the population after iteration i - lag. `patience` null: no limit."""

    iterations: Count = 20
    selection: Annotated[Choice, named_by(SELECTION)] = Choice(name="boltzmann")
    temperature: PositiveNumber = 0.1
    admission: Annotated[Choice, named_by(ADMISSION)] = Choice(name="strict")
    analyzer: Annotated[Choice, named_by(ANALYZER)] = Choice(name="chat")
    implementer: Annotated[Choice, named_by(IMPLEMENTER)] = Choice(name="chat")
    knobs: Annotated[Choice, named_by(KNOBS)] = Choice(name="optuna")
    minibatch: Positive = 5
    lag: Positive = 1
    knob_share: Share = 0.2
    full_scores: bool = True
    patience: Positive | None = None


class ChampionSpec(Section):
    """`shrinkage`: prior strength: how many papers at the seed's rate are added to each candidate's."""

    candidates: Positive = 3
    shrinkage: Count = 25
    confirm_replicates: Positive = 2
    test_replicates: Positive = 8


class BudgetSpec(Section):
    """Null: no limit."""

    dollars: PositiveNumber | None = None
    calls: Positive | None = None
    tokens: Positive | None = None
    hours: PositiveNumber | None = None


def most_slots(models: ModelsSpec) -> int:
    """The default of `workers`: a paper makes at least one call at a time, so that no slot is left free."""
    return max(models.endpoints[role.endpoint].concurrency for role in models.roles.values())


BUSY_WORKERS = 16
"""Fewer than this are kept busy by papers that are needed for certain."""


def default_speculation(workers: int) -> float:
    return 0.25 if workers >= BUSY_WORKERS else 0.0


class Spec(Section):
    """One experiment."""

    version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    seed: int = 0
    harness: str = DEFAULT_HARNESS
    corpus: CorpusSpec = CorpusSpec()
    models: ModelsSpec = Field(default_factory=lambda: ModelsSpec.model_validate({}))
    evaluator: EvaluatorSpec = EvaluatorSpec()
    sandbox: SandboxSpec = SandboxSpec()
    search: SearchSpec = SearchSpec()
    champion: ChampionSpec = ChampionSpec()
    budget: BudgetSpec = BudgetSpec()
    workers: Positive = Field(default_factory=lambda data: most_slots(data["models"]))
    speculation: Share = Field(default_factory=lambda data: default_speculation(data["workers"]))
    display: Annotated[Choice, named_by(DISPLAY)] = Choice(name="auto")

    @model_validator(mode="after")
    def _dollars_need_prices(self) -> Self:
        """A price that nobody gave would be 0, and the budget would never be reached."""
        if self.budget.dollars is not None:
            for name, role in self.models.roles.items():
                prices = (role.dollars_per_million_input, role.dollars_per_million_output)
                if None in prices and self.models.endpoints[role.endpoint].kind != TESTBED:
                    raise ValueError(
                        f"budget.dollars needs prices, and models.roles.{name} has none: give "
                        "dollars_per_million_input and dollars_per_million_output (0 for a free endpoint)"
                    )
        return self

    @model_validator(mode="after")
    def _evaluator_sets_its_temperatures(self) -> Self:
        for role, key in FROZEN_TEMPERATURES.items():
            given = self.models.roles[role].temperature
            if given is not None:
                raise ValueError(f"models.roles.{role}.temperature is set as evaluator.{key}")
        return self
