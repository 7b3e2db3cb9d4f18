"""Papers started early: what a wrong guess may cost, and that a right one costs nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from studbook.evaluate.evaluations import evaluate_many
from studbook.evaluate.paper_queue import PaperQueue
from studbook.evolve.speculation import Speculation, needed
from studbook.testbed.fakes import FakeEvaluator, fake_harness, fake_papers

TREE, OTHER = fake_harness(20), fake_harness(30)
PAPERS = fake_papers("p", 8)


class Rig:
    """Every paper of the fake evaluator is one call."""

    def __init__(self, pool, share=0.5, has_room=True, evaluator=None):
        self.evaluator = evaluator or FakeEvaluator()
        self.has_room = has_room
        self.pool = pool
        self.queue = PaperQueue(self.evaluator, pool)
        self.speculation = Speculation(self.queue, share=share, has_room=lambda: self.has_room)

    def evaluate(self, tree, papers, replicate=1):
        evaluation = evaluate_many(
            self.queue,
            tree,
            papers,
            harness_id="x",
            split="validation",
            replicate=replicate,
            workers=4,
            urgency=needed(replicate),
        )
        self.speculation.used(replicate, evaluation)

    def wait(self):
        """Until everything asked for so far has run."""
        self.pool.submit(lambda: None).result(10)


@contextmanager
def rig(**more):
    with ThreadPoolExecutor(1) as pool:
        yield Rig(pool, **more)


def test_a_right_guess_runs_each_paper_once_and_wastes_nothing():
    with rig() as it:
        it.speculation.speculate(1, TREE, PAPERS)
        it.evaluate(TREE, PAPERS)
        it.speculation.settle(1)
        assert it.evaluator.calls == 8
        assert (it.speculation.needed_calls, it.speculation.wasted_calls) == (8, 0)


def test_a_paper_is_not_guessed_twice():
    with rig() as it:
        it.speculation.speculate(1, TREE, PAPERS[:5])
        it.wait()
        it.speculation.speculate(1, TREE, PAPERS)
        it.wait()
        assert it.evaluator.calls == 8


def test_a_wrong_guess_is_counted_and_holds_up_further_ones_until_its_share_is_small_enough():
    with rig(share=0.5) as it:
        it.speculation.speculate(1, OTHER, PAPERS[:4])
        it.wait()
        it.evaluate(TREE, PAPERS[:4])
        it.speculation.settle(1)
        assert (it.speculation.needed_calls, it.speculation.wasted_calls) == (4, 4)
        assert not it.speculation.is_allowed(2)
        it.speculation.speculate(2, TREE, PAPERS)
        it.wait()
        assert it.evaluator.calls == 8  # nothing was started
        it.evaluate(TREE, PAPERS[4:])
        assert it.speculation.is_allowed(2)  # 4 calls wasted for 8 needed


@pytest.mark.parametrize("limits", [{"share": 0.0}, {"has_room": False}])
def test_nothing_is_started_early_without_a_share_or_with_a_budget_nearly_spent(limits):
    with rig(**limits) as it:
        it.speculation.speculate(1, TREE, PAPERS)
        it.wait()
        assert it.evaluator.calls == 0


def test_what_is_needed_for_certain_is_started_in_any_case():
    with rig(share=0.0) as it:
        it.speculation.start_certain(1, TREE, PAPERS)
        it.wait()
        assert it.evaluator.calls == 8


def test_only_guesses_about_the_harness_that_was_chosen_are_kept():
    with rig() as it:
        it.speculation.speculate(1, OTHER, PAPERS[:3])
        it.speculation.speculate(1, TREE, PAPERS[:2])
        it.wait()
        it.speculation.keep_only(1, TREE)
        assert it.speculation.wasted_calls == 3
        it.evaluate(TREE, PAPERS[:2])
        it.speculation.settle(1)
        assert it.speculation.wasted_calls == 3


class Gated(FakeEvaluator):
    """Its papers wait until the gate is opened; `begun` is set by the first."""

    def __init__(self):
        super().__init__()
        self.begun, self.gate = threading.Event(), threading.Event()

    def evaluate_paper(self, tree, paper, replicate):
        self.begun.set()
        assert self.gate.wait(10)
        return super().evaluate_paper(tree, paper, replicate)


@contextmanager
def gated_rig(**more):
    """Its only worker has started the first of the papers that the block has asked for."""
    with ThreadPoolExecutor(1) as pool:
        it = Rig(pool, evaluator=Gated(), **more)
        yield it
        it.evaluator.gate.set()


def test_guesses_that_no_worker_has_started_cost_nothing():
    with gated_rig() as it:
        it.speculation.speculate(1, TREE, PAPERS)
        assert it.evaluator.begun.wait(10)
        it.speculation.hold_back(1)
        it.speculation.settle(1)
        it.evaluator.gate.set()
        it.wait()
        assert (it.evaluator.calls, it.speculation.wasted_calls) == (1, 1)


def test_papers_that_wait_are_not_started_early_once_the_budget_is_nearly_spent():
    with gated_rig() as it:
        it.speculation.speculate(1, TREE, PAPERS)
        assert it.evaluator.begun.wait(10)
        it.has_room = False
        it.evaluator.gate.set()
        it.wait()
        assert it.evaluator.calls == 1
        it.evaluate(TREE, PAPERS)  # they are run when they are needed
        it.speculation.settle(1)
        assert (it.evaluator.calls, it.speculation.wasted_calls) == (8, 0)


def test_papers_that_wait_are_not_started_early_once_too_many_calls_were_wasted():
    with gated_rig() as it:
        it.speculation.speculate(1, OTHER, PAPERS[:1])
        assert it.evaluator.begun.wait(10)
        it.speculation.speculate(1, TREE, PAPERS)
        it.speculation.keep_only(1, TREE)  # the one that runs is wasted, and nothing was needed so far
        it.evaluator.gate.set()
        it.wait()
        assert it.evaluator.calls == 1


def test_open_guesses_of_earlier_replicates_count_as_wasted():
    with rig(share=0.5) as it:
        for replicate in (1, 2, 3, 4):
            it.speculation.speculate(replicate, TREE, PAPERS[:4])
        it.wait()
        assert it.evaluator.calls == 4  # nothing was needed so far: one iteration's guesses, and no more
        it.evaluate(TREE, PAPERS[:4], replicate=1)
        for replicate in (2, 3):
            it.speculation.speculate(replicate, TREE, PAPERS[:4])
        it.wait()
        assert it.evaluator.calls == 8  # 4 calls needed, 4 open in replicate 2
        it.evaluate(TREE, PAPERS, replicate=2)
        it.speculation.speculate(4, TREE, PAPERS[:4])
        it.speculation.speculate(5, TREE, PAPERS[:4])
        it.wait()
        assert it.evaluator.calls == 20  # 12 needed: 4 open in replicate 4 are within the share
