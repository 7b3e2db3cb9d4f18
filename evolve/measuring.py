"""Makes every evaluation of a search: from a purpose and a replicate to an evaluation to be recorded.

Checks the stop token before every paper and notifies the observer after it. The token is set by the user's
stop request or by the first failure of any iteration, so that running papers finish and no new ones start.
Decides nothing and writes nothing; also evaluates the seed for the initial population (`found`).
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial

from studbook.evaluate.contracts import Paper, PaperEvaluator, StopEarly
from studbook.evaluate.evaluations import evaluate_many, never_stop
from studbook.evaluate.paper_queue import PaperQueue
from studbook.evolve.contracts import Observer, StopRequested, TreeStore
from studbook.evolve.speculation import Speculation, needed
from studbook.harnesses.tree import HarnessTree
from studbook.populations.events import EvaluationDone, Event, MutantMade, Purpose
from studbook.populations.population import SEED_ID
from studbook.populations.records import Evaluation, Mutant, MutationKind, PaperResult


class StopToken:
    """Thread-safe. The caller owns `stop`; canceling does not set it."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    def check(self) -> None:
        if self._stop.is_set() or self._cancelled.is_set():
            raise StopRequested("stopped on request; what is finished is kept")


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
    """What is evaluated, and for what purpose."""

    iteration: int
    purpose: Purpose
    harness_id: str
    replicate: int


def always() -> bool:
    """Of a run without a budget: there is always room."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """`pool` runs papers, at most `workers` per evaluation at once; iterations never run on it.

    `speculation_share`: calls of papers that were started early and not needed, as a share of the calls of
    needed ones, above which nothing is started early; `has_room`: whether the budget allows it.
    """

    evaluator: PaperEvaluator
    pool: Executor
    workers: int
    observer: Observer
    stop_token: StopToken
    speculation_share: float = 0.0
    has_room: Callable[[], bool] = always
    queue: PaperQueue = field(init=False)
    speculation: Speculation = field(init=False)

    def __post_init__(self) -> None:
        queue = PaperQueue(_Stoppable(self.evaluator, self.stop_token), self.pool)
        speculation = Speculation(queue, share=self.speculation_share, has_room=self.has_room)
        object.__setattr__(self, "queue", queue)
        object.__setattr__(self, "speculation", speculation)

    def evaluate(
        self, what: Measurement, tree: HarnessTree, papers: Sequence[Paper], stop: StopEarly = never_stop
    ) -> Evaluation:
        """Raises StopRequested, BudgetExceeded, InfrastructureError."""
        self.stop_token.check()
        evaluation = evaluate_many(
            self.queue,
            tree,
            papers,
            harness_id=what.harness_id,
            split=SPLITS[what.purpose],
            replicate=what.replicate,
            workers=self.workers,
            urgency=needed(what.replicate),
            stop_early=stop,
            on_result=partial(self.observer.paper_finished, what.iteration, what.purpose, what.harness_id),
        )
        self.speculation.used(what.replicate, evaluation)
        self.observer.evaluated(what.iteration, what.purpose, evaluation)
        return evaluation


class _Stoppable:
    """An evaluator that checks the stop token before every paper."""

    def __init__(self, evaluator: PaperEvaluator, stop_token: StopToken) -> None:
        self._evaluator = evaluator
        self._stop_token = stop_token
        self.evaluator_hash = evaluator.evaluator_hash

    def evaluate_paper(self, harness: HarnessTree, paper: Paper, replicate: int) -> PaperResult:
        self._stop_token.check()
        return self._evaluator.evaluate_paper(harness, paper, replicate)

    def draw_again(self, harness: HarnessTree, paper: Paper, replicate: int) -> None:
        self._evaluator.draw_again(harness, paper, replicate)


def found(
    seed: HarnessTree, trees: TreeStore, measuring: Measuring, validation: Sequence[Paper]
) -> tuple[Event, ...]:
    """The events of the initial population, which contains only the seed."""
    mutant = Mutant(
        harness_id=SEED_ID,
        parent_id=None,
        iteration=0,
        kind=MutationKind.SEED,
        tree_hash=seed.tree_hash,
        commit="",
        hypothesis="the seed",
        knobs=seed.manifest.knob_values,
    )
    mutant = replace(mutant, commit=trees.add(mutant, seed, None))
    what = Measurement(iteration=0, purpose=Purpose.SEED, harness_id=SEED_ID, replicate=0)
    evaluation = measuring.evaluate(what, seed, validation)
    return MutantMade(mutant=mutant), EvaluationDone(iteration=0, purpose=Purpose.SEED, evaluation=evaluation)
