"""Evaluations reduced to what selection and comparison need, and added up per harness.

The score of a harness is the pooled rate of its *complete* validation evaluations. One that racing stopped
early ended where it did because of its results, so its rate is biased, and it is left out as soon as there
is a complete one. A harness known from stopped evaluations only is scored by them with the papers left out
counted as not passed: stopping early never makes a harness look better than it was shown to be.
"""

from dataclasses import dataclass, replace
from functools import cache
from sys import intern

from studbook.populations.events import EvaluationDone, Purpose, RunStarted
from studbook.populations.records import PaperVerdict
from studbook.rate import NO_RATE, Rate

_SCORED = (Purpose.SEED, Purpose.VALIDATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSummary:
    """An evaluation without its rounds: the verdict of each paper, in the order in which they were run.

    `confirmed`: how many of the accepted examples that were measured again would have been accepted again.
    """

    harness_id: str
    iteration: int
    purpose: Purpose
    split: str
    replicate: int
    is_complete: bool
    verdicts: tuple[tuple[str, PaperVerdict], ...]
    confirmed: Rate = NO_RATE

    @property
    def rate(self) -> Rate:
        return Rate(sum(verdict is PaperVerdict.ACCEPTED for _, verdict in self.verdicts), len(self.verdicts))

    @property
    def is_scored(self) -> bool:
        """Counts towards the score that selects parents."""
        return self.purpose in _SCORED


@cache
def _pair(paper_id: str, verdict: PaperVerdict) -> tuple[str, PaperVerdict]:
    """One object for all evaluations: a run of thousands of iterations holds a hundred thousand of them."""
    return intern(paper_id), verdict


def summarize(event: EvaluationDone) -> EvaluationSummary:
    evaluation = event.evaluation
    held = [each.confirmation.holds for each in evaluation.results if each.confirmation is not None]
    return EvaluationSummary(
        harness_id=evaluation.harness_id,
        iteration=event.iteration,
        purpose=event.purpose,
        split=evaluation.split,
        replicate=evaluation.replicate,
        is_complete=evaluation.complete,
        verdicts=tuple([_pair(result.paper_id, result.verdict) for result in evaluation.results]),
        confirmed=Rate(sum(held), len(held)),
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
        floor = _floor(rate, split_size)
        return replace(self, stopped=self.stopped + rate, floor=self.floor + floor)

    def without(self, summary: EvaluationSummary, split_size: int) -> "Tally":
        """Undoes `add`."""
        rate = summary.rate
        if summary.is_complete:
            return replace(self, complete=_less(self.complete, rate))
        floor = _floor(rate, split_size)
        return replace(self, stopped=_less(self.stopped, rate), floor=_less(self.floor, floor))


NO_TALLY = Tally()


def count_papers(papers: dict[str, Rate], summary: EvaluationSummary, *, undo: bool = False) -> None:
    """Adds the outcomes of a scored evaluation to how often each paper was passed, or takes them away."""
    for paper_id, verdict in summary.verdicts:
        outcome = Rate(int(verdict is PaperVerdict.ACCEPTED), 1)
        before = papers.get(paper_id, NO_RATE)
        after = _less(before, outcome) if undo else before + outcome
        if after.n:
            papers[paper_id] = after
        else:
            del papers[paper_id]


def split_size(start: RunStarted | None, split: str) -> int:
    """How many papers the run has in a split; 0 when nothing said so."""
    return len(start.splits.get(split, ())) if start else 0


def _floor(rate: Rate, split_size: int) -> Rate:
    return Rate(rate.passed, max(split_size, rate.n))


def _less(total: Rate, part: Rate) -> Rate:
    return Rate(total.passed - part.passed, total.n - part.n)
