"""The worst case, by hand."""

from dataclasses import replace

import pytest
from support.search_rig import PAPERS, Rig

from studbook.evaluate.settings import EvaluatorSettings
from studbook.evolve.contracts import PromotionSettings, SearchSettings
from studbook.evolve.policies.implementers.chat import DialogueLimits
from studbook.experiments.run.bounds import bound_costs, evaluator_calls_per_box

SEARCH = SearchSettings(run_seed=1, iterations=10, minibatch=5)
PROMOTION = PromotionSettings(candidates=3, confirm_replicates=2, test_replicates=8, shrinkage=25)
SIZES = {"train": 50, "validation": 25, "test": 25}


def the_plan(search=SEARCH, sizes=SIZES, *, may_guess=False):
    return bound_costs(
        search,
        PROMOTION,
        sizes,
        harness_calls_per_box=20,
        evaluator_calls_per_box=60,
        dialogue=DialogueLimits(turns=12, tries=2),
        may_guess=may_guess,
    )


def test_the_worst_case_of_a_run():
    worst = the_plan()
    assert worst.seed_boxes == 25
    assert worst.training_boxes == 10 * (5 + 2 + 1)
    assert worst.validation_boxes == 10 * 50
    assert worst.confirmation_boxes == 4 * 2 * 25
    assert worst.test_boxes == 2 * 8 * 25
    assert worst.boxes == 1205
    assert (worst.analyzer_calls, worst.implementer_calls) == (20, 120)
    assert worst.calls == 1205 * 80 + 140


def test_a_reply_that_cannot_be_read_is_asked_for_again_and_once_more_after_the_control_example():
    settings = EvaluatorSettings(
        weak_rollouts=3, strong_rollouts=2, max_rounds=5, confirm=True, reading_attempts=3
    )
    assert evaluator_calls_per_box(settings) == 5 * (5 * 10 + 9) + 5 * 10


def test_planted_cases_are_asked_about_once():
    assert replace(the_plan(), canary_calls=16).calls == the_plan().calls + 16


def test_a_run_without_iterations_measures_the_seed_alone():
    worst = the_plan(replace(SEARCH, iterations=0))
    assert (worst.boxes, worst.confirmation_boxes, worst.test_boxes) == (225, 0, 200)


def test_papers_started_early_may_be_the_training_papers_of_a_wrong_parent():
    assert the_plan(may_guess=True).training_boxes == 10 * (5 + 5 + 2 + 1)


@pytest.mark.parametrize("speculation", [0.0, 1.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_run_needs_more_boxes_than_planned(seed, speculation):
    rig = Rig(settings=replace(SEARCH, run_seed=seed), at_once=16, speculation=speculation)
    rig.search()
    rig.promote(PROMOTION)
    sizes = {split: len(papers) for split, papers in PAPERS.items()}
    assert rig.evaluator.calls <= the_plan(rig.settings, sizes, may_guess=speculation > 0).boxes
