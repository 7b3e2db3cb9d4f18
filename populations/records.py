"""The records of a run: one paper, one evaluation, one decision, one mutant.

Plain values; `populations/events.py` defines their JSON, and reads only ids and hashes of the shapes given
here. Nothing here computes a score.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from studbook.llm.contracts import Usage
from studbook.rate import NO_RATE, Rate

HarnessId = Annotated[str, StringConstraints(pattern=r"^(?:seed|m[0-9]{4,9})$")]
"""The number is the iteration."""
PaperId = Annotated[str, StringConstraints(pattern=r"^[^\p{C}\p{Zl}\p{Zp}]{1,200}$")]
"""Of any paper reader, so any printable text."""
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{0,64}$")]
ScoreText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,200}(?:/[1-9][0-9]{0,199})?$")]


class PaperVerdict(StrEnum):
    """How one paper ended for one harness. Only ACCEPTED counts as passed."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not_accepted"  # the harness ended normally, but no example was accepted
    CRASHED = "crashed"  # the harness raised or exited non-zero
    TIMED_OUT = "timed_out"  # past the box's deadline
    OUT_OF_LIMITS = "out_of_limits"  # memory, processes, output, frame limits
    PROTOCOL_ERROR = "protocol_error"  # frames the host refuses
    NO_EXAMPLE = "no_example"  # ended normally without evaluating any example


class FailureCategory(StrEnum):
    """Why one round was not accepted."""

    TOO_EASY = "too_easy"  # the weak solver did too well
    TOO_HARD = "too_hard"  # a weak rollout scored 0, and the predicate forbids that
    STRONG_FAILED = "strong_failed"  # strong average below its lower bound or at its upper bound
    SMALL_GAP = "small_gap"
    QUALITY = "quality"  # the evaluator's final quality verifier failed it
    TRUNCATED = "truncated"  # a reply of a frozen role about it was cut off at the token limit
    UNREADABLE = "unreadable"  # no readable reply of the judge or the final verifier about it
    MALFORMED = "malformed"  # it cannot be parsed, or the model of a frozen role cannot process it
    NEAR_DUPLICATE = "near_duplicate"  # almost an earlier example of the same paper; not evaluated


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """One example evaluated. Scores are averages over rollouts in [0, 1] as exact "numerator/denominator"."""

    number: int
    status: str  # accepted | rejected | undecided
    category: FailureCategory | None
    reason: str
    weak_average: ScoreText | None
    strong_average: ScoreText | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The recheck of an accepted example by the evaluator, on fresh rollouts, with the same predicate.

    It never changes the verdict. Averages are None if there was nothing to measure.
    """

    holds: bool
    reason: str
    weak_average: ScoreText | None
    strong_average: ScoreText | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperResult:
    """One harness on one paper with one replicate number. `key` names its trajectory file.

    `confirmation` is None if nothing was accepted or rechecks are off.
    """

    key: Hash
    paper_id: PaperId
    replicate: int
    verdict: PaperVerdict
    reason: str
    rounds: tuple[RoundResult, ...]
    usage: Usage
    calls: int
    trajectory_hash: Hash
    confirmation: Confirmation | None = None

    @property
    def passed(self) -> bool:
        return self.verdict is PaperVerdict.ACCEPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One harness over papers of one split with one replicate number.

    `complete` is False if racing stopped it early: `results` then holds the papers that were run, in the
    order in which they were run.
    """

    harness_id: HarnessId
    tree_hash: Hash
    evaluator_hash: Hash
    split: str
    replicate: int
    results: tuple[PaperResult, ...]
    complete: bool = True

    @property
    def rate(self) -> Rate:
        return Rate(sum(result.passed for result in self.results), len(self.results))


class Verdict(StrEnum):
    """How one iteration ended."""

    ADMITTED = "admitted"
    REJECTED = "rejected"  # evaluated, but did not strictly beat its parent
    BROKEN = "broken"  # failed a gate before evaluation: does not apply, parse, import or survive one paper
    DUPLICATE = "duplicate"  # the same normalized tree was seen before
    NO_CHANGE = "no_change"  # the implementer proposed nothing
    UNANSWERED = "unanswered"  # the analyzer's or implementer's model gave no answer: nothing was proposed

    @property
    def made_mutant(self) -> bool:
        return self not in {Verdict.NO_CHANGE, Verdict.UNANSWERED}


class MutationKind(StrEnum):
    SEED = "seed"
    PROMPT = "prompt"
    CODE = "code"  # touches code, perhaps prompts too
    KNOBS = "knobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A harness that was made: the seed (`parent_id` None, iteration 0) or a change of its parent."""

    harness_id: HarnessId
    parent_id: HarnessId | None
    iteration: int
    kind: MutationKind
    tree_hash: Hash
    commit: Hash
    hypothesis: str
    knobs: dict[str, int | float] = field(default_factory=dict)  # an integer knob stays an integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome of an iteration, with its reason and evidence."""

    iteration: int
    parent_id: HarnessId
    mutant_id: HarnessId | None
    verdict: Verdict
    reason: str
    parent_rate: Rate = NO_RATE
    mutant_rate: Rate = NO_RATE


class CanaryVerdict(StrEnum):
    ABOVE_CHANCE = "above chance"  # the 95% interval of what is right lies above one half
    NEAR_CHANCE = "near chance"
    UNREADABLE = "unreadable"  # fewer than half of the replies could be read


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryScore:
    """How a frozen role did on planted cases before a run: `right` of `n` known truths, `readable` replies.

    `asked` replies in all, one for each case; an unreadable reply says nothing about its truths, so they are
    not among the `n`.
    """

    role: str
    right: int
    n: int
    readable: int
    asked: int

    @property
    def rate(self) -> Rate:
        return Rate(self.right, self.n)

    @property
    def verdict(self) -> CanaryVerdict:
        if 2 * self.readable < self.asked or self.n == 0:
            return CanaryVerdict.UNREADABLE
        low, _ = self.rate.interval()
        return CanaryVerdict.ABOVE_CHANCE if low > 1 / 2 else CanaryVerdict.NEAR_CHANCE
