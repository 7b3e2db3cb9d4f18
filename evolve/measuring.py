"""Every evaluation of a search goes through here: purpose and replicate in, a record to be written down out.

Looks at the brake before every paper and tells the observer after it. Does not decide and does not write.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from evaluate.contracts import Paper, PaperEvaluator, StopEarly
from evaluate.many import evaluate_many, never_stop
from evolve.brake import Brake
from evolve.seams import Observer
from harnesses.tree import HarnessTree
from populations.events import Purpose
from populations.records import Evaluation, PaperResult

TRAIN, VALIDATION, TEST = "train", "validation", "test"

SPLITS = {
    Purpose.SEED: VALIDATION,
    Purpose.TRAINING: TRAIN,
    Purpose.VALIDATION: VALIDATION,
    Purpose.CONFIRMATION: VALIDATION,
    Purpose.TEST: TEST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What is measured, and why."""

    iteration: int
    purpose: Purpose
    harness_id: str
    replicate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """`pool` runs papers, at most `workers` of one evaluation at once; iterations never run on it."""

    evaluator: PaperEvaluator
    pool: Executor
    workers: int
    observer: Observer
    brake: Brake

    def evaluate(
        self, what: Measurement, tree: HarnessTree, papers: Sequence[Paper], stop: StopEarly = never_stop
    ) -> Evaluation:
        """Raises StopRequested, BudgetExceeded, InfrastructureError."""
        self.brake.check()
        evaluation = evaluate_many(
            _Braked(self.evaluator, self.brake),
            tree,
            papers,
            harness_id=what.harness_id,
            split=SPLITS[what.purpose],
            replicate=what.replicate,
            pool=self.pool,
            workers=self.workers,
            stop_early=stop,
            on_result=partial(self.observer.paper_finished, what.iteration, what.purpose, what.harness_id),
        )
        self.observer.evaluated(what.iteration, what.purpose, evaluation)
        return evaluation


class _Braked:
    """The evaluator with the brake in front of it."""

    def __init__(self, evaluator: PaperEvaluator, brake: Brake) -> None:
        self._evaluator = evaluator
        self._brake = brake
        self.evaluator_hash = evaluator.evaluator_hash

    def evaluate_paper(self, harness: HarnessTree, paper: Paper, replicate: int) -> PaperResult:
        self._brake.check()
        return self._evaluator.evaluate_paper(harness, paper, replicate)
