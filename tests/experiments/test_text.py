"""Foreign text must not steer a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.experiments.views.text import clean_block, clean_line, count, dollars, duration


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x9b31mred", "31mred"),
        ("over\rwrite", "over write"),
        ("back\x08space", "backspace"),
        ("right‮to left", "rightto left"),
        ("zero​width", "zerowidth"),
        ("two\nlines", "two lines"),
    ],
)
def test_control_characters_do_not_reach_the_terminal(hostile, shown):
    assert clean_line(hostile) == shown


def test_a_long_line_is_cut_with_an_ellipsis():
    assert clean_line("abcdef", 4) == "abc…"


def test_a_block_keeps_its_lines_and_tabs():
    assert clean_block("a\n\tb\x00") == "a\n\tb"


@given(st.text())
def test_no_text_survives_with_a_control_character(text):
    assert all(letter.isprintable() for letter in clean_line(text, 10_000))


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_durations_are_said_in_two_units_at_most(seconds, said):
    assert duration(seconds) == said


def test_numbers_agree_with_their_nouns():
    assert (count(1, "call"), count(1200, "call")) == ("1 call", "1,200 calls")
    assert (dollars(0), dollars(0.0042), dollars(3.5)) == ("$0.00", "$0.0042", "$3.50")
