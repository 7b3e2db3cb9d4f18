"""Knob proposals: deterministic, within range, different from the parent, fed with what was measured."""

import logging

from hypothesis import given, settings
from hypothesis import strategies as st
from support.search_rig import STARTED, Rig

from studbook.evolve.contracts import PromotionSettings, SearchSettings
from studbook.evolve.policies.knob_proposers.optuna import KnobSampler
from studbook.evolve.policies.knob_study import as_study
from studbook.harnesses.tree import Knob
from studbook.llm.contracts import Usage
from studbook.populations.events import DecisionMade, EvaluationDone, MutantMade, Purpose
from studbook.populations.population import EMPTY, fold
from studbook.populations.records import (
    Decision,
    Evaluation,
    Mutant,
    MutationKind,
    PaperResult,
    PaperVerdict,
    Verdict,
)
from studbook.testbed.fakes import fake_harness

ROUNDS = Knob(name="rounds", low=1, high=8, value=5, is_integer=True)
HEAT = Knob(name="heat", low=0.0, high=1.5, value=0.7, is_integer=False)
FIXED = Knob(name="fixed", low=3, high=3, value=3, is_integer=True)


SWITCH = Knob(name="switch", low=0, high=1, value=0, is_integer=True)


BONUS = Knob(name="bonus", low=0, high=8, value=0, is_integer=True)
WIDE = Knob(name="wide", low=1, high=10**12, value=42, is_integer=True)


def propose_knobs(knobs, population, seed, is_new):
    return KnobSampler().propose(knobs, population, seed, is_new)


def anything(values):
    return True


def measured(bonuses):
    """A population in which a harness with bonus b passed b of the first 10 papers; odd ones were stopped."""
    events = [STARTED, MutantMade(mutant=mutant(0, 0))]
    for iteration, bonus in enumerate(bonuses, start=1):
        results = tuple(result(number, number < bonus) for number in range(10))
        evaluation = Evaluation(
            harness_id=f"m{iteration:04d}",
            tree_hash=str(iteration),
            evaluator_hash="fake",
            split="validation",
            replicate=iteration,
            results=results,
            complete=not bonus % 2,
        )
        decision = Decision(
            iteration=iteration,
            parent_id="seed",
            mutant_id=f"m{iteration:04d}",
            verdict=Verdict.REJECTED,
            reason="",
        )
        events += [
            MutantMade(mutant=mutant(iteration, bonus)),
            EvaluationDone(iteration=iteration, purpose=Purpose.VALIDATION, evaluation=evaluation),
            DecisionMade(decision=decision),
        ]
    return fold(events)


def mutant(iteration, bonus):
    return Mutant(
        harness_id=f"m{iteration:04d}" if iteration else "seed",
        parent_id="seed" if iteration else None,
        iteration=iteration,
        kind=MutationKind.KNOBS if iteration else MutationKind.SEED,
        tree_hash=str(iteration),
        commit="",
        hypothesis="",
        knobs={"bonus": bonus},
    )


