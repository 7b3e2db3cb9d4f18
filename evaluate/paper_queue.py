"""The papers waiting for a worker, most urgent first; a paper that is asked for twice is run once.

Urgency orders papers and nothing else: results do not depend on it. Whoever asks for a paper gives it back
when its result is not wanted any more; a paper that nobody wants and that no worker has started never runs.
Nor does one that only may be wanted, if that is not allowed when a worker would start it.
"""

import heapq
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from threading import Lock

from studbook.evaluate.contracts import Paper, PaperEvaluator
from studbook.harnesses.tree import HarnessTree
from studbook.populations.records import PaperResult

Urgency = tuple[int, ...]
"""The smallest is run first."""

MOST_URGENT: Urgency = ()

MayStart = Callable[[], bool]
"""Asked when a worker would start the paper. It may take locks, so it is called without the queue's."""

Key = tuple[str, str, int]


@dataclass(slots=True, kw_only=True, eq=False)
class QueuedPaper:
    """`future` gets the result, or is cancelled. Only its queue changes it.

    `holders` counts those who want it. `may_start` None: it is needed.
    """

    key: Key
    run: Callable[[], PaperResult]
    urgency: Urgency
    may_start: MayStart | None = None
    holders: int = 1
    is_started: bool = False
    future: "Future[PaperResult]" = field(default_factory=Future)


class PaperQueue:
    """Thread-safe. `pool` runs the papers: as many at once as it has threads."""

    def __init__(self, evaluator: PaperEvaluator, pool: Executor) -> None:
        self.evaluator = evaluator
        self._pool = pool
        self._lock = Lock()
        self._serial = count()
        self._waiting: list[tuple[Urgency, int, QueuedPaper]] = []
        self._open: dict[Key, QueuedPaper] = {}

    def ask(
        self,
        harness: HarnessTree,
        paper: Paper,
        replicate: int,
        urgency: Urgency = MOST_URGENT,
        may_start: MayStart | None = None,
    ) -> QueuedPaper:
        """A waiting or running paper is shared; if it is waiting, the more urgent request decides.

        With `may_start`, the paper is dropped, and its future cancelled, if that is False at its turn.
        """
        key = (harness.tree_hash, paper.paper_id, replicate)
        with self._lock:
            queued = self._open.get(key)
            if queued is not None:
                queued.holders += 1
                if may_start is None:
                    queued.may_start = None
                if urgency < queued.urgency:
                    self._enter(queued, urgency)
                return queued
            run = partial(self.evaluator.evaluate_paper, harness, paper, replicate)
            queued = QueuedPaper(key=key, run=run, urgency=urgency, may_start=may_start)
            self._open[key] = queued
            self._enter(queued, urgency)
        self._pool.submit(self._run_next)
        return queued

    def give_back(self, queued: QueuedPaper) -> bool:
        """Called once per `ask`, by who does not wait for the result; True if the paper will never run."""
        with self._lock:
            queued.holders -= 1
            if queued.future.cancelled():
                return True
            if queued.holders or queued.is_started:
                return False
            del self._open[queued.key]
        queued.future.cancel()
        return True

    def drop(
        self, harness: HarnessTree, papers: Iterable[Paper], replicate: int
    ) -> "tuple[Future[PaperResult], ...]":
        """Those of these papers that wait never run, whoever wants them. Returns the others' futures."""
        running = []
        with self._lock:
            for paper in papers:
                queued = self._open.get((harness.tree_hash, paper.paper_id, replicate))
                if queued is not None and queued.is_started:
                    running.append(queued.future)
                elif queued is not None:
                    self._drop(queued)
        return tuple(running)

    def _drop(self, queued: QueuedPaper) -> None:
        del self._open[queued.key]
        queued.future.cancel()

    def _enter(self, queued: QueuedPaper, urgency: Urgency) -> None:
        """A paper that became more urgent is in the heap twice; the second time it is skipped."""
        queued.urgency = urgency
        heapq.heappush(self._waiting, (urgency, next(self._serial), queued))

    def _run_next(self) -> None:
        """Runs the most urgent paper; the pool is given one such task for each paper."""
        queued = self._start_next()
        if queued is None:
            return
        try:
            result = queued.run()
        except BaseException as error:  # noqa: BLE001 - passed on to whoever waits for the paper
            self._close(queued)
            queued.future.set_exception(error)
        else:
            self._close(queued)
            queued.future.set_result(result)

    def _start_next(self) -> QueuedPaper | None:
        """The most urgent paper that is wanted and may start; those before it that may not are dropped."""
        while True:
            with self._lock:
                queued = self._pop()
            if queued is None:
                return None
            may_start = queued.may_start
            is_allowed = may_start is None or may_start()
            with self._lock:
                if queued.is_started or not queued.holders or queued.future.cancelled():
                    continue  # meanwhile started or dropped by another worker, or given back
                if is_allowed or queued.may_start is None:  # it may have become needed meanwhile
                    queued.is_started = True
                    return queued
                self._drop(queued)  # nobody waits for it: who needs it would have said so

    def _pop(self) -> QueuedPaper | None:
        while self._waiting:
            queued = heapq.heappop(self._waiting)[2]
            if queued.holders and not queued.is_started and not queued.future.cancelled():
                return queued
        return None

    def _close(self, queued: QueuedPaper) -> None:
        """From now on its result is stored (or its failure may have passed), so it is not shared any more."""
        with self._lock:
            del self._open[queued.key]
