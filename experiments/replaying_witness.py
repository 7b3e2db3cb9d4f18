"""Stands between one replayed box and the records, so that a call without a record is told as an event.

The client knows only that a key is missing. What had been asked before says which event of the recorded
trajectory the replay left the track at. Answers nothing itself.
"""

from collections.abc import Sequence
from threading import Lock

from evaluate.contracts import Paper
from evaluate.transcript import Event, fold_paper
from experiments.replaying import MISSING, both_sides, first_difference
from studbook.errors import ReplayDifference
from studbook.llm.contracts import HARNESS_ROLES, Chat, ChatCall, ChatReply


class Unrecorded(ReplayDifference):
    """The call that has no record, and how many calls of the harness were answered before it."""

    def __init__(self, call: Event, answered: int) -> None:
        super().__init__(f"no record of a call of role {call['role']}")
        self._call = call
        self._answered = answered

    def told(self, recorded: Sequence[Event]) -> str:
        """What the recorded trajectory has there, and what the replay asked."""
        if self._call["role"] in HARNESS_ROLES:
            return self._told_of_harness(recorded)
        number = self._report_after(recorded)
        event = MISSING if number is None else {name: recorded[number][name] for name in ("round", "example")}
        asked = {"role": self._call["role"], **self._call["messages"][-1]}
        where = "after the last event" if number is None else f"event {number} (report) differs"
        asks = f"what role {self._call['role']} was asked has no record"
        why = "the example is another one, or an answer on it"
        return f"{where}: {asks}: {why}\n{both_sides(event, asked)}"

    def _told_of_harness(self, recorded: Sequence[Event]) -> str:
        chats = [(number, event) for number, event in enumerate(recorded) if event["kind"] == "chat"]
        if self._answered >= len(chats):
            return f"after the last event: one more chat\n{both_sides(MISSING, self._call)}"
        number, event = chats[self._answered]
        expected = {name: event[name] for name in self._call}
        found = first_difference(expected, self._call)
        if found is None:
            return f"event {number} (chat): the call is the same, and its record is missing from calls.sqlite"
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
    """A `Chat` for one box. Thread-safe. Raises Unrecorded where the records have no answer."""

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
        """As a transcript writes it down."""
        return {
            "role": call.role,
            "seed": call.seed,
            "temperature": call.temperature,
            "max_tokens": call.max_tokens,
            "json_mode": call.json_mode,
            "messages": [
                {"role": message.role, "content": fold_paper(message.content, self._paper.text)}
                for message in call.messages
            ],
        }
