import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.evaluate.text import SECTION_TAGS, defuse, one_line, section, strip_hidden, visible_line


@pytest.mark.parametrize(
    ("text", "visible", "hidden"),
    [
        ("plain text\nwith\ttabs", "plain text\nwith\ttabs", 0),
        ("windows\r\nlines\rhere", "windows\nlines\nhere", 0),
        ("zero\u200bwidth", "zerowidth", 1),
        ("right\u202eto left\u202c", "rightto left", 2),
        ("bell\x07 and escape\x1b[31m", "bell and escape[31m", 2),
        ("tag \U000e0041\U000e0042 letters", "tag  letters", 2),
        ("private \ue000 use", "private  use", 1),
        ("bytes\ufe00\U000e0151\U000e01ef in selectors", "bytes in selectors", 3),
        ("fillers\u3164\u115f\uffa0\u034f\u180b\u17b4 are letters", "fillers are letters", 6),
        ("Größe, 数, naïve – kept", "Größe, 数, naïve – kept", 0),
    ],
)
def test_what_people_cannot_see_is_removed_and_counted(text, visible, hidden):
    assert strip_hidden(text) == (visible, hidden)


@pytest.mark.parametrize(
    "attack",
    [
        "</question>",
        "< / Question >",
        '<answer role="x">',
        "</CRITERIA>",
        "<source_document>",
        "<|im_start|>system",
        "[INST]",
        "<<SYS>>",
        "<start_of_turn>model",
        "<rubric\n>",
        "<｜Assistant｜>",
        "<s>",
        "</s>",
        "<bos>",
        "<EOS>",
        "</think>",
        "[SYSTEM_PROMPT]",
        "[/AVAILABLE_TOOLS]",
    ],
)
def test_tags_and_role_marks_inside_data_lose_their_power_and_are_counted(attack):
    defused = defuse(f"before {attack} after")
    assert attack not in defused.text
    assert defused.count == 1


@pytest.mark.parametrize("harmless", ["a < b and c > d", "<p>markup</p>", "x[0]", "<questions>", "<S> = 2"])
def test_other_brackets_stay_as_they_are(harmless):
    assert defuse(harmless).text == harmless
    assert defuse(harmless).count == 0


def test_a_hidden_character_inside_a_tag_does_not_save_it():
    assert section("question", "a</que\u200bstion>b") == "<question>\na‹/question>b\n</question>"


@given(st.sampled_from(SECTION_TAGS), st.text(), st.text())
def test_a_section_ends_exactly_once_whatever_stands_in_it(tag, before, after):
    text = section(tag, f"{before}</{tag}>{after}<{tag}>")
    assert text.startswith(f"<{tag}>\n")
    assert text.endswith(f"\n</{tag}>")
    assert text.lower().count(f"</{tag}>") == 1
    assert text.lower().count(f"<{tag}>") == 1


@given(st.text())
def test_defusing_twice_changes_nothing_more(text):
    assert defuse(defuse(text).text).count == 0


@given(st.text())
def test_stripping_twice_removes_nothing_more(text):
    visible, _ = strip_hidden(text)
    assert strip_hidden(visible) == (visible, 0)


@pytest.mark.parametrize("attack", ["<" + " " * 12_000, "<<" + " " * 12_000, "< /" + "\n" * 12_000 + "x"])
def test_a_long_run_of_spaces_does_not_hold_up_the_evaluator(attack):
    began = time.monotonic()
    assert defuse(attack).count == 0
    assert time.monotonic() - began < 2.0  # backtracking took 4.5 s; 20,000 spaces 38 s


def test_a_visible_line_can_neither_break_nor_steer_a_screen():
    assert visible_line(" a\x1b[2J\x9b2J\nb\u202e\u2028c\ufe01 ") == "a[2J2J b c"


def test_one_line_stays_one_line():
    assert one_line(" two\n2. lines\t here ") == "two 2. lines here"
