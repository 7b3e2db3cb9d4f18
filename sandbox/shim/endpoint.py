"""The minimal HTTP for the box's loopback: our own routes, and an OpenAI-compatible one based on chat.

Contains pure functions from bytes to requests and from replies to bytes, and `Connection`: one keep-alive
connection of the harness, with at most one request in progress. The loop owns the selector and the host.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
from typing import Any, NamedTuple, Protocol

HEAD_BYTES = 16 * 1024
KINDS = ("chat", "evaluate", "log")
CHAT_FIELDS = {"model", "messages", "temperature", "max_tokens", "max_completion_tokens", "response_format"}
IGNORED_FIELDS = {"user", "seed", "n", "stream"}  # n and stream only at their defaults
STATUS_OF_ERROR = {
    "model_failed": 424,
    "budget_spent": 403,
    "malformed_example": 422,
}  # statuses that SDKs do not retry


class Refused(Exception):
    """A request that is refused, with an HTTP status and a message."""


class Head(NamedTuple):
    method: str
    path: str
    head_bytes: int
    body_bytes: int


class Request(NamedTuple):
    kind: str
    body: dict[str, Any]
    is_completion: bool


def parse_head(data: bytes) -> Head | None:
    """The head of an HTTP/1.1 request; None until all of it has arrived."""
    head, separator, _ = data[: HEAD_BYTES + 4].partition(b"\r\n\r\n")
    if not separator:
        if len(data) > HEAD_BYTES:
            raise Refused(431, "request head too long")
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    size = fields.get("content-length", "0")
    words = first.split(" ")
    if len(words) != 3 or "transfer-encoding" in fields or not (size.isdecimal() and len(size) <= 12):
        raise Refused(400, "only HTTP/1.1 requests with a Content-Length")
    return Head(words[0], words[1], len(head) + 4, int(size))


def parse_request(head: Head, body: bytes, token: str) -> Request:
    """Raises Refused for anything except a POST of a JSON object to a known route."""
    prefix = "/" + token + "/"
    route = head.path[len(prefix) :]
    is_completion = route == "v1/chat/completions"
    if head.method != "POST" or not head.path.startswith(prefix) or not (is_completion or route in KINDS):
        raise Refused(404, "not offered here: " + head.method + " " + head.path[-100:])
    try:
        request = json.loads(body)
        if is_completion:
            request = to_chat_body(request)
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
        raise Refused(400, "the body is not a request") from None
    if not isinstance(request, dict):
        raise Refused(400, "the body is not a JSON object")
    return Request("chat" if is_completion else route, request, is_completion)


def to_chat_body(request: dict[str, Any]) -> dict[str, Any]:
    """Converts an OpenAI chat completion request to our chat request; `model` names the role."""
    unknown = sorted(set(request) - CHAT_FIELDS - IGNORED_FIELDS)
    if unknown or request.get("stream") or request.get("n", 1) not in (1, None):
        raise Refused(400, "not offered here: " + ", ".join(unknown or ["stream, n > 1"]))
    body: dict[str, Any] = {
        "role": request["model"],
        "messages": [to_message(m) for m in request["messages"]],
    }
    max_tokens = request.get("max_completion_tokens") or request.get("max_tokens")
    form = request.get("response_format") or {}
    is_schema = form.get("type") == "json_schema"
    optional = {
        "temperature": request.get("temperature"),
        "max_tokens": max_tokens,
        "json_mode": form.get("type") == "json_object" or None,
        "json_schema": form["json_schema"].get("schema") if is_schema else None,
    }
    body.update({name: value for name, value in optional.items() if value is not None})
    return body


def to_message(item: dict[str, Any]) -> dict[str, Any]:
    content = item["content"]
    if isinstance(content, list):
        if any(part["type"] != "text" for part in content):
            raise Refused(400, "only text is offered here")
        content = "".join(part["text"] for part in content)
    return {"role": item["role"], "content": content}


def completion_of(reply: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Our reply as an OpenAI chat completion: (HTTP status, body)."""
    error = reply.get("error")
    if error:
        body = {"message": error.get("message"), "type": error.get("type"), "code": None, "param": None}
        return STATUS_OF_ERROR.get(error.get("type"), 400), {"error": body}
    usage = dict(reply.get("usage") or {"prompt_tokens": 0, "completion_tokens": 0})
    message = {"role": "assistant", "content": reply.get("text")}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": reply.get("finish_reason", "stop"),
        "logprobs": None,
    }
    return 200, {
        "id": "chatcmpl-box",
        "object": "chat.completion",
        "created": 0,
        "model": "box",
        "choices": [choice],
        "usage": {**usage, "total_tokens": sum(usage.values())},
    }


def response_of(status: int, body: dict[str, Any], *, closes: bool = False) -> bytes:
    data = json.dumps(body).encode("ascii")
    head = f"HTTP/1.1 {status} Box\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    return (head + ("Connection: close\r\n" if closes else "") + "\r\n").encode("ascii") + data


class Switchboard(Protocol):
    """What a connection needs from the loop."""

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
        """Called by the loop when the socket is readable or writable."""
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
        """Forward one complete request, if it has arrived; a refused one closes the connection."""
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
        """Write what fits; when everything is written, handle a request that may already have arrived."""
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
        """Tell the selector which events to wait for: none while a request is in progress."""
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
