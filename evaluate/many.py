"""One harness over many papers, side by side, with a result that the number of workers cannot change.

Results are taken in paper order, and the stop rule sees only that prefix: what finished beyond the deciding
paper is left out. Does not know what the rule decides.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from threading import Lock
from time import monotonic

from studbook.evaluate.contracts import Paper, PaperEvaluator, StopEarly
from studbook.harnesses.tree import HarnessTree
from studbook.populations.records import Evaluation, PaperResult

QUICK_SECONDS = 0.002

OnResult = Callable[[PaperResult], None]
"""Told of every result that counts, in paper order, as soon as it does."""


def never_stop(_: Sequence[PaperResult]) -> bool:
    """Evaluate every paper."""
    return False


def ignore_result(_: PaperResult) -> None:
    """For callers that wait for the whole evaluation."""


def evaluate_many(
    evaluator: PaperEvaluator,
    harness: HarnessTree,
    papers: Sequence[Paper],
    *,
    harness_id: str,
    split: str,
    replicate: int,
    pool: Executor,
    workers: int,
    stop_early: StopEarly = never_stop,
    on_result: OnResult = ignore_result,
) -> Evaluation:
    """At most `workers` papers of this evaluation run at once on the shared `pool`.

    Behind a slow paper few others are begun, unless nothing can stop at it: they might be for nothing.

    When the rule says stop, work already started is waited for, so nothing runs on after this returns.
    Raises what `evaluate_paper` raises, for the first paper in order that failed; then nothing is waited for.
    """
    ahead = len(papers) if stop_early is never_stop else 2 * max(1, workers)  # a rule may stop at a slow one
    row = _Row(lambda paper: evaluator.evaluate_paper(harness, paper, replicate), papers, ahead)
    running: set[Future[None]] = set()
    results: list[PaperResult] = []
    try:
        while len(results) < len(papers):
            outcome = row.outcome(len(results))
            if outcome is None and not (running := _unfinished(running)):
                running = {pool.submit(row.work)}
                row.wait_while_quick(running)  # often all that is asked for is in the store
                continue
            if outcome is None:
                free = max(1, workers) - len(running)
                running |= {pool.submit(row.work) for _ in range(min(free, row.room))}
                wait(running, return_when=FIRST_COMPLETED)
                continue
            if isinstance(outcome, BaseException):
                raise outcome
            results.append(outcome)
            row.counted = len(results)
            on_result(results[-1])
            if stop_early(results):
                break
    finally:
        row.close()
        kept = [future for future in running if not future.cancel()]
    wait(kept)
    return Evaluation(
        harness_id=harness_id,
        tree_hash=harness.tree_hash,
        evaluator_hash=evaluator.evaluator_hash,
        split=split,
        replicate=replicate,
        results=tuple(results),
        complete=len(results) == len(papers),
    )


def _unfinished(running: set[Future[None]]) -> set[Future[None]]:
    """Raises what went wrong in one that ended, beside its papers."""
    for future in running:
        if future.done():
            future.result()
    return {future for future in running if not future.done()}


class _Row:
    """Papers in order, taken by whoever has time; their outcomes wait here until it is their turn.

    Whoever has taken a quick one (from the store, most of all) takes another: handing over costs more.
    """

    def __init__(self, evaluate: Callable[[Paper], PaperResult], papers: Sequence[Paper], ahead: int) -> None:
        self.counted = 0  # set by the caller: so many outcomes were read
        self._evaluate = evaluate
        self._papers = papers
        self._ahead = ahead
        self._lock = Lock()
        self._taken = 0
        self._outcomes: dict[int, PaperResult | BaseException] = {}

    @property
    def room(self) -> int:
        """How many papers may be taken now: from a slow one on only `ahead`."""
        return max(0, min(len(self._papers), self.counted + self._ahead) - self._taken)

    def outcome(self, number: int) -> PaperResult | BaseException | None:
        return self._outcomes.get(number)

    def wait_while_quick(self, running: set[Future[None]]) -> None:
        """Until it is through, or a paper turns out to be a slow one: then others may help."""
        before = -1
        while before < (before := self._taken) and wait(running, timeout=QUICK_SECONDS).not_done:
            pass

    def work(self) -> None:
        while (number := self._take()) is not None:
            began = monotonic()
            try:
                self._outcomes[number] = self._evaluate(self._papers[number])
            except BaseException as error:  # noqa: BLE001 - of any kind: raised again when its turn comes
                self._outcomes[number] = error
            if monotonic() - began > QUICK_SECONDS:
                return  # others wait for this thread

    def close(self) -> None:
        """Nothing more is taken."""
        with self._lock:
            self._taken = len(self._papers)

    def _take(self) -> int | None:
        with self._lock:
            if not self.room:
                return None
            self._taken += 1
            return self._taken - 1
