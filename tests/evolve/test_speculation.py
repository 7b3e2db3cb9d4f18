"""Papers started early: what a wrong guess may cost, and that a right one costs nothing."""

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

    def __init__(self, pool, share=0.5, has_room=True):
        self.evaluator = FakeEvaluator()
        self.pool = pool
        self.queue = PaperQueue(self.evaluator, pool)
        self.early = Speculation(self.queue, share=share, has_room=lambda: has_room)

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
        self.early.used(replicate, evaluation)

    def wait(self):
        """Until everything asked for so far has run."""
        self.pool.submit(lambda: None).result(10)


@contextmanager
def rig(**more):
    with ThreadPoolExecutor(1) as pool:
        yield Rig(pool, **more)


def test_a_right_guess_runs_each_paper_once_and_wastes_nothing():
    with rig() as it:
        it.early.guess(1, TREE, PAPERS)
        it.evaluate(TREE, PAPERS)
        it.early.settle(1)
        assert it.evaluator.calls == 8
        assert (it.early.needed_calls, it.early.wasted_calls) == (8, 0)


def test_a_paper_is_not_guessed_twice():
    with rig() as it:
        it.early.guess(1, TREE, PAPERS[:5])
        it.wait()
        it.early.guess(1, TREE, PAPERS)
        it.wait()
        assert it.evaluator.calls == 8


def test_a_wrong_guess_is_counted_and_holds_up_further_ones_until_its_share_is_small_enough():
    with rig(share=0.5) as it:
        it.early.guess(1, OTHER, PAPERS[:4])
        it.wait()
        it.evaluate(TREE, PAPERS[:4])
        it.early.settle(1)
        assert (it.early.needed_calls, it.early.wasted_calls) == (4, 4)
        assert not it.early.is_allowed
        it.early.guess(2, TREE, PAPERS)
        it.wait()
        assert it.evaluator.calls == 8  # nothing was started
        it.evaluate(TREE, PAPERS[4:])
        assert it.early.is_allowed  # 4 calls wasted for 8 needed


@pytest.mark.parametrize("limits", [{"share": 0.0}, {"has_room": False}])
def test_nothing_is_started_early_without_a_share_or_with_a_budget_nearly_spent(limits):
    with rig(**limits) as it:
        it.early.guess(1, TREE, PAPERS)
        it.wait()
        assert it.evaluator.calls == 0


def test_what_is_needed_for_certain_is_started_in_any_case():
    with rig(share=0.0) as it:
        it.early.foresee(1, TREE, PAPERS)
        it.wait()
        assert it.evaluator.calls == 8


def test_only_guesses_about_the_harness_that_was_chosen_are_kept():
    with rig() as it:
        it.early.guess(1, OTHER, PAPERS[:3])
        it.early.guess(1, TREE, PAPERS[:2])
        it.wait()
        it.early.keep_only(1, TREE)
        assert it.early.wasted_calls == 3
        it.evaluate(TREE, PAPERS[:2])
        it.early.settle(1)
        assert it.early.wasted_calls == 3


def test_guesses_that_no_worker_has_started_cost_nothing():
    with ThreadPoolExecutor(1) as pool:
        it = Rig(pool)
        with it.evaluator.lock:  # the worker waits in its first paper
            it.early.guess(1, TREE, PAPERS)
            it.early.hold_back(1)
            it.early.settle(1)
        it.wait()
        assert it.evaluator.calls <= 1
        assert it.early.wasted_calls == it.evaluator.calls
