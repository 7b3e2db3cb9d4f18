"""Selection: the published distribution, its limits, and draws that repeat."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.births import iteration_events, seed_events, small_run

from studbook.errors import SpecError
from studbook.evolve.contracts import SELECTION
from studbook.evolve.policies.selection.best import Best
from studbook.evolve.policies.selection.boltzmann import Boltzmann, probabilities
from studbook.evolve.policies.selection.uniform import Uniform
from studbook.identity import derive_seed
from studbook.populations.population import Population, fold

SCORES = st.lists(st.fractions(0, 1, max_denominator=1000).map(float), min_size=1, max_size=50)
TEMPERATURES = st.floats(1e-6, 1e6)


def trio() -> Population:
    """seed 1/12 pooled, m0001 2/4, m0002 4/4."""
    events = seed_events()
    events += iteration_events(1, (False,) * 4, (True, True, False, False))
    events += iteration_events(2, (False,) * 4, (True,) * 4)
    return fold(events)


def test_the_probabilities_are_the_published_ones():
    shares = probabilities([0.1, 0.3], 0.1)
    assert shares == pytest.approx([math.exp(1) / (math.exp(1) + math.exp(3)), 1 / (1 + math.exp(-2))])


@given(SCORES, TEMPERATURES)
def test_probabilities_add_up_to_one(scores, temperature):
    assert math.fsum(probabilities(scores, temperature)) == pytest.approx(1)


@given(SCORES, TEMPERATURES)
def test_a_higher_score_is_never_less_likely(scores, temperature):
    by_score = sorted(zip(scores, probabilities(scores, temperature), strict=True))
    shares = [share for _, share in by_score]
    assert shares == sorted(shares)


@given(SCORES)
def test_a_cold_draw_shares_everything_among_the_best(scores):
    shares = probabilities(scores, 1e-9)
    best_count = scores.count(max(scores))
    expected = [1 / best_count if score == max(scores) else 0 for score in scores]
    assert shares == pytest.approx(expected)


@given(SCORES)
def test_a_hot_draw_is_uniform(scores):
    assert probabilities(scores, 1e12) == pytest.approx([1 / len(scores)] * len(scores))
    assert probabilities(scores, math.inf) == pytest.approx([1 / len(scores)] * len(scores))


@given(SCORES, st.floats(-5, 5), TEMPERATURES)
def test_only_differences_between_scores_matter(scores, shift, temperature):
    shifted = probabilities([score + shift for score in scores], max(temperature, 0.01))
    assert shifted == pytest.approx(probabilities(scores, max(temperature, 0.01)), abs=1e-9)


@pytest.mark.parametrize("temperature", [0, -0.1, math.nan])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(SpecError, match="must be greater than 0"):
        Boltzmann(temperature).select(trio(), 1)


def test_draws_follow_the_distribution():
    """Chi-square over 20,000 draws, 2 degrees of freedom: 13.8 is the 99.9 % point."""
    population, draws = trio(), 20_000
    drawn = Counter(
        Boltzmann(0.3).select(population, derive_seed("select", 7, number)) for number in range(draws)
    )
    shares = probabilities([1 / 12, 2 / 4, 4 / 4], 0.3)
    expected = dict(zip(("seed", "m0001", "m0002"), (draws * share for share in shares), strict=True))
    assert sum((drawn[name] - e) ** 2 / e for name, e in expected.items()) < 13.8


def test_the_same_seed_draws_the_same_parent():
    assert [Boltzmann(0.5).select(trio(), seed) for seed in range(20)] == [
        Boltzmann(0.5).select(trio(), seed) for seed in range(20)
    ]


def test_the_draws_of_the_first_seeds_are_these_on_every_machine():
    assert [Boltzmann(0.3).select(trio(), seed) for seed in range(6)] == [
        "m0002",
        "m0001",
        "m0002",
        "m0002",
        "m0002",
        "m0002",
    ]


def test_a_rejected_mutant_is_never_chosen():
    population = fold(small_run())
    for policy in (Boltzmann(100.0), Uniform(), Best()):
        assert {policy.select(population, seed) for seed in range(200)} <= {"seed", "m0002"}


def test_uniform_reaches_every_member():
    drawn = Counter(Uniform().select(trio(), derive_seed("uniform", number)) for number in range(3000))
    assert all(900 < drawn[name] < 1100 for name in ("seed", "m0001", "m0002"))


def test_best_takes_the_highest_score_and_the_earliest_of_equals():
    assert Best().select(trio(), 1) == "m0002"
    events = [*seed_events(), *iteration_events(1, (True, False, False, False), (True,) * 4)]
    events += iteration_events(2, (True, False, False, False), (True,) * 4)
    assert Best().select(fold(events), 1) == "m0001"


def test_a_population_of_the_seed_alone_gives_the_seed():
    for name in SELECTION.builtin_names():
        policy = SELECTION.build(SELECTION.find(name))
        assert policy.select(fold(seed_events()), 3) == "seed"


def test_policies_are_found_by_name_and_an_unknown_one_is_told_the_nearest():
    assert SELECTION.builtin_names() == ("best", "boltzmann", "uniform")
    assert isinstance(SELECTION.build(SELECTION.find("boltzmann"), temperature=0.3), Boltzmann)
    with pytest.raises(ValueError, match=r"no selection named 'boltzman'; did you mean 'boltzmann'\?"):
        SELECTION.check_name("boltzman")
    with pytest.raises(ValueError, match="there are best, boltzmann, uniform"):
        SELECTION.check_name("roulette")
