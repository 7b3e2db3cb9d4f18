"""JSON of others: what is read as it was written, and what is refused before it costs anything."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import IntegrityError
from studbook.json_text import MAX_CONTAINERS, MAX_DEPTH, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_was_written_is_read(value):
    assert read_json(json.dumps(value).encode("utf-8"), "a file") == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "a file is not JSON"),
        (b"{", "a file is not JSON"),
        (b"\xff", "a file is not JSON"),
        (b"[NaN]", "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b"9" * 10_000, "a file is not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "a file is nested"),
        (b"[" * (MAX_DEPTH + 1) + b"1" + b"]" * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH}"),
        (b"[" + b"[]," * MAX_CONTAINERS * 2 + b"[]]", "lists and objects are more than any record has"),
    ],
    ids=range(9),
)
def test_what_cannot_be_a_record_is_refused(text, told):
    with pytest.raises(IntegrityError, match=told):
        read_json(text, "a file")


def test_a_value_of_the_greatest_depth_is_read():
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "a file") is not None
