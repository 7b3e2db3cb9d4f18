"""HTTP as far as the box's loopback needs it: our own routes, and an OpenAI-compatible one on top of chat.

Pure functions from bytes to requests and from replies to bytes; sockets are the loop's.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

HEAD_BYTES = 16 * 1024
KINDS = ("chat", "evaluate", "log")
CHAT_FIELDS = {"model", "messages", "temperature", "max_tokens", "max_completion_tokens", "response_format"}
IGNORED_FIELDS = {"user", "seed", "n", "stream"}  # n and stream only at their defaults
STATUS_OF_ERROR = {"model_failed": 424, "budget_spent": 403, "malformed_example": 422}  # none that SDKs retry


class Refused(Exception):
    """A request that is not served: HTTP status and message."""


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
    """The head of an HTTP/1.1 request, once all of it has arrived."""
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
    """Raises Refused for anything but a POST of a JSON object to a route we have."""
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
    """An OpenAI chat completion request as a chat request of ours; `model` names the role."""
    unknown = sorted(set(request) - CHAT_FIELDS - IGNORED_FIELDS)
    if unknown or request.get("stream") or request.get("n", 1) not in (1, None):
        raise Refused(400, "not offered here: " + ", ".join(unknown or ["stream, n > 1"]))
    body: dict[str, Any] = {
        "role": request["model"],
        "messages": [to_message(m) for m in request["messages"]],
    }
    max_tokens = request.get("max_completion_tokens") or request.get("max_tokens")
    json_mode = (request.get("response_format") or {}).get("type") == "json_object"
    optional = {
        "temperature": request.get("temperature"),
        "max_tokens": max_tokens,
        "json_mode": json_mode or None,
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
    """Our reply in the shape of an OpenAI chat completion: (HTTP status, body)."""
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
