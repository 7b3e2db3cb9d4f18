"""Finding the first difference between what was recorded and what came again."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import ReplayDifference
from studbook.experiments.replay.differences import first_difference
from studbook.experiments.replay.recorded import check_same
from studbook.populations.events import RunFinished
from studbook.populations.journal import Entry

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_equal_values_have_no_difference(value):
    assert first_difference(value, copy.deepcopy(value)) is None


@given(JSON, JSON)
def test_values_that_differ_have_one_and_it_is_real(before, after):
    found = first_difference(before, after)
    assert (found is None) == (before == after)
    if found:
        assert found[1] != found[2]


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1]"),
        ({"a": 1}, {}, "a"),
        ({"a": None}, {}, "a"),
        ([1], [1, 2], "the whole event"),
        ({"a": [1]}, {"a": [1, 2]}, "a"),
    ],
)
def test_the_place_is_named_as_one_would_look_it_up(before, after, where):
    assert first_difference(before, after)[0] == where


def entry(kind: str, data: str) -> Entry:
    return Entry(seq=4, kind=kind, hash="", prev="", left=0, time="", data_text=data.encode())


def test_an_event_of_another_kind_is_told_with_both_sides():
    event = RunFinished(reason="done", iterations=3)
    with pytest.raises(
        ReplayDifference, match="event 4 differs: recorded decision_made, replayed run_finished"
    ):
        check_same(entry("decision_made", "{}"), event)


def test_an_event_with_another_value_is_told_with_place_and_both_sides():
    event = RunFinished(reason="done", iterations=3)
    check_same(entry("run_finished", '{"iterations":3,"reason":"done"}'), event)
    with pytest.raises(ReplayDifference) as caught:
        check_same(entry("run_finished", '{"iterations":2,"reason":"done"}'), event)
    assert str(caught.value).splitlines() == [
        "event 4 (run_finished) differs at iterations",
        "  recorded: 2",
        "  replayed: 3",
    ]
