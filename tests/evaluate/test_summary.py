from fractions import Fraction

from support.evaluation import PAPER, harness

from studbook.evaluate.evaluations import summarize
from studbook.populations.records import Evaluation
from studbook.rate import Rate


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
