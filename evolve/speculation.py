"""Starts papers before it is certain that they are needed, on workers that would be idle otherwise.

An iteration is mostly waiting: validation for the gates, the gates for the implementer, the next iteration
for this one's decision. What will be evaluated next is nearly known all the same, and a result depends only
on harness, paper and replicate: so it may be computed early. If the guess was right, the result is found when
it is needed; if not, nobody looks at it. No decision, record or order of events can tell the difference.

A wrong guess costs calls. So papers are started early only while the calls of wrong guesses are at most
`share` of the calls of papers that were needed, and while `has_room` says that no budget is nearly spent.
Both are asked when a paper is put into the queue and again when a worker would start it. Open guesses of
earlier replicates count as wrong: the guesses of one replicate at most exceed the share.
Needed papers always go first.

Papers are kept by replicate: in a search it is the number of the iteration that may need them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock

from studbook.evaluate.contracts import Paper
from studbook.evaluate.paper_queue import MayStart, PaperQueue, QueuedPaper, Urgency
from studbook.harnesses.tree import HarnessTree
from studbook.populations.records import Evaluation, PaperResult


def needed(replicate: int) -> Urgency:
    """Earlier iterations first: the others wait for their commits."""
    return (0, replicate)


def certain(replicate: int) -> Urgency:
    """After what is waited for now, so that what failed meanwhile is tried again, and seen to fail, first."""
    return (0, replicate, 1)


def speculative(replicate: int) -> Urgency:
    """After everything that is needed."""
    return (1, replicate)


class Speculation:
    """Thread-safe. `share` 0: nothing is started early."""

    def __init__(self, queue: PaperQueue, *, share: float, has_room: Callable[[], bool]) -> None:
        self._queue = queue
        self._share = share
        self._has_room = has_room
        self._lock = Lock()
        self._early: dict[int, list[QueuedPaper]] = {}
        self._needed_papers = 0
        self.needed_calls = 0
        self.wasted_calls = 0

    def is_allowed(self, replicate: int) -> bool:
        """Whether papers of this replicate may be started early now."""
        return self._share > 0 and self._is_within_share(replicate) and self._has_room()

    def _is_within_share(self, replicate: int) -> bool:
        """An open guess is taken to cost as many calls as a needed paper did on average."""
        with self._lock:
            at_risk = sum(
                queued.urgency == speculative(earlier) and not queued.future.cancelled()
                for earlier, early in self._early.items()
                if earlier < replicate
                for queued in early
            )
            mean_calls = self.needed_calls / self._needed_papers if self._needed_papers else 1.0
            return self.wasted_calls + at_risk * mean_calls <= self._share * self.needed_calls

    def speculate(self, replicate: int, tree: HarnessTree, papers: Sequence[Paper]) -> None:
        """These papers will probably be needed."""
        if self.is_allowed(replicate):
            self._start(replicate, tree, papers, speculative(replicate), partial(self.is_allowed, replicate))

    def start_certain(self, replicate: int, tree: HarnessTree, papers: Sequence[Paper]) -> None:
        """These papers will be needed for certain: they are started in any case, until `settle`."""
        self._start(replicate, tree, papers, certain(replicate), None)

    def _start(
        self,
        replicate: int,
        tree: HarnessTree,
        papers: Sequence[Paper],
        urgency: Urgency,
        may_start: MayStart | None,
    ) -> None:
        with self._lock:
            early = self._early.setdefault(replicate, [])
            known = {queued.key[:2] for queued in early if not queued.future.cancelled()}
            early += [
                self._queue.ask(tree, paper, replicate, urgency, may_start)
                for paper in papers
                if (tree.tree_hash, paper.paper_id) not in known
            ]

    def used(self, replicate: int, evaluation: Evaluation) -> None:
        """These results were needed."""
        papers = {(evaluation.tree_hash, result.paper_id) for result in evaluation.results}
        right = self._take(replicate, lambda queued: queued.key[:2] in papers)
        for queued in right:
            self._queue.give_back(queued)
        with self._lock:
            self._needed_papers += len(evaluation.results)
            self.needed_calls += sum(result.calls for result in evaluation.results)

    def keep_only(self, replicate: int, tree: HarnessTree) -> None:
        """The iteration works on `tree`: papers of other harnesses were wrong guesses."""
        self._drop(self._take(replicate, lambda queued: queued.key[0] != tree.tree_hash))

    def hold_back(self, replicate: int) -> None:
        """What no worker has started yet is left until it is needed."""
        self._drop(self._take(replicate, lambda queued: not queued.is_started))

    def settle(self, replicate: int) -> None:
        """The iteration has ended: what it did not use was wasted."""
        self._drop(self._take(replicate, lambda _: True))

    def _take(self, replicate: int, is_taken: Callable[[QueuedPaper], bool]) -> list[QueuedPaper]:
        with self._lock:
            taken: list[QueuedPaper] = []
            left: list[QueuedPaper] = []
            for queued in self._early.pop(replicate, ()):
                (taken if is_taken(queued) else left).append(queued)
            if left:
                self._early[replicate] = left
            return taken

    def _drop(self, wrong: Sequence[QueuedPaper]) -> None:
        for queued in wrong:
            if not self._queue.give_back(queued):
                queued.future.add_done_callback(self._count_waste)

    def _count_waste(self, future: "Future[PaperResult]") -> None:
        """A paper that failed or was stopped has no result; the calls it made are not known here."""
        if not future.cancelled() and future.exception() is None:
            with self._lock:
                self.wasted_calls += future.result().calls
