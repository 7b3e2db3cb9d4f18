"""One kept-alive HTTP connection of the harness: bytes in, at most one request out at a time, bytes back."""

from __future__ import annotations

import contextlib
import selectors
import socket
from typing import Any, Protocol

from studbook.sandbox.shim.endpoint import (
    Refused,
    Request,
    completion_of,
    parse_head,
    parse_request,
    response_of,
)


class Switchboard(Protocol):
    """What a connection asks of the loop."""

    selector: selectors.BaseSelector
    token: str
    max_body: int

    def forward(self, connection: Connection, request: Request) -> None: ...
    def forget(self, connection: Connection) -> None: ...


class Connection:
    def __init__(self, loop: Switchboard, client: socket.socket) -> None:
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop, self._client = loop, client
        self._incoming, self._outgoing = bytearray(), b""
        self._events = 0
        self._is_waiting = self._is_completion = self._closes = self._is_closed = False
        self._watch()

    def on_ready(self, _source: object, events: int) -> None:
        """Called by the loop when the socket can be read or written."""
        try:
            if events & selectors.EVENT_WRITE:
                self._flush()
            else:
                self._receive()
        except BlockingIOError:
            return
        except OSError:
            self._close()

    def answer(self, status: int, reply: dict[str, Any]) -> None:
        if self._is_completion:
            status, reply = completion_of(reply)
        self._outgoing = response_of(status, reply, closes=self._closes)
        self._is_waiting = False
        try:
            self._flush()
        except BlockingIOError:
            self._watch()
        except OSError:
            self._close()

    def _receive(self) -> None:
        data = self._client.recv(1 << 18)
        if not data:
            self._close()
            return
        self._incoming += data
        self._advance()

    def _advance(self) -> None:
        """Pass on one whole request, if it has arrived; a refused one ends the connection."""
        try:
            request = self._take_request()
            if request is not None:
                self._is_waiting, self._is_completion = True, request.is_completion
                self._watch()
                self._loop.forward(self, request)
        except Refused as refusal:
            status, message = refusal.args
            self._closes, self._is_completion = True, False
            self.answer(status, {"error": {"type": "refused", "message": message}})

    def _take_request(self) -> Request | None:
        head = parse_head(bytes(self._incoming[: 1 << 15]))
        if head is None:
            return None
        if head.body_bytes > self._loop.max_body:
            raise Refused(413, "request too large")
        end = head.head_bytes + head.body_bytes
        if len(self._incoming) < end:
            return None
        body = bytes(self._incoming[head.head_bytes : end])
        del self._incoming[:end]
        return parse_request(head, body, self._loop.token)

    def _flush(self) -> None:
        """Write what fits; when all is written, go on with what may already have arrived."""
        sent = self._client.send(self._outgoing)
        self._outgoing = self._outgoing[sent:]
        if self._outgoing:
            self._watch()
        elif self._closes:
            self._close()
        else:
            self._watch()
            if self._incoming:
                self._advance()

    def _watch(self) -> None:
        """Tell the selector what this connection can do next: nothing while its request is out."""
        events = selectors.EVENT_WRITE if self._outgoing else selectors.EVENT_READ
        events = 0 if self._is_waiting else events
        if events and self._events:
            self._loop.selector.modify(self._client, events, self.on_ready)
        elif events:
            self._loop.selector.register(self._client, events, self.on_ready)
        elif self._events:
            self._loop.selector.unregister(self._client)
        self._events = events

    def _close(self) -> None:
        if self._is_closed:
            return
        self._is_closed, self._outgoing, self._is_waiting = True, b"", True
        self._watch()
        with contextlib.suppress(OSError):
            self._client.close()
        self._loop.forget(self)
