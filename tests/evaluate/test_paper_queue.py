"""The queue of papers: most urgent first, each once, and nothing that nobody wants."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.evaluation import harness

from studbook.errors import SandboxError
from studbook.evaluate.paper_queue import PaperQueue
from studbook.testbed.fakes import FakeEvaluator, fake_harness, fake_papers

HARNESS = fake_harness()
PAPERS = fake_papers("p", 6)


class Gated(FakeEvaluator):
    """Papers wait until the gate is opened; `order` holds them as they were started."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.first_started = threading.Event()
        self.order = []

    def evaluate_paper(self, tree, paper, replicate):
        self.order.append(paper.paper_id)
        self.first_started.set()
        assert self.gate.wait(10)
        return super().evaluate_paper(tree, paper, replicate)


@pytest.fixture
def gated():
    return Gated()


@pytest.fixture
def queue(gated):
    """One worker, which is busy with the first paper until the gate is opened."""
    with ThreadPoolExecutor(1) as pool:
        queue = PaperQueue(gated, pool)
        queue.ask(HARNESS, PAPERS[0], 0)
        assert gated.first_started.wait(10)
        yield queue
        gated.gate.set()


def test_the_most_urgent_paper_runs_next_and_equals_run_in_the_order_they_were_asked_for(queue, gated):
    asked = [
        queue.ask(HARNESS, PAPERS[n], 0, urgency) for n, urgency in ((1, (1,)), (2, (0, 7)), (3, (0, 7)))
    ]
    asked.append(queue.ask(HARNESS, PAPERS[4], 0, (0, 2)))
    gated.gate.set()
    assert [each.future.result(10).paper_id for each in asked] == ["p001", "p002", "p003", "p004"]
    assert gated.order == ["p000", "p004", "p002", "p003", "p001"]


def test_a_paper_asked_for_twice_runs_once_as_urgently_as_the_more_urgent_request(queue, gated):
    first = queue.ask(HARNESS, PAPERS[1], 0, (9,))
    queue.ask(HARNESS, PAPERS[2], 0, (5,))
    assert queue.ask(HARNESS, PAPERS[1], 0, (1,)) is first
    gated.gate.set()
    assert first.future.result(10).paper_id == "p001"
    queue.ask(HARNESS, PAPERS[3], 0, (9,)).future.result(10)
    assert gated.order == ["p000", "p001", "p002", "p003"]


def test_another_replicate_and_another_harness_are_other_papers(queue, gated):
    asked = {
        queue.ask(tree, PAPERS[1], replicate) for tree in (HARNESS, harness("pass")) for replicate in (0, 1)
    }
    assert len(asked) == 4
    for each in asked:
        queue.give_back(each)


def test_what_nobody_wants_any_more_never_runs(queue, gated):
    unwanted, wanted = queue.ask(HARNESS, PAPERS[1], 0), queue.ask(HARNESS, PAPERS[2], 0)
    queue.ask(HARNESS, PAPERS[2], 0)
    assert queue.give_back(unwanted)
    assert not queue.give_back(wanted)  # the other one still wants it
    assert unwanted.future.cancelled()
    gated.gate.set()
    assert wanted.future.result(10).paper_id == "p002"
    assert gated.order == ["p000", "p002"]


def test_what_was_given_back_can_be_asked_for_again(queue, gated):
    queue.give_back(queue.ask(HARNESS, PAPERS[1], 0))
    again = queue.ask(HARNESS, PAPERS[1], 0)
    gated.gate.set()
    assert again.future.result(10).paper_id == "p001"


def test_what_has_started_runs_to_its_end(queue, gated):
    running = queue.ask(HARNESS, PAPERS[0], 0)
    queue.give_back(running)
    assert not queue.give_back(running)
    gated.gate.set()
    assert running.future.result(10).paper_id == "p000"


def test_a_failure_reaches_everyone_who_waits_and_the_next_request_tries_again():
    failing = FakeEvaluator(fail_at=1, failure=SandboxError("the engine is gone"))
    with ThreadPoolExecutor(1) as pool:
        queue = PaperQueue(failing, pool)
        with pytest.raises(SandboxError, match="the engine is gone"):
            queue.ask(HARNESS, PAPERS[0], 0).future.result(10)
        failing.failure = None
        assert queue.ask(HARNESS, PAPERS[0], 0).future.result(10).paper_id == "p000"
