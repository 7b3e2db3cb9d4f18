"""What the journal can say: the events of a run, and their JSON.

An event is a claim about what happened, free of times, hosts and retries, so that two identical runs write
identical events. Computes nothing: the population is folded from these in `populations/population.py`.

Frozen dataclasses to JSON values and back, exactly, driven by their annotations.

Strict: an unknown key, a missing one without default or a value of another type is an IntegrityError that
names the field. Fractions are written "numerator/denominator". Knows no record by name and opens no file.
Lone surrogates (a model can send them, UTF-8 cannot hold them) are written as U+FFFD.
"""

import dataclasses
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from studbook.errors import IntegrityError
from studbook.identity import Json
from studbook.llm.evidence import NO_EVIDENCE, Evidence
from studbook.populations.records import Decision, Evaluation, Mutant
from studbook.rate import Rate

Encode = Callable[[Any], Json]
Decode = Callable[[Any], Any]

T = TypeVar("T")


def encode(value: Any) -> dict[str, Any]:
    """The JSON object of a dataclass instance."""
    kind: Any = type(value)
    encoded = _encoder(kind)(value)
    assert isinstance(encoded, dict)
    return encoded


def decode(kind: type[T], value: Json) -> T:
    """The instance of `kind` that `value` describes; raises IntegrityError naming the field."""
    build: Any = kind  # mypy: `type[T]` of an unbound T is not Hashable
    decoded: T = _decoder(build)(value)
    return decoded


