"""Promotion is strict: fresh luck, shrinkage, a sealed test, and nothing measured twice."""

import time
from dataclasses import replace
from fractions import Fraction

import pytest
from support.search_rig import PowerCut, Rig

from studbook.errors import SandboxError
from studbook.evolve.champion import FIRST_REPLICATE, candidates, pooled
from studbook.evolve.contracts import PromotionSettings, SearchSettings
from studbook.populations.events import ChampionChosen, EvaluationDone, Purpose, RunFinished
from studbook.testbed.fakes import FakeEvaluator, fake_harness, pass_chance

SETTINGS = SearchSettings(run_seed=7, iterations=16, minibatch=3)
PROMOTION = PromotionSettings(candidates=3, confirm_replicates=4, test_replicates=8, shrinkage=25)


def searched(settings=SETTINGS):
    rig = Rig(settings=settings)
    rig.search()
    return rig


@pytest.fixture(scope="module")
def promoted():
    rig = searched()
    rig.promote(PROMOTION)
    return rig


def test_the_champion_is_better_than_the_seed_in_truth(promoted):
    population = promoted.population
    truth = {name: pass_chance(promoted.trees.get(population.mutants[name])) for name in population.members}
    assert truth[population.best_id] > truth["seed"]


def test_candidates_and_seed_are_confirmed_on_replicates_no_search_has_seen(promoted):
    confirmations = [each for each in promoted.population.evaluations if each.purpose is Purpose.CONFIRMATION]
    assert {each.harness_id for each in confirmations} == {
        "seed",
        *candidates(promoted.population, PROMOTION),
    }
    assert {each.replicate for each in confirmations} == set(range(1_000_000, 1_000_004))
    assert all(each.split == "validation" and each.is_complete for each in confirmations)


def test_only_seed_and_champion_see_the_sealed_papers_and_only_after_the_choice(promoted):
    events = [event for events in promoted.journal for event in events]
    chosen = next(number for number, event in enumerate(events) if isinstance(event, ChampionChosen))
    tests = [
        (number, event.evaluation)
        for number, event in enumerate(events)
        if isinstance(event, EvaluationDone) and event.purpose is Purpose.TEST
    ]
    assert all(number > chosen and each.split == "test" for number, each in tests)
    assert {each.harness_id for _, each in tests} == {"seed", events[chosen].harness_id}
    assert {each.replicate for _, each in tests} == set(range(2_000_000, 2_000_008))
    assert pooled(promoted.population, Purpose.TEST, "seed").n == 48
    assert events[-1] == RunFinished(reason="iterations", iterations=16)


def test_the_ranking_says_n_and_the_exact_shrunk_rate(promoted):
    chosen = promoted.population.champion
    seed = next(row for row in chosen.ranking if row.harness_id == "seed")
    assert [row.n for row in chosen.ranking] == [48] * len(chosen.ranking)
    assert seed.shrunk == seed.rate.fraction
    best = chosen.ranking[0]
    assert best.shrunk == Fraction(best.passed + 25 * seed.shrunk) / (48 + 25)
    assert f"({best.passed}/48, 95% CI " in chosen.reason


@pytest.mark.parametrize("appends", [0, 1, 7, 16, 17, 25, 33])
def test_a_cut_in_the_conclusion_is_made_good_without_repeating(promoted, appends):
    rig = searched()
    rig.cut_after = len(rig.journal) + appends
    with pytest.raises(PowerCut):
        rig.promote(PROMOTION)
    rig.cut_after = None
    rig.promote(PROMOTION)
    assert rig.lines == promoted.lines


def test_concluding_twice_adds_nothing(promoted):
    before = promoted.lines
    promoted.promote(PROMOTION)
    assert promoted.lines == before


def test_when_nothing_was_admitted_the_seed_stays_and_is_tested_alone():
    rig = searched(replace(SETTINGS, iterations=0))
    population = rig.promote(PROMOTION)
    assert population.champion.harness_id == "seed"
    assert population.champion.reason == "nothing was admitted, so the seed stays"
    assert not [each for each in population.evaluations if each.purpose is Purpose.CONFIRMATION]
    assert pooled(population, Purpose.TEST, "seed").n == 48


def test_a_candidate_that_was_merely_lucky_is_not_promoted():
    rig = searched()
    for commit, tree in list(rig.trees.trees.items()):  # what the search took for better is now worse
        if tree != fake_harness():
            rig.trees.trees[commit] = fake_harness(level=1)
    population = rig.promote(PROMOTION)
    assert population.champion.harness_id == "seed"
    assert population.champion.reason == (
        "no candidate beat the seed on fresh validation replicates, so the seed stays"
    )
    assert {each.harness_id for each in population.evaluations if each.purpose is Purpose.TEST} == {"seed"}


class _FailsOnOne(FakeEvaluator):
    """Fails on the third confirmation paper that it meets; the others take a moment.

    `after`: papers begun since it was met.
    """

    bad = None
    met = after = 0

    def evaluate_paper(self, harness, paper, replicate):
        if replicate >= FIRST_REPLICATE[Purpose.CONFIRMATION]:
            key = (harness.tree_hash, paper.paper_id, replicate)
            with self.lock:
                self.met += 1
                self.bad = key if self.met == 3 else self.bad
                self.after += self.met > 3
            if key == self.bad:
                raise SandboxError("the engine is gone")
            time.sleep(0.02)
        return super().evaluate_paper(harness, paper, replicate)


def test_after_a_failure_no_paper_of_the_conclusion_is_started_any_more():
    rig = searched()
    rig.evaluator = _FailsOnOne(seen=rig.evaluator.seen)
    with pytest.raises(SandboxError, match="the engine is gone"):
        rig.promote(PROMOTION)
    assert rig.evaluator.after <= 20  # of some 190 that were queued
