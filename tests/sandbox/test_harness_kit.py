"""The harness's side by value: what a Box sends, and what it makes of replies."""

from typing import Any

import pytest
from support.boxes import PAYLOAD

from studbook.harnesses.harness_kit import Box, BoxError, BudgetSpent, LoopbackSender


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
