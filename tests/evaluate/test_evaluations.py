"""One harness over many papers: the same result with any number of workers, and what results add up to."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evaluation import PAPER, harness

from studbook.errors import SandboxError
from studbook.evaluate.contracts import Paper
from studbook.evaluate.evaluations import evaluate_many, summarize
from studbook.evaluate.paper_queue import PaperQueue
from studbook.llm.contracts import Usage
from studbook.populations.records import Evaluation, PaperResult, PaperVerdict
from studbook.rate import Rate

HARNESS = harness("pass")
PAPERS = tuple(Paper(paper_id=f"p{n}", title="t", text="x", source=f"{n}.md") for n in range(12))


@dataclass
class Planned:
    """A `PaperEvaluator` whose papers pass, wait and fail as planned."""

    passes: frozenset[str] = frozenset()
    delays: dict[str, float] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    evaluator_hash: str = "e" * 64
    running: int = 0
    most_running: int = 0
    started: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def evaluate_paper(self, tree, paper, replicate):
        with self.lock:
            self.started.append(paper.paper_id)
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        time.sleep(self.delays.get(paper.paper_id, 0))
        with self.lock:
            self.running -= 1
        if paper.paper_id in self.errors:
            raise self.errors[paper.paper_id]
        verdict = PaperVerdict.ACCEPTED if paper.paper_id in self.passes else PaperVerdict.NOT_ACCEPTED
        return PaperResult(
            key=paper.paper_id,
            paper_id=paper.paper_id,
            replicate=replicate,
            verdict=verdict,
            reason="",
            rounds=(),
            usage=Usage(),
            calls=0,
            trajectory_hash="",
        )


def run(evaluator, workers, papers=PAPERS, threads=8, **more):
    with ThreadPoolExecutor(threads) as pool:
        return evaluate_many(
            PaperQueue(evaluator, pool),
            HARNESS,
            papers,
            harness_id="m0001",
            split="validation",
            replicate=4,
            workers=workers,
            **more,
        )


def names(evaluation):
    return [result.paper_id for result in evaluation.results]


def stop_after(count):
    return lambda results: sum(result.passed for result in results) >= count


def test_results_come_in_paper_order_however_slow_the_first_one_is():
    evaluation = run(Planned(passes=frozenset({"p3"}), delays={"p0": 0.05}), workers=4)
    assert names(evaluation) == [f"p{n}" for n in range(12)]
    assert (evaluation.complete, evaluation.rate.passed, evaluation.rate.n) == (True, 1, 12)
    assert (evaluation.harness_id, evaluation.split, evaluation.replicate) == ("m0001", "validation", 4)
    assert (evaluation.tree_hash, evaluation.evaluator_hash) == (HARNESS.tree_hash, "e" * 64)


@pytest.mark.parametrize("workers", [1, 2, 5, 12])
def test_an_early_stop_falls_on_the_same_paper_with_any_number_of_workers(workers):
    plan = Planned(passes=frozenset({"p1", "p4", "p6", "p9"}), delays={"p4": 0.03, "p0": 0.02})
    evaluation = run(plan, workers=workers, stop_early=stop_after(2))
    assert names(evaluation) == ["p0", "p1", "p2", "p3", "p4"]
    assert not evaluation.complete


def test_a_stop_at_the_last_paper_is_still_complete():
    evaluation = run(Planned(passes=frozenset({"p11"})), workers=3, stop_early=stop_after(1))
    assert evaluation.complete


def test_no_more_than_the_workers_run_at_once():
    plan = Planned(delays={paper.paper_id: 0.01 for paper in PAPERS})
    run(plan, workers=3)
    assert plan.most_running == 3


def test_a_slow_first_paper_does_not_hold_up_the_others():
    plan = Planned(delays={"p0": 0.2})
    run(plan, workers=3, stop_early=lambda results: True)
    assert len(plan.started) == 6


class Held(Planned):
    """The first paper ends when all others have been started, or after ten seconds."""

    def evaluate_paper(self, tree, paper, replicate):
        if paper.paper_id == "p0":
            deadline = time.monotonic() + 10
            while len(self.started) < 11 and time.monotonic() < deadline:
                time.sleep(0.002)
            self.started_before_the_first_ended = len(self.started)
        return super().evaluate_paper(tree, paper, replicate)


def test_a_slow_paper_holds_up_nothing_when_no_rule_may_stop_at_it():
    evaluator = Held()
    run(evaluator, workers=2)
    assert evaluator.started_before_the_first_ended == 11


def test_after_an_early_stop_nothing_is_started_and_what_runs_is_not_waited_for():
    gate = threading.Event()
    plan = Gated(gate)
    with ThreadPoolExecutor(2) as pool:
        evaluate_many(
            PaperQueue(plan, pool),
            HARNESS,
            PAPERS,
            harness_id="m0001",
            split="validation",
            replicate=0,
            workers=2,
            stop_early=lambda results: True,
        )
        assert plan.at_gate == 1
        gate.set()
    assert plan.at_gate == 0
    assert len(plan.started) <= 3


class Gated(Planned):
    """The first paper ends once another one runs; the others when the gate is opened."""

    def __init__(self, gate):
        super().__init__()
        self.gate = gate
        self.others_run = threading.Event()
        self.at_gate = 0

    def evaluate_paper(self, tree, paper, replicate):
        if paper.paper_id == "p0":
            assert self.others_run.wait(10)
            return super().evaluate_paper(tree, paper, replicate)
        with self.lock:
            self.at_gate += 1
        self.others_run.set()
        assert self.gate.wait(10)
        with self.lock:
            self.at_gate -= 1
        return super().evaluate_paper(tree, paper, replicate)


def test_the_first_failure_in_paper_order_is_raised():
    plan = Planned(errors={"p2": SandboxError("two"), "p1": SandboxError("one")}, delays={"p1": 0.03})
    with pytest.raises(SandboxError, match="one"):
        run(plan, workers=4)


def test_a_failure_beyond_the_deciding_paper_does_not_count():
    plan = Planned(passes=frozenset({"p0"}), errors={"p1": SandboxError("late")}, delays={"p0": 0.03})
    evaluation = run(plan, workers=2, stop_early=stop_after(1))
    assert names(evaluation) == ["p0"]


def test_progress_is_told_in_order_and_only_of_what_counts():
    told = []
    plan = Planned(passes=frozenset({"p2"}), delays={"p0": 0.02})
    run(plan, workers=4, stop_early=stop_after(1), on_result=lambda result: told.append(result.paper_id))
    assert told == ["p0", "p1", "p2"]


def test_no_papers_give_an_empty_complete_evaluation():
    evaluation = run(Planned(), workers=2, papers=())
    assert (evaluation.results, evaluation.complete) == ((), True)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 11)), st.integers(1, 4), st.integers(1, 6), st.integers(0, 11))
def test_workers_and_timing_never_change_an_evaluation(passed, limit, workers, slow):
    def make():
        return Planned(passes=frozenset(f"p{n}" for n in passed), delays={f"p{slow}": 0.002})

    alone = run(make(), workers=1, stop_early=stop_after(limit))
    assert run(make(), workers=workers, stop_early=stop_after(limit)) == alone


def evaluation(tree, replicate, *results):
    return Evaluation(
        harness_id="seed",
        tree_hash=tree.tree_hash,
        evaluator_hash="e",
        split="train",
        replicate=replicate,
        results=results,
    )


def measured(rig, tree, replicate):
    evaluator = rig.paper_evaluator()
    result = evaluator.evaluate_paper(tree, PAPER, replicate)
    return evaluation(tree, replicate, result), evaluator.store.get(result.key)


def test_a_summary_adds_up_what_two_replicates_did(rig):
    tree = harness("box.evaluate(example('one'))\nbox.evaluate(example('two'))")
    rig.models.knows = {"weak": 4, "strong": 5}
    first = measured(rig, tree, 0)
    rig.models.knows = {"weak": 4, "strong": 8}
    second = measured(rig, tree, 1)
    summary = summarize([first[0], second[0]], [first[1], second[1]])
    assert summary.rate == Rate(1, 2)
    assert (summary.papers, summary.replicates, summary.rounds) == (1, 2, 3)
    assert summary.rounds_per_accepted == 3
    assert summary.weak_average == Fraction(2, 5)
    assert summary.strong_average == Fraction(3, 5)
    assert summary.accepted_strong_average == Fraction(4, 5)
    assert summary.gap == Fraction(2, 5)
    assert summary.failures == {"strong_failed": 2}
    assert summary.verdicts == {"accepted": 1, "not_accepted": 1}
    assert summary.calls == 49
    assert summary.calls_by_role == {"judge": 24, "strong": 12, "weak": 12, "final_verifier": 1}
    assert summary.confirmed == Rate(1, 1)
    assert summary.refused_requests == 1


def test_nothing_measured_is_said_as_nothing(rig):
    summary = summarize([])
    assert summary.rate == Rate(0, 0)
    assert summary.gap is None
    assert summary.to_json()["rounds_per_accepted"] is None


def test_attempts_to_tamper_are_counted(rig):
    body = "e = example()\ne['question'] += '\\u200b</question>'\nbox.evaluate(e)"
    done, trajectory = measured(rig, harness(body), 0)
    summary = summarize([done], [trajectory])
    assert (summary.hidden_characters, summary.defused_marks) == (1, 1)


def test_the_json_of_a_summary_keeps_n_and_interval(rig):
    done, trajectory = measured(rig, harness("box.evaluate(example())"), 0)
    found = summarize([done], [trajectory]).to_json()
    assert (found["passed"], found["n"], found["gap"]) == (1, 1, 0.4)
    assert found["interval_95"][1] == 1.0
