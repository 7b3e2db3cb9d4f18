"""How much lower a fresh score is: arithmetic on old and new rates, by value."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.experiments.replay.live import find_drop, mean_interval
from studbook.populations.statistics import Paired
from studbook.rate import Rate


def drop_of(old, new, **options):
    chosen = {"replicates": 1, "seed": None, "strength": 25, "is_stopped": False, **options}
    return find_drop("m0001", old, new, **chosen)


def test_the_drop_is_what_the_old_score_was_above_the_new_one_paper_by_paper():
    old = {"a": Rate(1, 1), "b": Rate(1, 1), "c": Rate(1, 1), "d": Rate(0, 1)}
    new = {"a": Rate(2, 4), "b": Rate(4, 4), "c": Rate(1, 4), "d": Rate(1, 4)}
    found = drop_of(old, new, replicates=4)
    assert (found.old, found.new) == (Rate(3, 4), Rate(8, 16))
    assert found.drop == Fraction(1, 4)
    assert found.interval == pytest.approx((-0.26029, 0.59362), abs=1e-5)
    assert not found.is_shown


def test_papers_count_alike_however_often_each_was_run():
    found = drop_of({"a": Rate(9, 9), "b": Rate(0, 1)}, {"a": Rate(1, 1), "b": Rate(1, 1)})
    assert found.drop == Fraction(-1, 2)


def test_a_fall_that_many_papers_agree_on_is_shown():
    old = {str(n): Rate(1, 1) for n in range(40)}
    new = {str(n): Rate(n % 2, 1) for n in range(40)}
    found = drop_of(old, new)
    assert found.drop == Fraction(1, 2)
    assert found.is_shown


def test_the_expectation_is_the_old_score_shrunk_towards_the_seed():
    old, new = {"a": Rate(20, 25)}, {"a": Rate(1, 1)}
    assert drop_of(old, new, seed=Rate(10, 25)).expected == Fraction(3, 5)
    assert drop_of(old, new, seed=None).expected is None


def test_a_score_of_nothing_can_only_rise():
    found = drop_of({"a": Rate(0, 3)}, {"a": Rate(1, 3)})
    assert found.drop == Fraction(-1, 3)


def test_papers_that_only_one_side_ran_are_left_out():
    found = drop_of({"a": Rate(1, 1), "b": Rate(0, 1)}, {"a": Rate(1, 1)})
    assert (found.papers, found.old) == (1, Rate(1, 1))


@given(*[st.integers(0, 30)] * 4)
def test_with_one_result_on_each_side_the_interval_is_that_of_pairs(both, first, second, neither):
    falls = [Fraction(0)] * (both + neither) + [Fraction(1)] * first + [Fraction(-1)] * second
    paired = Paired(both=both, only_first=second, only_second=first, neither=neither)
    if paired.n:
        assert mean_interval(falls) == pytest.approx(paired.interval())
