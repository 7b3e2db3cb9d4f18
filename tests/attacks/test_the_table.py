"""The table itself: every attack gets a row, a failing or skipped one too, and hostile text stays text."""

import json
from typing import Any

import pytest
from support.attack_plugin import CASE, FOLDER, ROW, rows_of, suite_of
from support.attack_table import AttackRow, Mark, render_json, render_markdown, render_text, totals

CASE_OF_X = (CASE, {"order": 3, "suite": "box", "name": "x"})
MADE = (ROW, {"suite": "box", "mark": "✓", "seconds": None, "name": "fork bomb", "outcome": "contained"})
HELD = AttackRow(suite="score", name="role | tags\x1b[2J", outcome="not above", seconds=1.25, cheat="1/40")


def report(outcome: str, when: str = "call", longrepr: Any = None, made: bool = True) -> pytest.TestReport:
    properties = [CASE_OF_X, *([MADE] if made else [])]
    return pytest.TestReport(
        nodeid="t.py::x",
        location=("t.py", 1, "x"),
        keywords={},
        outcome=outcome,  # type: ignore[arg-type]  # one of three words
        longrepr=longrepr,
        when=when,  # type: ignore[arg-type]  # one of three words
        duration=2.5,
        user_properties=properties,
    )


def test_a_row_takes_the_time_of_its_test_when_it_names_none():
    ((order, row),) = rows_of([report("passed", "setup"), report("passed"), report("passed", "teardown")])
    assert (order, row.name, row.outcome, row.mark, row.seconds) == (
        3,
        "fork bomb",
        "contained",
        Mark.HELD,
        2.5,
    )


def test_a_failing_test_turns_its_row_into_one_that_got_through():
    ((_, row),) = rows_of([report("failed", longrepr="a container is left"), report("passed", "teardown")])
    assert (row.mark, row.outcome) == (Mark.GOT_THROUGH, "GOT THROUGH: a container is left")


def test_a_test_that_failed_before_its_row_has_one():
    ((_, row),) = rows_of(
        [report("failed", longrepr="boo", made=False), report("passed", "teardown", made=False)]
    )
    assert row.outcome == "FAILED: boo"
    ((_, row),) = rows_of([report("failed", "setup", longrepr="no engine", made=False)])
    assert (row.mark, row.name, row.outcome) == (Mark.GOT_THROUGH, "x", "FAILED: no engine")


def test_a_skipped_attack_says_so():
    why = ("conftest.py", 1, "Skipped: no Docker engine answers")
    ((_, row),) = rows_of([report("skipped", "setup", longrepr=why, made=False)])
    assert (row.mark, row.outcome) == (Mark.NOT_RUN, "not run: no Docker engine answers")


def test_a_suite_is_read_from_the_file():
    assert suite_of(FOLDER / "test_box_attacks.py") == "box"
    assert suite_of(FOLDER / "score" / "test_persuasion.py") == "score"
    assert suite_of(FOLDER / "test_the_table.py") == "other"


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_table_fits_its_width_and_control_characters_stay_out(width: int):
    text = render_text([HELD], width=width, colour=False)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width


def test_markdown_escapes_what_would_break_a_cell():
    assert "| ✓ | role \\| tags\N{REPLACEMENT CHARACTER}[2J | not above | 1/40 | 1.2 |" in render_markdown(
        [HELD]
    )


def test_json_holds_every_field_and_the_total():
    body = json.loads(render_json([HELD]))
    assert body["rows"][0]["outcome"] == "not above"
    assert body["total"] == "1 rows: 1 not above; nothing got through"


def test_the_total_counts_every_outcome():
    through = AttackRow(suite="box", name="y", outcome="GOT THROUGH: z", seconds=0, mark=Mark.GOT_THROUGH)
    skipped = AttackRow(suite="box", name="y", outcome="not run: z", seconds=0, mark=Mark.NOT_RUN)
    assert totals([HELD, through, skipped]) == "3 rows: 1 not above, 1 not run; 1 GOT THROUGH"
