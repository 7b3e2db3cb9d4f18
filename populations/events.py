"""What the journal can say: the events of a run, and their JSON.

An event is a claim about what happened, free of times, hosts and retries, so that two identical runs write
identical events. Computes nothing: the population is folded from these in `populations/population.py`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from populations.codec import decode, encode
from populations.records import Decision, Evaluation, Mutant
from studbook.errors import IntegrityError
from studbook.identity import Json
from studbook.llm.seals import NOTHING, Rests
from studbook.rate import Rate

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
    """The first line of a journal. `splits` maps a split to its paper ids, `models` a role to its model."""

    run_name: str
    spec_hash: str
    evaluator_hash: str
    seed_tree_hash: str
    splits: dict[str, tuple[str, ...]]
    sandbox: str
    contains_hostile_code: bool
    models: dict[str, str] = field(default_factory=dict)


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
    """`rests` names the analyzer's call records."""

    iteration: int
    parent_id: str
    text: str
    rests: Rests = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade:
    """Ends an iteration. `refused_actions` counts edits outside what the manifest allows.

    `rests` names the implementer's call records.
    """

    decision: Decision
    refused_actions: int = 0
    rests: Rests = NOTHING


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
    """The run stopped in order. A larger budget may go on after it."""

    reason: str
    iterations: int


Event = RunStarted | MutantMade | EvaluationDone | DiagnosisMade | DecisionMade | ChampionChosen | RunFinished

KINDS: dict[str, type[Event]] = {
    "run_started": RunStarted,
    "mutant_made": MutantMade,
    "evaluation_done": EvaluationDone,
    "diagnosis_made": DiagnosisMade,
    "decision_made": DecisionMade,
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
