"""A `Chat` that answers from the records one piece of work rests on, and from nothing else.

For checking: what asks again as it asked then gets what it got then, or is told that there is no such record.
Pays nothing, records nothing, and never looks into another piece of work's records.
"""

from collections.abc import Mapping

from studbook.errors import ReplayDifference, RequestFailed
from studbook.llm.contracts import ChatCall, ChatReply
from studbook.llm.records import record_key
from studbook.llm.records_audit import Answers
from studbook.llm.roles import RoleModel


class RecordedChat:
    """Raises ReplayDifference for a call that is not among `answers`, RequestFailed for one that failed."""

    def __init__(self, roles: Mapping[str, RoleModel], answers: Answers) -> None:
        self._roles = roles
        self._replies = {call.key: call.reply for call in answers.calls.values()}
        self._failures = answers.failures

    def chat(self, call: ChatCall) -> ChatReply:
        key = record_key(call.role, self._roles[call.role].resolve(call))
        if key in self._failures:
            kind, message = self._failures[key]
            raise RequestFailed(kind, message, key=key)
        reply = self._replies.get(key)
        if reply is None:
            raise ReplayDifference(f"there is no record of this call of role {call.role}: {key}")
        return reply
