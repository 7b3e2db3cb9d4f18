"""The harness's side by value: what a Box sends, and what it makes of replies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.boxes import PAYLOAD

from studbook.harnesses.harness_kit import (
    Box,
    BoxError,
    BudgetSpent,
    LoopbackSender,
    read_flag,
    read_json,
)


class Wire:
    """A transport that remembers and answers with `reply`."""

    def __init__(self, reply: dict[str, Any]) -> None:
        self.reply = reply
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        self.sent.append((kind, body))
        return self.reply


def box_on(wire: Wire) -> Box:
    return Box(PAYLOAD, {"prompts/a.md": "text"}.__getitem__, wire)


def test_only_what_was_given_is_sent():
    wire = Wire({"text": "ok"})
    assert box_on(wire).chat("challenger", [], temperature=0.0) == "ok"
    assert wire.sent == [("chat", {"role": "challenger", "messages": [], "temperature": 0.0})]


def test_files_come_from_whoever_made_the_box():
    assert box_on(Wire({})).read("prompts/a.md") == "text"


def test_a_spent_budget_is_a_box_error_of_its_own():
    box = box_on(Wire({"error": {"type": "budget_spent", "message": "5 of 5 rounds"}}))
    with pytest.raises(BudgetSpent, match=r"^5 of 5 rounds$"):
        box.evaluate({})


def test_changing_the_knobs_changes_nobody_elses():
    box = box_on(Wire({}))
    box.knobs["max_rounds"] = 99
    assert PAYLOAD["knobs"]["max_rounds"] == 5


@pytest.mark.parametrize("body", [{"n": float("nan")}, {"f": object()}])
def test_what_is_not_json_is_refused_before_it_is_sent(body: dict[str, Any]):
    with pytest.raises(BoxError, match=r"^log: not JSON"):
        LoopbackSender(("127.0.0.1", 9), "/t")("log", body)


def test_a_shim_that_is_gone_is_a_box_error():
    with pytest.raises(BoxError, match=r"^log: the box gave no answer"):
        LoopbackSender(("127.0.0.1", 1), "/t")("log", {})


def test_all_options_of_a_chat_are_sent():
    wire, schema = Wire({"text": "{}"}), {"type": "object", "properties": {}}
    box_on(wire).chat("verifier", [], max_tokens=9, json_mode=True, json_schema=schema)
    assert wire.sent[0][1] == {
        "role": "verifier",
        "messages": [],
        "max_tokens": 9,
        "json_mode": True,
        "json_schema": schema,
    }


DRAFT = {
    "context": "c {x}",
    "rubric": [{"criterion": "a, }", "weight": 3}],
    "note": 'say "hi" // not a comment',
}
PLAIN = json.dumps(DRAFT)


@pytest.mark.parametrize(
    "reply",
    [
        PLAIN,
        f"Here it is.\n```json\n{PLAIN}\n```\nDone.",
        "$\\frac{a}{b}$ " * 200 + PLAIN,
        f"I used {{context, rubric}} as asked. {PLAIN}",
        f'First {{"plan": "short"}}, then {PLAIN} and {{"ok": true}}',
        PLAIN.replace("3}]", "3,}, ]").replace("{", "{ // the draft\n", 1),
        PLAIN.replace("}]", "}] /* the end, } */"),
        repr(DRAFT),
        PLAIN.replace('"context"', "context"),
    ],
)
def test_an_object_is_read_as_models_write_it(reply: str):
    assert read_json(reply) == DRAFT


def test_lone_backslashes_line_breaks_and_pythons_words_are_read_as_meant():
    reply = '{"a": "\\alpha \\\\beta \\u00e4 \\underline", "b": "two\nlines", "c": True, "d": [None, False,]}'
    assert read_json(reply) == {
        "a": "\\alpha \\beta ä \\underline",
        "b": "two\nlines",
        "c": True,
        "d": [None, False],
    }


def test_hundreds_of_empty_braces_before_an_object_are_no_obstacle():
    assert read_json(r"\frac{}{} " * 300 + '{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "reply", ["", "no", '{"a": 1', '{"a": <text>}', "[1]", '{"a":' * 5000, '{"' * 50_000, '"' * 50_000]
)
def test_what_is_no_object_is_an_error_that_says_so(reply: str):
    with pytest.raises(ValueError, match=r"."):
        read_json(reply)


@given(st.text(alphabet='{}[]",:\\ /*#\nTrueabc01'))
def test_no_reply_is_another_error(reply: str):
    try:
        assert isinstance(read_json(reply), dict)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        (True, True),
        (False, False),
        ("false", False),
        (" Yes ", True),
        ("FAIL", False),
        ("", None),
        (1, True),
        (7, None),
    ],
)
def test_a_text_that_says_false_is_not_true(value: object, flag: bool | None):
    assert read_flag(value) is flag
