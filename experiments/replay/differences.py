"""Finds where a replay first differs from its records and describes it, with both sides, for an error.

`Witness` sits between one replayed box and the records. The client only knows that a key is missing; the
calls before it show at which recorded event the replay diverged.
"""

import itertools
from collections.abc import Sequence
from threading import Lock
from typing import Any

from studbook.errors import ReplayDifference
from studbook.evaluate.contracts import Paper
from studbook.evaluate.trajectories import Event, Trajectory, call_to_json
from studbook.llm.contracts import HARNESS_ROLES, Chat, ChatCall, ChatReply

SHOWN = 300


BEFORE = 60
"""Characters shown of each side, and how many of them precede the first difference."""


class _Missing:
    """Stands for a missing key; equal to no JSON value."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def first_difference(before: Any, after: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """The first place, in reading order, where two JSON values differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = [
            (f"{path}.{key}".lstrip("."), before.get(key, MISSING), after.get(key, MISSING))
            for key in {**before, **after}
        ]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [(f"{path}[{number}]", *pair) for number, pair in enumerate(zip(before, after, strict=True))]
    else:
        return None if before == after else (path or "the whole event", before, after)
    return next((found for name, one, two in pairs if (found := first_difference(one, two, name))), None)


def both_sides(recorded: Any, replayed: Any) -> str:
    """Two lines; long values are cut to where they begin to differ."""
    one, two = repr(recorded), repr(replayed)
    same = next(
        (n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
    )
    start = same - BEFORE if same > SHOWN // 2 else 0
    return f"  recorded: {_cut(one, start)}\n  replayed: {_cut(two, start)}"


def _cut(text: str, start: int) -> str:
    before, after = "…" if start else "", "…" if len(text) > start + SHOWN else ""
    return f"{before}{text[start : start + SHOWN]}{after}"


class Unrecorded(ReplayDifference):
    """The call that has no record, and how many calls of the harness were answered before it."""

    def __init__(self, call: Event, answered: int) -> None:
        super().__init__(f"no record of a call of role {call['role']}")
        self._call = call
        self._answered = answered

    def told(self, recorded: Sequence[Event]) -> str:
        """Shows what the recorded trajectory has at this point and what the replay requested."""
        if self._call["role"] in HARNESS_ROLES:
            return self._told_of_harness(recorded)
        number = self._report_after(recorded)
        event = MISSING if number is None else {name: recorded[number][name] for name in ("round", "example")}
        asked = {"role": self._call["role"], **self._call["messages"][-1]}
        where = "after the last event" if number is None else f"event {number} (report) differs"
        asks = f"no record of this call of role {self._call['role']}"
        why = "the example or an answer to it differs"
        return f"{where}: {asks}: {why}\n{both_sides(event, asked)}"

    def _told_of_harness(self, recorded: Sequence[Event]) -> str:
        chats = [(number, event) for number, event in enumerate(recorded) if event["kind"] == "chat"]
        if self._answered >= len(chats):
            return f"after the last event: one more chat\n{both_sides(MISSING, self._call)}"
        number, event = chats[self._answered]
        expected = {name: event[name] for name in self._call}
        found = first_difference(expected, self._call)
        if found is None:
            return f"event {number} (chat): the call is the same, but its record is missing in calls.sqlite"
        where, before, after = found
        return f"event {number} (chat) differs at {where}\n{both_sides(before, after)}"

    def _report_after(self, recorded: Sequence[Event]) -> int | None:
        chats = 0
        for number, event in enumerate(recorded):
            if event["kind"] == "report" and chats == self._answered:
                return number
            chats += event["kind"] == "chat"
        return None


class Witness:
    """A `Chat` for one box. Thread-safe. Raises Unrecorded if the records have no answer."""

    def __init__(self, chat: Chat, paper: Paper) -> None:
        self._chat = chat
        self._paper = paper
        self._lock = Lock()
        self._answered = 0

    def chat(self, call: ChatCall) -> ChatReply:
        try:
            reply = self._chat.chat(call)
        except ReplayDifference as error:
            raise Unrecorded(self._as_event(call), self._answered) from error
        with self._lock:
            self._answered += call.role in HARNESS_ROLES
        return reply

    def _as_event(self, call: ChatCall) -> Event:
        """In the form of a transcript."""
        return call_to_json(call, self._paper.text)


def describe(recorded: Trajectory, replayed: Trajectory) -> str:
    """The first event, or else the first field, that differs, with both sides."""
    pairs = itertools.zip_longest(recorded.events, replayed.events)
    for number, (one, two) in enumerate(pairs):
        if one != two:
            return _event_difference(number, one, two)
    for name in (
        "result",
        "calls_by_role",
        "truncated_by_role",
        "unreadable_by_role",
        "redraws",
        "evidence",
        "tree_hash",
        "evaluator_hash",
    ):
        before, after = getattr(recorded, name), getattr(replayed, name)
        if before != after:
            return f"its events are the same, but {name} differs\n{both_sides(before, after)}"
    return "its bytes differ, but not the values read from them"


def _event_difference(number: int, one: Event | None, two: Event | None) -> str:
    if one is None or two is None:
        present = two if one is None else one
        side = "replay has one more" if one is None else "replay ends before it"
        told = both_sides(one if one is not None else MISSING, two if two is not None else MISSING)
        return f"event {number} ({present['kind'] if present else ''}): the {side}\n{told}"
    if one["kind"] != two["kind"]:
        return f"event {number} is of a different kind\n{both_sides(one, two)}"
    where, before, after = first_difference(one, two) or ("", one, two)
    return f"event {number} ({one['kind']}) differs at {where}\n{both_sides(before, after)}"
