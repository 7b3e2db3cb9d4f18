"""Where a file comes closest to a text that is not in it, whatever a model made of the two."""

import time

import pytest

from studbook.evolve.policies.matching import nearest_lines

TEXT = "Ask one question.\nBe brief.\nName the mechanism in full.\nEnd there."


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (
            "Name a mechanism fully.",
            "   2 | Be brief.\n   3 | Name the mechanism in full.\n   4 | End there.",
        ),
        (
            "Ask one question!\nBe  brief.",
            "   1 | Ask one question.\n   2 | Be brief.\n   3 | Name the mechanism in full.",
        ),
    ],
)
def test_the_most_similar_lines_are_shown_with_a_margin(wanted: str, shown: str):
    assert nearest_lines(TEXT, wanted) == shown


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a" * 180_000, "a" * 180_000 + "b"),
        ("\n".join(["a" * 90] * 2000), "\n".join(["a" * 89 + "b"] * 30)),
        ("ab" * 60_000, "aab" * 40_000),
        ("\n" * 100_000, "x\n" * 1000),
    ],
    ids=["one long line", "many equal lines", "many short matches", "empty lines"],
)
def test_hostile_texts_do_not_hold_up_the_dialogue(text: str, wanted: str):
    began = time.monotonic()
    nearest_lines(text, wanted)
    assert time.monotonic() - began < 10.0  # aligned in full, the first would take hours
