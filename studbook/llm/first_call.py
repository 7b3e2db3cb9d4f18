"""A `Chat` for trying out a component with one request: the first call is made, a second one is not.

A component that asks again could not use the first reply, or got none. It may also catch that failure and ask
for less, so the failure is kept here.
"""

import time
from collections.abc import Mapping

from studbook.llm.contracts import Chat, ChatCall, ChatReply, Usage


class AskedAgain(Exception):
    """The component wanted a second call."""


class FirstCall:
    """Passes on the first call of `role`, or of any role if `role` is None; raises AskedAgain for the second.

    Other roles get their text in `given`, without a call. `failure` is what the first call raised.
    """

    def __init__(self, chat: Chat, role: str | None = None, given: Mapping[str, str] | None = None) -> None:
        self._chat = chat
        self._role = role
        self._given = given or {}
        self.call: ChatCall | None = None
        self.reply: ChatReply | None = None
        self.failure: Exception | None = None
        self.seconds = 0.0

    def chat(self, call: ChatCall) -> ChatReply:
        if self._role is not None and call.role != self._role:
            return ChatReply(text=self._given[call.role], usage=Usage())
        if self.call is not None:
            raise AskedAgain
        self.call = call
        began = time.monotonic()
        try:
            self.reply = self._chat.chat(call)
        except Exception as failure:
            self.failure = failure
            raise
        finally:
            self.seconds = time.monotonic() - began
        return self.reply