def result(number, passed):
    return PaperResult(
        key="",
        paper_id=f"b{number:03d}",
        replicate=1,
        verdict=PaperVerdict.ACCEPTED if passed else PaperVerdict.NOT_ACCEPTED,
        reason="",
        rounds=(),
        usage=Usage(),
        calls=0,
        trajectory_hash="",
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_a_proposal_is_in_range_typed_different_and_the_same_for_the_same_seed(seed):
    proposed = propose_knobs([ROUNDS, HEAT, FIXED], EMPTY, seed, anything)
    assert proposed == propose_knobs([ROUNDS, HEAT, FIXED], EMPTY, seed, anything)
    assert isinstance(proposed["rounds"], int) and 1 <= proposed["rounds"] <= 8
    assert 0.0 <= proposed["heat"] <= 1.5
    assert proposed["fixed"] == 3
    assert (proposed["rounds"], proposed["heat"]) != (5, 0.7)


def test_a_knob_with_one_other_value_gets_it():
    assert [propose_knobs([SWITCH], EMPTY, seed, anything) for seed in range(20)] == [{"switch": 1}] * 20


def test_a_knob_with_a_trillion_values_costs_no_memory():
    asked = []
    proposed = propose_knobs([WIDE], EMPTY, 1, lambda values: asked.append(values) or len(asked) > 20)
    assert len(asked) == 21  # the sampler's own proposals are used up by then
    assert proposed["wide"] != 42
    assert 1 <= proposed["wide"] <= 10**12


def test_values_that_would_repeat_a_harness_are_not_proposed():
    for seed in range(20):
        proposed = propose_knobs([ROUNDS], EMPTY, seed, lambda values: values["rounds"] == 2)
        assert proposed == {"rounds": 2}


def test_without_a_knob_that_can_differ_nothing_is_proposed():
    assert propose_knobs([], EMPTY, 1, anything) == {}
    assert propose_knobs([FIXED], EMPTY, 1, anything) == {}
    assert propose_knobs([ROUNDS], EMPTY, 1, lambda values: False) == {}


def test_a_run_reads_as_a_study():
    study = as_study(measured([4, 8]), fake_harness().manifest.knobs)
    assert [(trial.params, trial.value) for trial in study.trials] == [
        ({"bonus": 4}, 4 / 10),
        ({"bonus": 8}, 8 / 10),
    ]
    assert study.trials[1].user_attrs == {
        "harness": "m0002",
        "iteration": 2,
        "passed": 8,
        "n": 10,
        "complete": True,
    }


def test_a_stopped_evaluation_counts_what_was_left_out_as_not_passed():
    study = as_study(measured([5]), fake_harness().manifest.knobs)
    assert (study.trials[0].user_attrs["complete"], study.trials[0].value) == (False, 5 / 12)


def test_training_and_test_evaluations_are_no_trials():
    rig = Rig(settings=SearchSettings(run_seed=3, iterations=2, minibatch=2, knob_share=0))
    rig.search()
    rig.promote(PromotionSettings(candidates=4, confirm_replicates=4, test_replicates=1, shrinkage=25))
    scored = [each for each in rig.population.evaluations if each.is_scored]
    assert len(scored) < len(rig.population.evaluations)
    assert len(as_study(rig.population, fake_harness().manifest.knobs).trials) == len(scored)


def test_the_sampler_learns_from_what_was_measured():
    """The more bonus, the more passed: proposals move up from where a blind draw puts them."""
    knobs = fake_harness().manifest.knobs
    population = measured([0, 8, 2, 6, 4, 0, 8, 2, 6, 4] * 3)
    learned = [propose_knobs(knobs, population, seed, anything)["bonus"] for seed in range(40)]
    blind = [propose_knobs(knobs, EMPTY, seed, anything)["bonus"] for seed in range(40)]
    assert sum(learned) / 40 > 6.5
    assert sum(blind) / 40 < 5.5


def test_the_study_is_silent(caplog):
    with caplog.at_level(logging.INFO):
        as_study(measured([4]), fake_harness().manifest.knobs)
    assert caplog.records == []


def test_knob_turns_make_no_duplicates_and_hand_over_to_the_implementer_when_all_was_tried():
    rig = Rig(settings=SearchSettings(run_seed=3, iterations=20, minibatch=2, knob_share=1.0))
    rig.search()
    kinds = [each.kind for each in rig.population.mutants.values()]
    assert set(kinds) > {MutationKind.KNOBS, MutationKind.PROMPT}
    twins = [each.mutant_id for each in rig.population.decisions if each.verdict is Verdict.DUPLICATE]
    assert not any(rig.population.mutants[name].kind is MutationKind.KNOBS for name in twins)


def test_a_sampler_that_has_proposed_before_proposes_what_a_new_one_would():
    sampler = KnobSampler()
    bonuses = [seed * 7 % 9 for seed in range(40)]
    for seen in (0, 3, 12, 13, 40, 12, 25, 40):
        population = measured(bonuses[:seen])
        for seed in range(3):
            known = sampler.propose([ROUNDS, HEAT, BONUS], population, seed, anything)
            assert known == propose_knobs([ROUNDS, HEAT, BONUS], population, seed, anything)


def test_a_sampler_keeps_spaces_apart():
    sampler = KnobSampler()
    population = measured([seed * 7 % 9 for seed in range(20)])
    narrow = Knob(name="bonus", low=0, high=3, value=0, is_integer=True)
    for knobs in ([BONUS], [narrow], [BONUS]):
        assert sampler.propose(knobs, population, 5, anything) == propose_knobs(
            knobs, population, 5, anything
        )
