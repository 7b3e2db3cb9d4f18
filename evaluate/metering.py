"""Counts the calls and tokens of one task, whoever made them, and keeps track of which records answered.

Calls answered from records (no API call) count too, so that a resumed run reports the same numbers. Enforces
no budget.
"""

from threading import Lock

from studbook.errors import RequestFailed
from studbook.llm.contracts import (
    Chat,
    ChatCall,
    ChatReply,
    Evidence,
    Seal,
    Usage,
    evidence_of,
    seal_failure,
    seal_reply,
)


class MeteredChat:
    """A `Chat` that passes calls on and adds them up."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._lock = Lock()
        self._usage = Usage()
        self._calls: dict[str, int] = {}
        self._truncated: dict[str, int] = {}
        self._unreadable: dict[str, int] = {}
        self._seals: list[Seal] = []

    @property
    def usage(self) -> Usage:
        return self._usage

    @property
    def calls(self) -> int:
        return sum(self._calls.values())

    @property
    def calls_by_role(self) -> dict[str, int]:
        return dict(sorted(self._calls.items()))

    @property
    def truncated_by_role(self) -> dict[str, int]:
        """How many replies of each role were cut off at its token limit."""
        return dict(sorted(self._truncated.items()))

    @property
    def unreadable_by_role(self) -> dict[str, int]:
        """How many replies of each role could not be read, as `count_unreadable` was told."""
        return dict(sorted(self._unreadable.items()))

    def count_unreadable(self, role: str) -> None:
        with self._lock:
            self._unreadable[role] = self._unreadable.get(role, 0) + 1

    @property
    def evidence(self) -> Evidence:
        """The call records that answered so far."""
        with self._lock:
            return evidence_of(self._seals)

    def chat(self, call: ChatCall) -> ChatReply:
        try:
            reply = self._chat.chat(call)
        except RequestFailed as error:
            if error.key:
                with self._lock:
                    self._seals.append(seal_failure(error.key, call.role, error.kind, str(error)))
            raise
        with self._lock:
            if reply.key:
                self._seals.append(seal_reply(reply.key, call.role, reply))
            self._usage += reply.usage
            self._calls[call.role] = self._calls.get(call.role, 0) + 1
            if reply.is_truncated:
                self._truncated[call.role] = self._truncated.get(call.role, 0) + 1
        return reply
