import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.evaluate.rubric import Check, read_check, read_marks


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