@cache
def _encoder(kind: Any) -> Encode:
    """Built once per type: a journal holds hundreds of thousands of small records."""
    if kind is str:
        return _writable
    if kind is Fraction:
        return lambda value: f"{value.numerator}/{value.denominator}"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return str
    if dataclasses.is_dataclass(kind):
        return _object_encoder(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        item = _encoder(arguments[0])
        return lambda value: [item(each) for each in value]
    if origin is dict:
        item = _encoder(arguments[1])
        return lambda value: {_writable(key): item(each) for key, each in value.items()}
    if origin in (Union, types.UnionType):
        item = _encoder(_present(arguments))
        return lambda value: None if value is None else item(value)
    return _unchanged


@cache
def _decoder(kind: Any) -> Decode:
    if kind in (str, int, bool):
        return _exactly(kind)
    if kind is float:
        return _number
    if kind is Fraction:
        return _fraction
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind
    if dataclasses.is_dataclass(kind):
        return _object_decoder(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _tuple_decoder(_decoder(arguments[0]))
    if origin is dict:
        return _dict_decoder(_decoder(arguments[1]))
    if origin in (Union, types.UnionType):
        item = _decoder(_present(arguments))
        return lambda value: None if value is None else item(value)
    raise TypeError(f"no codec for {kind!r}")


def _present(arguments: tuple[Any, ...]) -> Any:
    """The X of `X | None`."""
    (kind,) = (argument for argument in arguments if argument is not types.NoneType)
    return kind


def _unchanged(value: Any) -> Json:
    return value  # type: ignore[no-any-return]  # int, float and bool are JSON as they are


def _writable(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _object_encoder(kind: Any) -> Encode:
    """Texts are most of what is written and are looked at here: a call costs more than the look."""
    hints = get_type_hints(kind)
    keys = {field.name: _key(field) for field in dataclasses.fields(kind)}
    texts = [key for name, key in keys.items() if hints[name] in (str, str | None)]
    changed = [
        (key, item)
        for name, key in keys.items()
        if key not in texts and (item := _encoder(hints[name])) is not _unchanged
    ]

    def encode_object(value: Any) -> Json:
        encoded = {key: getattr(value, name) for name, key in keys.items()}
        for name in texts:
            text = encoded[name]
            if text is not None and not text.isascii():
                encoded[name] = _writable(text)
        for name, item in changed:
            encoded[name] = item(encoded[name])
        return encoded

    return encode_object


def _object_decoder(kind: Any) -> Decode:
    hints = get_type_hints(kind)
    items = {_key(field): (field.name, _decoder(hints[field.name])) for field in dataclasses.fields(kind)}
    required = frozenset(_key(field) for field in dataclasses.fields(kind) if not _has_default(field))

    def decode_object(value: Any) -> Any:
        if type(value) is not dict:
            raise IntegrityError(f"{kind.__name__} is {value!r:.80}, which is not an object")
        if not required <= value.keys() <= items.keys():
            raise _wrong_keys(kind, value, required, frozenset(items))
        arguments = {}
        for key, each in value.items():
            name, item = items[key]
            try:
                arguments[name] = item(each)
            except ValueError as error:
                raise IntegrityError(f"{kind.__name__}.{key}: {error}") from error
        try:
            return kind(**arguments)
        except ValueError as error:
            raise IntegrityError(f"{kind.__name__}: {error}") from error

    return decode_object


def _key(field: "dataclasses.Field[Any]") -> str:
    """As it stands on disk: what was written under an older name can still be read."""
    key: str = field.metadata.get("key", field.name)
    return key


def _has_default(field: "dataclasses.Field[Any]") -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _wrong_keys(
    kind: Any, value: dict[str, Any], required: frozenset[str], known: frozenset[str]
) -> IntegrityError:
    unknown, missing = sorted(value.keys() - known), sorted(required - value.keys())
    if unknown:
        return IntegrityError(f"{kind.__name__} has the unknown key {unknown[0]!r:.80}")
    return IntegrityError(f"{kind.__name__} lacks the key {missing[0]!r}")


def _exactly(kind: type) -> Decode:
    def decode_exactly(value: Any) -> Any:
        if type(value) is not kind:  # bool is an int to isinstance
            raise ValueError(f"expected {kind.__name__}, got {value!r:.80}")
        return value

    return decode_exactly


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"expected a number, got {value!r:.80}")
    return value  # type: ignore[no-any-return]  # an int stays an int, as the manifest declared it


def _fraction(value: Any) -> Fraction:
    if type(value) is not str:
        raise ValueError(f'expected "numerator/denominator", got {value!r:.80}')
    try:
        fraction = Fraction(value)
    except ZeroDivisionError as error:
        raise ValueError(f"{value!r} divides by zero") from error
    if f"{fraction.numerator}/{fraction.denominator}" != value:
        raise ValueError(f"{value!r:.80} is not a fraction in lowest terms")
    return fraction


def _tuple_decoder(item: Decode) -> Decode:
    def decode_tuple(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise ValueError(f"expected a list, got {value!r:.80}")
        return tuple([item(each) for each in value])

    return decode_tuple


def _dict_decoder(item: Decode) -> Decode:
    def decode_dict(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise ValueError(f"expected an object, got {value!r:.80}")
        return {key: item(each) for key, each in value.items()}

    return decode_dict


SCHEMA_VERSION = 1


class Purpose(StrEnum):
    """Why an evaluation was made; only SEED and VALIDATION count towards the score that selects parents."""

    SEED = "seed"  # the first validation evaluation of the seed
    TRAINING = "training"  # the parent on a minibatch, for the analyzer
    VALIDATION = "validation"  # parent against mutant
    CONFIRMATION = "confirmation"  # fresh replicates for the choice of the champion
    TEST = "test"  # the sealed split, once


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The first line of a journal. `splits` maps a split to its paper ids, `models` a role to its model.

    `sandbox_fingerprint` names what boxes were made of; "" in journals of before that was written down.
    `harness_roles` are those the seed's manifest names; `plugins` name what stands in each door, and its
    code.
    """

    run_name: str
    spec_hash: str
    evaluator_hash: str
    seed_tree_hash: str
    splits: dict[str, tuple[str, ...]]
    sandbox: str
    isolates_untrusted_code: bool = field(metadata={"key": "contains_hostile_code"})
    models: dict[str, str] = field(default_factory=dict)
    sandbox_fingerprint: str = ""
    harness_roles: tuple[str, ...] = ()
    plugins: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MutantMade:
    mutant: Mutant


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationDone:
    iteration: int
    purpose: Purpose
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisMade:
    """`evidence` names the analyzer's call records."""

    iteration: int
    parent_id: str
    text: str
    evidence: Evidence = field(default=NO_EVIDENCE, metadata={"key": "rests"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade:
    """Ends an iteration. `refused_actions` counts edits outside what the manifest allows.

    `evidence` names the implementer's call records.
    """

    decision: Decision
    refused_actions: int = 0
    evidence: Evidence = field(default=NO_EVIDENCE, metadata={"key": "rests"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEnded:
    """The search stopped in order; what follows, up to `RunFinished`, chooses and tests the champion.

    Written first, so that a conclusion that was interrupted is finished as it was begun, also when a larger
    budget lets the search go on afterwards.
    """

    reason: str
    iterations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedHarness:
    """One row of the ranking a champion was chosen from; `shrunk` is the exact shrunk rate."""

    harness_id: str
    passed: int
    n: int
    shrunk: Fraction

    @property
    def rate(self) -> Rate:
        return Rate(self.passed, self.n)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionChosen:
    harness_id: str
    reason: str
    ranking: tuple[RankedHarness, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The conclusion is complete. A larger budget may go on after it."""

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


def from_json(kind: str, data: Json) -> Event:
    """The event; raises IntegrityError for an unknown kind or key, or a value of the wrong type."""
    if kind not in KINDS:
        raise IntegrityError(f"{kind!r:.80} is no kind of event; known: {', '.join(KINDS)}")
    return decode(KINDS[kind], data)
