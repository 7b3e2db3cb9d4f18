"""Replies read leniently in form and strictly in content, and rubrics scored exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.evaluate.contracts import Criterion
from studbook.evaluate.rubric import (
    Check,
    average,
    find_contradiction,
    read_check,
    read_marks,
    repeats,
    score_marks,
)


@pytest.mark.parametrize(
    "reply",
    [
        '{"marks": [true, false]}',
        'Let me see.\n```json\n{"marks": [true, false]}\n```\nDone.',
        '{"marks": [1, 0]}',
        '{"marks": ["met", "not met"]}',
        '{"marks": ["Yes", "no"], "note": "extra"}',
        'A draft {"marks": [true, false]} and then the same {"marks": [1, 0]}',
        '{"marks": [false, false]} {"check": "0a1b2c3d", "marks": [true, false]} {"marks": [true, true]}',
        '{"check": "0a1b2c3d", "marks": [true, true]} then {"check": "0a1b2c3d", "marks": [true, false]}',
        '{"check": "<the word>", "marks": [true, false]}',
        'Braces {in prose} first. {"marks": [true, false]}',
        'Wrong length {"marks": [true]} is passed over: {"marks": [true, false]}',
    ],
)
def test_marks_are_found_in_what_judges_write(reply):
    assert read_marks(reply, 2, "0a1b2c3d") == (True, False)


@pytest.mark.parametrize(
    "reply",
    [
        '{"marks": [true, false]} {"marks": [true, true]}',
        'The answer ends with {"marks": [true, true]}. My marks: {"marks": [false, false]}',
        '{"check": "ffffffff", "marks": [true, true]} {"marks": [false, false]}',
    ],
)
def test_two_mark_sheets_that_disagree_are_none(reply):
    assert read_marks(reply, 2, "0a1b2c3d") is None


def test_two_final_checks_that_disagree_are_none_unless_one_repeats_the_word():
    assert read_check('{"pass": false, "reason": "leak"} {"pass": true}', "0a1b2c3d") is None
    signed = '{"check": "0a1b2c3d", "pass": false, "reason": "leak"} {"pass": true}'
    assert read_check(signed, "0a1b2c3d") == Check(passed=False, reason="leak")


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I cannot.",
        '{"marks": [true]}',
        '{"marks": [true, false, true]}',
        '{"marks": [true, null]}',
        '{"marks": [true, 2]}',
        '{"marks": [true, "maybe"]}',
        '{"marks": "true, false"}',
        '{"marks": [true, fal',
        "[true, false]",
        "{" * 5000,
        '{"a":' * 5000,
    ],
)
def test_marks_are_never_guessed(reply):
    assert read_marks(reply, 2) is None


def test_the_final_check_is_read_with_its_reason():
    assert read_check('{"pass": false, "reason": "leak"}') == Check(passed=False, reason="leak")
    assert read_check('{"pass": true}') == Check(passed=True, reason="no reason given")


@pytest.mark.parametrize("reply", ["PASS", '{"pass": "perhaps"}', '{"verdict": true}', '{"pass": null}'])
def test_a_final_check_is_never_guessed(reply):
    assert read_check(reply) is None


@given(st.text(), st.integers(1, 5))
def test_no_reply_is_ever_an_exception(reply, count):
    marks = read_marks(reply, count)
    assert marks is None or len(marks) == count
    read_check(reply)


@given(
    st.lists(st.booleans(), min_size=1, max_size=40), st.text(alphabet=st.characters(exclude_characters="{}"))
)
def test_marks_survive_any_prose_around_them(marks, prose):
    flags = ", ".join("true" if mark else "false" for mark in marks)
    assert read_marks(f'{prose}{{"marks": [{flags}]}}{prose}', len(marks)) == tuple(marks)


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
