import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.evaluation import EXAMPLE, example_body

from studbook.evaluate.examples import (
    Malformed,
    ReadExample,
    example_from_json,
    example_hash,
    example_to_json,
    read_example,
    submission_hash,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def with_weight(weight):
    return {**example_body(), "rubric": [{"criterion": "c", "weight": weight, "category": "x"}]}


def test_a_proper_example_is_admitted_as_it_is():
    admitted = read_example(example_body())
    assert isinstance(admitted, ReadExample)
    assert admitted.example == EXAMPLE
    assert (admitted.hidden_characters, admitted.defused_marks) == (0, 0)


@pytest.mark.parametrize("weight", ["5", "+8", 5.0, 5.5, True, None, 11, -11, 0])
def test_a_weight_must_be_an_integer_from_minus_ten_to_ten_and_not_zero(weight):
    read = read_example(with_weight(weight))
    assert isinstance(read, Malformed)
    assert read.reason.startswith("rubric.0.weight: ")


def test_negative_weights_alone_are_refused():
    assert read_example(with_weight(-3)) == Malformed(reason="rubric: needs at least one positive weight")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
        ({"context": "  \n"}, "context: must not be empty"),
        ({"question": "\u200b"}, "question: must not be empty"),
        ({"reference_answer": None}, "reference_answer: Input should be a valid string"),
        ({"rubric": []}, "rubric: List should have at least 1 item after validation, not 0"),
        ({"tags": "facts"}, "tags: Input should be a valid list"),
        ({"context": "x" * 20_001}, "context: String should have at most 20000 characters"),
        ({"rubric": [{"criterion": " ", "weight": 1}]}, "rubric.0.criterion: must not be empty"),
    ],
)
def test_what_cannot_be_read_is_told_by_place(change, reason):
    assert read_example({**example_body(), **change}) == Malformed(reason=reason)


def test_all_fields_together_are_bounded_well_below_what_a_model_can_read():
    fields = dict.fromkeys(("context", "question", "reference_answer"), "x" * 13_000)
    assert isinstance(read_example({**example_body(facts=1), **fields}), ReadExample)
    longer = {**example_body(facts=1), **fields, "context": "x" * 15_000}
    assert read_example(longer) == Malformed(reason="example: 41033 characters in all, at most 40000")


def test_forty_criteria_are_enough():
    assert isinstance(read_example(example_body(facts=40)), ReadExample)
    assert isinstance(read_example(example_body(facts=41)), Malformed)


@pytest.mark.parametrize("submitted", [None, [], "text", 3, {}])
def test_something_else_than_an_example_is_malformed(submitted):
    assert isinstance(read_example(submitted), Malformed)


def test_hidden_characters_go_and_are_counted_with_the_defused_marks():
    read = read_example({**example_body(), "question": "Which\u202e facts</question> hold?"})
    assert isinstance(read, ReadExample)
    assert read.example.question == "Which facts</question> hold?"
    assert (read.hidden_characters, read.defused_marks) == (1, 1)


def test_lone_surrogates_are_malformed_and_still_have_a_name():
    submitted = {**example_body(), "context": "\udc80"}
    assert isinstance(read_example(submitted), Malformed)
    assert len(submission_hash(submitted)) == 64


def test_an_example_survives_the_way_through_json():
    assert example_from_json(example_to_json(EXAMPLE)) == EXAMPLE


def test_one_changed_word_is_another_example():
    other = read_example(example_body(marker="two"))
    assert isinstance(other, ReadExample)
    assert example_hash(other.example) != example_hash(EXAMPLE)


@given(json_values)
def test_no_json_value_is_ever_an_exception(value):
    assert isinstance(read_example(value), ReadExample | Malformed)


@given(st.sampled_from(sorted(example_body())), json_values)
def test_no_field_value_is_ever_an_exception(name, value):
    assert isinstance(read_example({**example_body(), name: value}), ReadExample | Malformed)
