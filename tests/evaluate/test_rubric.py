"""Rubrics scored exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.evaluate.contracts import Criterion
from studbook.evaluate.rubric import (
    average,
    find_contradiction,
    repeats,
    score_marks,
)

weights = st.lists(st.integers(-10, 10).filter(bool), min_size=1, max_size=40).filter(lambda w: max(w) > 0)


def rubric_of(values):
    return [Criterion(criterion=f"criterion {n}", weight=w, category="c") for n, w in enumerate(values)]


def test_a_met_negative_criterion_takes_its_weight_away():
    assert score_marks(rubric_of([5, 3, -4]), [True, False, True]) == Fraction(1, 8)


def test_negative_weights_do_not_count_towards_what_is_possible():
    assert score_marks(rubric_of([5, 3, -4]), [True, True, False]) == 1


def test_a_score_below_zero_is_zero():
    assert score_marks(rubric_of([2, -9]), [True, True]) == 0


def test_a_third_stays_a_third():
    assert score_marks(rubric_of([1, 1, 1]), [True, False, False]) == Fraction(1, 3)


def test_a_criterion_that_stands_there_twice_counts_once():
    said = ("Says why.", "says  why", "Says when.", "Sаys why!")  # the last has a Cyrillic a
    rubric = [Criterion(criterion=text, weight=4, category="c") for text in said]
    assert repeats(rubric) == {1, 3}
    assert score_marks(rubric, [True, True, False, True]) == Fraction(1, 2)


def test_the_same_words_rewarded_and_punished_contradict_each_other():
    assert find_contradiction([("Says why.", 3), ("Says when.", 2), ("SAYS WHY", -1)]) == (0, 2)
    assert find_contradiction([("Says why.", 3), ("Does not say why.", -1)]) is None


def test_marks_and_criteria_must_be_as_many():
    with pytest.raises(ValueError, match="2 criteria need as many marks, got 1"):
        score_marks(rubric_of([1, 2]), [True])


def test_a_rubric_without_positive_weight_has_no_score():
    with pytest.raises(ValueError, match="positive weight"):
        score_marks(rubric_of([-1, -2]), [True, False])


def test_nothing_has_no_average():
    with pytest.raises(ValueError, match="no scores"):
        average([])


def test_the_average_is_exact():
    assert average([Fraction(1, 3), Fraction(1, 3), Fraction(1, 2)]) == Fraction(7, 18)


@given(weights, st.data())
def test_a_score_lies_between_zero_and_one(values, data):
    marks = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    assert 0 <= score_marks(rubric_of(values), marks) <= 1


@given(weights, st.data())
def test_meeting_one_more_positive_criterion_never_lowers_a_score(values, data):
    marks = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    number = data.draw(st.sampled_from([n for n, w in enumerate(values) if w > 0]))
    better = [mark or n == number for n, mark in enumerate(marks)]
    assert score_marks(rubric_of(values), better) >= score_marks(rubric_of(values), marks)


@given(weights, st.data())
def test_the_order_of_criteria_changes_nothing(values, data):
    marks = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    order = data.draw(st.permutations(range(len(values))))
    shuffled = score_marks(rubric_of([values[n] for n in order]), [marks[n] for n in order])
    assert shuffled == score_marks(rubric_of(values), marks)


@given(weights)
def test_all_positive_and_no_negative_criteria_met_is_one(values):
    assert score_marks(rubric_of(values), [w > 0 for w in values]) == 1
