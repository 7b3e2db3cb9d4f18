"""JSON in what models write: read leniently in form, never guessed, and in linear time."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.llm.json_reader import find_objects, find_values, read_flag, read_number

MARKS = {"marks": [True, False]}


@pytest.mark.parametrize(
    "text",
    [
        '{"marks": [true, false]}',
        'Here you are:\n```json\n{"marks": [true, false]}\n```\nDone.',
        '{"marks": [true, false,],}',
        "{'marks': [True, False]}",
        "{marks: [true, false]}",
        "{“marks”: [true, false]}",
        '{ // the verdicts\n"marks": [true, /* met */ false] # end\n}',
        '\\frac{a}{b} and \\begin{cases} x \\end{cases} {"marks": [true, false]}',
        '{the marks are {"marks": [true, false]}}',
        'the set {\'x, y} and {"marks": [true, false]}',
        '{"note": "he said {"marks": [true, false]}',
        "\ufeff" + '{"marks": [true, false]}',
        '{"marks": [true, false]} {"marks": [tru',
    ],
)
def test_an_object_is_found_however_it_is_wrapped(text):
    assert list(find_objects(text)) == [MARKS]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        (r'{"a": "\alpha \(x\) \frac"}', {"a": r"\alpha \(x\) \frac"}),
        (
            r'{"a": "$\beta$ \nabla f \neq \theta \times \tau, \rho \right)"}',
            {"a": r"$\beta$ \nabla f \neq \theta \times \tau, \rho \right)"},
        ),
        (
            r'{"a": "$\nu$ and (\nu) x_{\nu} but\nu = 1\ne = 2\to be"}',
            {"a": "$\\nu$ and (\\nu) x_{\\nu} but\nu = 1\ne = 2\to be"},
        ),
        (r'{"a": "one\ntwo\nnext\ttab\texts\rrow \b \f."}', {"a": "one\ntwo\nnext\ttab\texts\rrow \b \f."}),
        (r'{"a": "\\nabla \\b"}', {"a": r"\nabla \b"}),
        ('{"a": TRUE, "b": FALSE}', {"a": True, "b": False}),
        (r'{"a": "\u00e9 \ud83d\ude00 \ud83d"}', {"a": "é 😀 �"}),
        (r"""{'a': 'it\'s "it"'}""", {"a": 'it\'s "it"'}),
        ('{"a": None, "b": null}', {"a": None, "b": None}),
        ('{"a": -1.5e3, "b": 0}', {"a": -1500.0, "b": 0}),
        ("{}", {}),
    ],
)
def test_values_are_read_as_they_are_meant(text, value):
    assert list(find_objects(text)) == [value]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1e999}',
        '{"a": 01}',
        '{"a": yes}',
        '{"a": 1 "b": 2}',
        '{"a": "x" "y"}',
        '{"a": {"pass": true}, "b": "the end is miss',
        '{"a": {"pass": true}, "b": [1, 2',
        '{"a": [{"pass": true}, {"pa',
        '{"a": {"pass": true}, /* the end is missing',
        '{"a": ' + "9" * 5000 + "}",
        "no JSON",
        "",
    ],
)
def test_nothing_is_guessed(text):
    assert list(find_objects(text)) == []


def test_objects_in_a_list_are_found_and_a_list_is_a_value_of_its_own():
    assert list(find_objects('[{"a": 1}, {"a": 2}]')) == [{"a": 1}, {"a": 2}]
    assert list(find_values('see [1] and [{"a": 1}]')) == [[1], [{"a": 1}]]


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{a}{b} " * 10_000,
        '{"' * 50_000,
        '{"a":' * 20_000,
        "[" * 200_000,
        "{'a " * 40_000,
        '{"a":1,' * 25_000,
        "{a:" * 50_000,
        '{"a":["{{{{{' * 20_000,
        '{"a":1,/*' * 20_000,
        "{/*" * 60_000,
        "[/*" * 60_000,
        '{"a":/* {"a" /*' * 12_000,
        "[" + '{"a":1},' * 20_000 + "x",
    ],
)
def test_hostile_text_costs_linear_time(text):
    began = time.process_time()
    list(find_values(text))
    assert time.process_time() - began < 2.0


def test_twenty_thousand_braces_of_latex_take_no_time():
    text = (r"\frac{a}{b} " * 10_000)[:199_000] + '{"marks": [true, false]}'
    began = time.process_time()
    assert list(find_objects(text)) == [MARKS]
    assert time.process_time() - began < 0.1


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\b\f"))  # kept as LaTeX
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(st.dictionaries(texts, values), st.booleans())
def test_all_JSON_is_read_as_the_standard_library_reads_it(value, is_ascii):
    text = json.dumps(value, ensure_ascii=is_ascii)
    assert list(find_objects(f"So:\n{text}\n")) == [value]


@given(st.text(alphabet="{}[]\"'“”:,\\/*# \nabtruefalsn01.-eu"))
def test_no_text_breaks_the_reader(text):
    for value in find_values(text):
        json.dumps(value, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        (True, True),
        ("false", False),
        (" Not  met ", False),
        ("YES", True),
        (1, True),
        (1.0, True),
        (0.0, False),
        ("0.0", False),
        ("Y", True),
        ("n", False),
        ("Met.", True),
        ("TRUE", True),
        (0.5, None),
        ("0.5", None),
        (2, None),
        ("maybe", None),
    ],
)
def test_a_flag_is_read_by_what_it_says(value, flag):
    assert read_flag(value) is flag


@pytest.mark.parametrize(
    ("value", "number"),
    [(7, 7), ("7", 7), (" +2.50 ", 2.5), ("-3", -3), (True, None), ("seven", None), (float("nan"), None)],
)
def test_a_number_may_stand_in_a_string(value, number):
    assert read_number(value) == number
