"""Evaluations reduced to what selection and comparison need, and added up per harness.

The score of a harness is the pooled rate of its *complete* validation evaluations. One that racing stopped
early ended where it did because of its results, so its rate is biased, and it is left out as soon as there
is a complete one. A harness known from stopped evaluations only is scored by them with the papers left out
counted as not passed: stopping early never makes a harness look better than it was shown to be.
"""

from dataclasses import dataclass, replace

from populations.events import EvaluationDone, Purpose
from populations.records import PaperVerdict
from studbook.rate import NO_RATE, Rate

_SCORED = (Purpose.SEED, Purpose.VALIDATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSummary:
    """An evaluation without its rounds: the verdict of each paper, in the order in which they were run."""

    harness_id: str
    iteration: int
    purpose: Purpose
    split: str
    replicate: int
    is_complete: bool
    verdicts: tuple[tuple[str, PaperVerdict], ...]

    @property
    def rate(self) -> Rate:
        return Rate(sum(verdict is PaperVerdict.ACCEPTED for _, verdict in self.verdicts), len(self.verdicts))

    @property
    def is_scored(self) -> bool:
        """Counts towards the score that selects parents."""
        return self.purpose in _SCORED


def summarise(event: EvaluationDone) -> EvaluationSummary:
    evaluation = event.evaluation
    return EvaluationSummary(
        harness_id=evaluation.harness_id,
        iteration=event.iteration,
        purpose=event.purpose,
        split=evaluation.split,
        replicate=evaluation.replicate,
        is_complete=evaluation.complete,
        verdicts=tuple((result.paper_id, result.verdict) for result in evaluation.results),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The scored evaluations of one harness, added up: the complete ones and those racing stopped.

    `floor` is `stopped` with the papers left out counted as not passed.
    """

    complete: Rate = NO_RATE
    stopped: Rate = NO_RATE
    floor: Rate = NO_RATE

    @property
    def score(self) -> Rate:
        """What selection goes by."""
        return self.complete if self.complete.n else self.floor

    @property
    def observed(self) -> Rate:
        """What was seen, to be shown; biased while `is_stopped`."""
        return self.complete if self.complete.n else self.stopped

    @property
    def is_stopped(self) -> bool:
        """There are results, but no complete evaluation."""
        return not self.complete.n and bool(self.stopped.n)

    def add(self, summary: EvaluationSummary, split_size: int) -> "Tally":
        """`split_size`: how many papers a complete evaluation of that split has."""
        rate = summary.rate
        if summary.is_complete:
            return replace(self, complete=self.complete + rate)
        floor = Rate(rate.passed, max(split_size, rate.n))
        return replace(self, stopped=self.stopped + rate, floor=self.floor + floor)


NO_TALLY = Tally()
