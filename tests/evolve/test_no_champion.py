"""A search that measured or compared nothing ends without a champion."""

from dataclasses import replace

import pytest
from support.births import decided, evaluated, iteration_events, mutant, run_started, small_run

from studbook.evolve.champion import NOTHING_COMPARED, NOTHING_MEASURED, why_no_champion
from studbook.populations.events import EvaluationDone, MutantMade, Purpose
from studbook.populations.population import fold
from studbook.populations.records import FailureCategory, PaperVerdict, Verdict

SEED = evaluated("seed", (False,) * 4, purpose=Purpose.SEED)


def unmeasured(event, verdict=PaperVerdict.NOT_ACCEPTED):
    """The same evaluation, in which no reply of the judge could be read, or every box ended otherwise."""
    rounds = [replace(event.evaluation.results[0].rounds[0], category=FailureCategory.MALFORMED)]
    rounds = tuple(replace(each, weak_average=None, strong_average=None) for each in rounds)
    results = tuple(replace(each, verdict=verdict, rounds=rounds) for each in event.evaluation.results)
    return replace(event, evaluation=replace(event.evaluation, results=results))


def why(*events):
    events = [run_started(), MutantMade(mutant=mutant(0)), *events]
    return why_no_champion(fold(events), (each for each in events if isinstance(each, EvaluationDone)))


def compared(measured=lambda event: event):
    made, parent, child, decision = iteration_events(1, (False,) * 4, (False,) * 4)
    return made, parent, measured(child), decision


@pytest.mark.parametrize(
    "verdict", [PaperVerdict.NOT_ACCEPTED, PaperVerdict.CRASHED, PaperVerdict.NO_EXAMPLE]
)
def test_a_seed_that_nobody_could_measure_is_no_result(verdict):
    assert why(unmeasured(SEED, verdict)) == NOTHING_MEASURED
    assert why(unmeasured(SEED, verdict), decided(1, Verdict.NO_CHANGE)) == NOTHING_MEASURED


@pytest.mark.parametrize("verdict", [Verdict.NO_CHANGE, Verdict.UNANSWERED])
def test_iterations_without_any_mutant_compared_nothing(verdict):
    assert why(SEED, decided(1, verdict), decided(2, verdict)) == NOTHING_COMPARED


def test_one_proposal_that_came_to_nothing_is_chance_and_one_that_nobody_made_is_not():
    assert why(SEED, decided(1, Verdict.NO_CHANGE)) == ""
    assert why(SEED, decided(1, Verdict.UNANSWERED)) == NOTHING_COMPARED


def test_mutants_that_could_not_be_measured_were_not_compared():
    assert why(SEED, *compared(unmeasured), decided(2, Verdict.NO_CHANGE)) == NOTHING_COMPARED


def test_a_broken_mutant_was_not_compared():
    broken = (MutantMade(mutant=mutant(1)), decided(1, Verdict.BROKEN, mutant_id="m0001"))
    assert why(SEED, *broken, decided(2, Verdict.NO_CHANGE)) == NOTHING_COMPARED


def test_a_rejected_mutant_was_compared_and_so_was_an_admitted_one():
    assert why(SEED, *compared()) == ""
    events = small_run()
    assert why_no_champion(fold(events), ()) == ""


def test_a_mutant_that_can_be_measured_is_a_result_even_if_the_seed_cannot():
    made, parent, child, decision = compared()
    assert why(unmeasured(SEED), made, unmeasured(parent), child, decision) == ""


def test_a_search_without_iterations_measures_the_seed_alone():
    assert why(SEED) == ""
