"""The events of a run, as the journal records them, and their JSON.

An event is a claim about what happened, without times, hosts or retries, so that identical runs write
identical events. Computes nothing: `populations/population.py` folds events into the population.

Reading is strict: an unknown key, a missing key without default, or a value of the wrong type is an
IntegrityError that names the field. Only an outline, used for folding a journal, skips the fields it does not
have. An alias is the key in older journals. Opens no file.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import Field, PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from studbook.errors import IntegrityError
from studbook.identity import Json
from studbook.llm.contracts import NO_EVIDENCE, Evidence
from studbook.populations.records import (
    CanaryScore,
    Decision,
    Evaluation,
    HarnessId,
    Hash,
    Mutant,
    PaperId,
    PaperVerdict,
)
from studbook.rate import Rate

T = TypeVar("T")

SCHEMA_VERSION = 1


class Purpose(StrEnum):
    """Why an evaluation was made; only SEED and VALIDATION count toward the score that selects parents."""

    SEED = "seed"  # the first validation evaluation of the seed
    TRAINING = "training"  # the parent on a minibatch, for the analyzer
    VALIDATION = "validation"  # parent against mutant
    CONFIRMATION = "confirmation"  # fresh replicates for the choice of the champion
    TEST = "test"  # the sealed split, once


def _is_empty(value: object) -> bool:
    return not value


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The first line of a journal. `splits` maps a split to its paper ids, `models` a role to its model.

    `sandbox_fingerprint` identifies the image or Python of the boxes; "" in older journals. `harness_roles`
    are those named in the seed's manifest; `plugins` maps each door to the plug-in and its code.
    `sandbox_reason` is why `sandbox: auto` did not use Docker, `canary` what judge and final verifier were
    worth before the run, `near_duplicates` groups of papers of the splits that are versions of one another;
    all three are written only if there is something to say.
    """

    run_name: str
    spec_hash: Hash
    evaluator_hash: Hash
    seed_tree_hash: Hash
    splits: dict[str, tuple[PaperId, ...]]
    sandbox: str
    isolates_untrusted_code: Annotated[bool, Field(alias="contains_hostile_code")]
    models: dict[str, str] = field(default_factory=dict)
    sandbox_fingerprint: str = ""
    harness_roles: tuple[str, ...] = ()
    plugins: dict[str, str] = field(default_factory=dict)
    sandbox_reason: Annotated[str, Field(exclude_if=_is_empty)] = ""
    canary: Annotated[tuple[CanaryScore, ...], Field(exclude_if=_is_empty)] = ()
    near_duplicates: Annotated[tuple[tuple[PaperId, ...], ...], Field(exclude_if=_is_empty)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MutantMade:
    mutant: Mutant


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationDone:
    iteration: int
    purpose: Purpose
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationOutline:
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperResultOutline:
    paper_id: PaperId
    verdict: PaperVerdict
    confirmation: ConfirmationOutline | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOutline:
    harness_id: HarnessId
    split: str
    replicate: int
    results: tuple[PaperResultOutline, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationDoneOutline:
    """An `EvaluationDone` reduced to the fields that a population keeps, under the same names."""

    iteration: int
    purpose: Purpose
    evaluation: EvaluationOutline


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisMade:
    """`evidence` names the analyzer's call records."""

    iteration: int
    parent_id: HarnessId
    text: str
    evidence: Annotated[Evidence, Field(alias="rests")] = NO_EVIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade:
    """Ends an iteration. `refused_actions` counts edits outside what the manifest allows.

    `evidence` names the implementer's call records; for `unanswered`, the analyzer's if it was the analyzer.
    """

    decision: Decision
    refused_actions: int = 0
    evidence: Annotated[Evidence, Field(alias="rests")] = NO_EVIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEnded:
    """The search ended normally; the events up to `RunFinished` choose and test the champion.

    Written first, so that an interrupted conclusion is finished as it began, even if a larger budget lets the
    search continue afterwards.
    """

    reason: str
    iterations: int


def _read_fraction(value: Any) -> Fraction:
    if isinstance(value, str) and "/" in value:
        try:
            fraction = Fraction(value)
        except ZeroDivisionError as error:
            raise ValueError("it divides by zero") from error
        if _write_fraction(fraction) == value:
            return fraction
    raise ValueError('expected "numerator/denominator" in lowest terms')


def _write_fraction(fraction: Fraction) -> str:
    return f"{fraction.numerator}/{fraction.denominator}"


ExactFraction = Annotated[Fraction, PlainValidator(_read_fraction), PlainSerializer(_write_fraction)]
"""Written "numerator/denominator"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedHarness:
    """One row of the ranking from which the champion was chosen; `shrunk` is the exact shrunk rate."""

    harness_id: HarnessId
    passed: int
    n: int
    shrunk: ExactFraction

    @property
    def rate(self) -> Rate:
        return Rate(self.passed, self.n)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionChosen:
    harness_id: HarnessId
    reason: str
    ranking: tuple[RankedHarness, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The conclusion is complete. With a larger budget the search may continue after it."""

    reason: str
    iterations: int


Event = (
    RunStarted
    | MutantMade
    | EvaluationDone
    | DiagnosisMade
    | DecisionMade
    | SearchEnded
    | ChampionChosen
    | RunFinished
)

KINDS: dict[str, type[Event]] = {
    "run_started": RunStarted,
    "mutant_made": MutantMade,
    "evaluation_done": EvaluationDone,
    "diagnosis_made": DiagnosisMade,
    "decision_made": DecisionMade,
    "search_ended": SearchEnded,
    "champion_chosen": ChampionChosen,
    "run_finished": RunFinished,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


def to_json(event: Event) -> tuple[str, dict[str, Json]]:
    """The event's kind and its data."""
    return _NAMES[type(event)], encode(event)


def from_json(kind: str, data: bytes) -> Event:
    """The event of a JSON text; raises IntegrityError for an unknown kind or key, or a wrong value."""
    if kind not in KINDS:
        raise IntegrityError(f"{kind!r:.80} is not a kind of event; known: {', '.join(KINDS)}")
    return decode(KINDS[kind], data)


def outline_from_json(kind: str, data: bytes) -> Event | EvaluationDoneOutline:
    """Like `from_json`, at half the cost: skips the fields that an evaluation's outline does not have."""
    if kind == "evaluation_done":
        try:
            outline: EvaluationDoneOutline = _adapter(EvaluationDoneOutline).validate_json(
                data, strict=True, extra="ignore"
            )
            return outline
        except ValidationError:
            pass  # reported below, with the field names of the full event
    return from_json(kind, data)


def encode(record: Any) -> dict[str, Any]:
    """The JSON object of a record. Lone surrogates, which UTF-8 cannot encode, become U+FFFD."""
    kind: Any = type(record)  # mypy: it is Hashable
    encoded: dict[str, Any] = _writable(
        _adapter(kind).dump_python(record, mode="json", by_alias=True, warnings=False)
    )
    return encoded


def decode(kind: type[T], data: bytes) -> T:
    """The `kind` described by a JSON text, strictly; raises IntegrityError naming the field."""
    record: Any = kind  # mypy: it is Hashable
    try:
        decoded: T = _adapter(record).validate_json(data, strict=True, extra="forbid")
    except ValidationError as error:
        raise IntegrityError(f"{kind.__name__}{_first_problem(error)}") from error
    return decoded


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "unexpected_keyword_argument":
        return f" has the unknown key {place!r:.80}"
    if first["type"] == "missing":
        return f" lacks the key {place!r:.80}"
    return f"{'.' if place else ''}{place:.200}: {first['msg']}, got {first['input']!r:.80}"


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_writable(key): _writable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_writable(each) for each in value]
    return value
