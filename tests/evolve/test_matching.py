"""Finding the place that an edit means although its old text misses by whitespace."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.evolve.policies.actions import Hunk
from studbook.evolve.policies.matching import find_loosely, without_numbers

CODE = """def main(box):
    for number in range(3):
        draft = write(box)

        if draft:
            box.evaluate(draft)
    return None
"""
PROSE = """Write a question
  that only a reader of the
  paper can answer.

Answer in JSON.
"""


def changed(text, old, new, *, is_python):
    change = find_loosely(text, Hunk(old=old, new=new), is_python=is_python)
    return None if change is None else change.apply(text)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("if draft:\n    box.evaluate(draft)", "if draft is not None:\n    box.evaluate(draft)", 4),
        ("if draft:  \n    box.evaluate(draft)\t", "if draft is not None:\n    box.evaluate(draft)", 4),
        (
            "            if draft:\n                box.evaluate(draft)",
            "            if draft is not None:\n                box.evaluate(draft)",
            4,
        ),
    ],
)
def test_code_with_another_indentation_is_found_and_the_new_lines_are_shifted(old, new, line):
    lines = CODE.split("\n")
    lines[line] = "        if draft is not None:"
    assert changed(CODE, old, new, is_python=True) == "\n".join(lines)


def test_a_blank_line_more_or_less_does_not_matter():
    old = "        draft = write(box)\n        if draft:"
    new = "        draft = write(box) or {}\n        if draft:"
    assert changed(CODE, old, new, is_python=True) == CODE.replace("write(box)\n\n", "write(box) or {}\n")


@pytest.mark.parametrize(
    "old",
    [
        "if draft:\nbox.evaluate(draft)",  # another structure
        "if draft: box.evaluate(draft)",  # other lines
        "range( 3 )",  # a part of a line
        "raft = write(box)",
    ],
)
def test_code_is_not_changed_where_indentation_or_lines_differ(old):
    assert changed(CODE, old, "pass", is_python=True) is None


def test_prose_may_be_joined_to_other_lines():
    old = "Write a question that only a reader of the paper can answer."
    assert changed(PROSE, old, "Ask.", is_python=False) == "Ask.\n\nAnswer in JSON.\n"
    part = changed(PROSE, "a  reader of", "an expert of", is_python=False)
    assert part == PROSE.replace("a reader of", "an expert of")


def test_lines_replaced_by_nothing_go_with_their_line_break():
    assert changed(PROSE, " Answer in  JSON.", "", is_python=False) == PROSE.replace("Answer in JSON.\n", "")


def test_what_occurs_twice_is_not_chosen():
    assert changed("a  b\na   b\n", "a b", "c", is_python=False) is None


def test_line_numbers_that_were_shown_are_taken_off():
    hunk = Hunk(old="   3 | first\n   4 |   second", new="   3 | other\n  second")
    assert without_numbers(hunk) == Hunk(old="first\n  second", new="other\n  second")
    plain = Hunk(old="3 | a table\nrow", new="")
    assert without_numbers(plain) == plain


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \n\t"), max_size=80), st.text(st.sampled_from("ab \n"), max_size=12))
def test_only_the_place_found_changes(text, old):
    change = find_loosely(text, Hunk(old=old, new="Z"), is_python=False)
    if change is not None:
        assert text[change.start : change.end].split() == old.split()
