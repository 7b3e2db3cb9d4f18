from fractions import Fraction

import pytest
from support.evaluation import HOPELESS, PAPER, facts, harness

from studbook.errors import ModelUnavailable
from studbook.evaluate.evaluations import summarize
from studbook.evaluate.seeds import SeedScope, confirmation_seeds
from studbook.evaluate.settings import EvaluatorSettings
from studbook.evaluate.trajectories import render_for_analyzer
from studbook.populations.records import Confirmation, Evaluation, PaperVerdict
from studbook.rate import Rate

GOOD = harness("box.evaluate(example())")


def run(rig, tree=GOOD, replicate=0):
    evaluator = rig.paper_evaluator()
    result = evaluator.evaluate_paper(tree, PAPER, replicate)
    return result, evaluator.store.get(result.key)


def first_then(first, later, calls):
    """A solver that states `first` facts in its first `calls` answers, and `later` ones afterwards."""
    asked = []

    def answer(_):
        asked.append(1)
        return facts(first if len(asked) <= calls else later)

    return answer


def test_an_accepted_example_is_measured_again_on_fresh_rollouts(rig):
    result, trajectory = run(rig)
    assert result.confirmation == Confirmation(
        holds=True,
        reason="weak average 0.40, strong average 0.80: within all bounds",
        weak_average="2/5",
        strong_average="4/5",
    )
    event = trajectory.events[-1]
    assert (event["kind"], len(event["weak"]), len(event["strong"])) == ("confirmation", 3, 3)
    measured = next(each for each in trajectory.events if each["kind"] == "report")
    first = {rollout["seed"] for rollout in (*measured["weak"], *measured["strong"])}
    assert first.isdisjoint(rollout["seed"] for rollout in (*event["weak"], *event["strong"]))


def test_an_acceptance_that_was_luck_keeps_its_verdict_and_is_recorded_as_luck(rig):
    rig.models.answers["weak"] = first_then(4, 9, calls=3)
    result, _ = run(rig)
    assert result.verdict is PaperVerdict.ACCEPTED
    assert result.confirmation == Confirmation(
        holds=False, reason="weak average 0.90 is over 0.65", weak_average="9/10", strong_average=None
    )


def test_there_is_no_second_final_check(rig):
    run(rig)
    assert len(rig.models.of("final_verifier")) == 1


def test_nothing_accepted_is_not_confirmed(rig):
    rig.models.knows = HOPELESS
    result, trajectory = run(rig)
    assert result.confirmation is None
    assert trajectory.events[-1]["kind"] == "box"


def test_it_can_be_switched_off(rig):
    rig.settings = EvaluatorSettings(confirm=False)
    result, _ = run(rig)
    assert (result.verdict, result.confirmation, result.calls) == (PaperVerdict.ACCEPTED, None, 14 - 1)


def test_the_harness_sees_neither_calls_nor_rounds_nor_words_of_it(rig):
    again = "try:\n    box.evaluate(example('two'))\nexcept Exception as error:\n    box.log(str(error))"
    body = f"box.evaluate(example())\n{again}"
    with_it, told = run(rig, harness(body))
    rig.settings, rig.folder = EvaluatorSettings(confirm=False), rig.folder / "other"
    without, untold = run(rig, harness(body))
    assert with_it.rounds == without.rounds
    assert told.events[:-1] == untold.events


def test_an_outage_while_confirming_is_never_a_result(rig):
    def fails(_):
        if len(rig.models.of("strong")) > 3:
            raise ModelUnavailable("down")
        return facts(8)

    rig.models.answers["strong"] = fails
    with pytest.raises(ModelUnavailable):
        run(rig)
    assert list(rig.folder.rglob("*.zst")) == []
    rig.models.answers.clear()
    result, _ = run(rig)
    assert result.confirmation is not None
    assert result.confirmation.holds


def test_the_analyzer_is_not_shown_it(rig):
    _, trajectory = run(rig)
    assert "onfirm" not in render_for_analyzer(trajectory)


def test_a_confirmation_gives_no_seed_of_the_rounds():
    seeds = SeedScope(run_seed=7, paper_id="p", replicate=0)
    places = [
        ("rollout", n, solver, k) for n in range(1, 9) for solver in ("weak", "strong") for k in range(3)
    ]
    assert {seeds.seed(*place) for place in places}.isdisjoint(
        confirmation_seeds(seeds).seed(*place) for place in places
    )


def test_the_summary_says_how_many_acceptances_held(rig):
    held, first = run(rig)
    rig.models.answers["weak"] = first_then(4, 9, calls=3)
    lost, second = run(rig, replicate=1)
    evaluation = Evaluation(
        harness_id="seed", tree_hash="t", evaluator_hash="e", split="train", replicate=0, results=(held, lost)
    )
    summary = summarize([evaluation], [first, second])
    assert (summary.rate, summary.confirmed) == (Rate(2, 2), Rate(1, 2))
    assert summary.to_json()["confirmed"] == 1
    assert summary.accepted_weak_average == Fraction(2, 5)
