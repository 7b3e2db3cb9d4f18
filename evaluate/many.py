"""One harness over many papers, side by side, with a result that the number of workers cannot change.

Results are taken in paper order, and the stop rule sees only that prefix: what finished beyond the deciding
paper is left out. Does not know what the rule decides.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from evaluate.contracts import Paper, PaperEvaluator, StopEarly
from harnesses.tree import HarnessTree
from populations.records import Evaluation, PaperResult

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
    results: list[PaperResult] = []
    ahead = len(papers) if stop_early is never_stop else 2 * max(1, workers)  # a rule may stop at a slow one
    waiting = deque(papers)
    running: deque[Future[PaperResult]] = deque()
    try:
        while waiting or running:
            while waiting and _has_room(running, workers, ahead):
                running.append(pool.submit(evaluator.evaluate_paper, harness, waiting.popleft(), replicate))
            if not running[0].done():
                unfinished = [future for future in running if not future.done()]
                wait(unfinished, return_when=FIRST_COMPLETED)
                continue
            results.append(running.popleft().result())
            on_result(results[-1])
            if stop_early(results):
                break
    except BaseException:
        _drop(running)
        raise
    wait(_drop(running))
    return Evaluation(
        harness_id=harness_id,
        tree_hash=harness.tree_hash,
        evaluator_hash=evaluator.evaluator_hash,
        split=split,
        replicate=replicate,
        results=tuple(results),
        complete=len(results) == len(papers),
    )


def _has_room(running: Collection[Future[PaperResult]], workers: int, ahead: int) -> bool:
    """Room beside the unfinished, and fewer than `ahead` papers from a slow one on."""
    unfinished = sum(not future.done() for future in running)
    return unfinished < max(1, workers) and len(running) < max(1, ahead)


def _drop(running: Collection[Future[PaperResult]]) -> list[Future[PaperResult]]:
    """Cancel what has not started; what has is given back. Its results and errors do not count."""
    return [future for future in running if not future.cancel()]
