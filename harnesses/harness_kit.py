"""The module that a harness imports: a `Box` with the paper, the models of its roles, and the evaluator.

It is injected into every box, after `json_reader`, which it needs: standard library only, Python >= 3.9, and
quick to import (`http.client` alone costs 30 ms per box). It holds no secret and decides nothing: a harness
that modifies this module affects only its own box, because the host keeps budgets, scores and limits.

    from harness_kit import Box, read_json

    def main(box: Box) -> None:
        messages = [{"role": "user", "content": box.paper.text}]
        text = box.chat("challenger", messages, temperature=1.0, max_tokens=4000, json_schema=SCHEMA)
        report = box.evaluate(read_json(text))

`box.chat` has the options `temperature`, `max_tokens`, `json_mode` and `json_schema`. `read_json` reads what
models write as JSON, and `read_flag` a verdict in it, such as true, "yes" or "false".
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

from studbook.llm.json_reader import read_flag, read_longest

__all__ = ["Box", "BoxError", "BudgetSpent", "MalformedExample", "ModelFailed", "read_flag", "read_json"]

Reply = dict[str, Any]
Send = Callable[[str, Reply], Reply]


class BoxError(Exception):
    """A request of this box failed; the message says why."""


class ModelFailed(BoxError):
    """The model gave no answer, after all retries."""


class BudgetSpent(BoxError):
    """The calls, tokens or rounds for this paper are used up; the harness should end now."""


class MalformedExample(BoxError):
    """The example lacks a field, or a field has the wrong type."""


ERRORS = {"model_failed": ModelFailed, "budget_spent": BudgetSpent, "malformed_example": MalformedExample}


class Paper:
    """The source document of this box. `id` is opaque."""

    __slots__ = ("id", "text", "title")

    def __init__(self, id: str, title: str, text: str) -> None:
        self.id = id
        self.title = title
        self.text = text


class Box:
    """Everything a harness can do. Thread-safe: requests may be made from several threads at once.

    However, a role's calls get their random seeds in the order of arrival: with several threads, the same
    harness gives different results each time, and its run cannot be replayed.
    """

    def __init__(self, payload: dict[str, Any], read_file: Callable[[str], str], send: Send) -> None:
        self.paper = Paper(**payload["paper"])
        self.knobs: dict[str, int | float] = dict(payload["knobs"])
        self.max_rounds: int = payload["max_rounds"]
        self._read_file = read_file
        self._send = send

    def chat(
        self,
        role: str,
        messages: list[dict[str, str]],
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        json_mode: bool = False,
        json_schema: dict[str, Any] | None = None,
    ) -> str:
        """Return the reply of the model for one of this harness's roles.

        `messages` are {"role": "system"|"user"|"assistant", "content": str}. `temperature` (0 to 2) and
        `max_tokens` (of the reply) replace the role's own settings. `json_mode` asks for a JSON object of any
        shape, `json_schema` for one of that shape. Endpoints that do not know schemas take it as `json_mode`,
        so say in the prompt, too, what to reply, and read the reply with `read_json`. A schema's outermost
        type is "object"; it may hold type, description, title, properties, required, additionalProperties,
        items, minItems, maxItems, enum, anyOf, minimum and maximum.
        Raises ModelFailed, BudgetSpent, BoxError.
        """
        body: dict[str, Any] = {"role": role, "messages": messages}
        optional = {
            "temperature": temperature,
            "max_tokens": max_tokens,
            "json_mode": json_mode or None,
            "json_schema": json_schema,
        }
        body.update({name: value for name, value in optional.items() if value is not None})
        return str(self._request("chat", body)["text"])

    def evaluate(self, example: dict[str, Any], *, solvers: str = "both") -> dict[str, Any]:
        """The evaluator's report on `example`; `solvers` is "weak" (cheap, may end "undecided") or "both".

        Every distinct example costs one round. Raises MalformedExample, BudgetSpent, BoxError.
        """
        return self._request("evaluate", {"example": example, "solvers": solvers})

    def read(self, path: str) -> str:
        """Read a text file of the harness folder, by its relative path."""
        return self._read_file(path)

    def log(self, text: str) -> None:
        """Add a line to the trajectory, for the analyzer and other readers."""
        self._request("log", {"text": str(text)})

    def _request(self, kind: str, body: dict[str, Any]) -> Reply:
        reply = self._send(kind, body)
        error = reply.get("error")
        if isinstance(error, dict):
            raise ERRORS.get(str(error.get("type")), BoxError)(str(error.get("message")))
        return reply


def read_json(reply: str) -> dict[str, Any]:
    """The longest JSON object in a model's reply.

    Prose and fences around it, comments, trailing commas, single quotes, line breaks in strings, Python's
    True and None, and LaTeX's lone backslashes are read as they were meant. Values keep their types: "7"
    stays a string. Raises ValueError that says what is wrong.
    """
    return read_longest(reply)


class LoopbackSender:
    """Sends requests to the shim over the box's own loopback, with one keep-alive connection per thread."""

    IDLE_KEPT = 8

    def __init__(self, address: tuple[str, int], path: str) -> None:
        self._address = address
        self._path = path
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()

    def __call__(self, kind: str, body: Reply) -> Reply:
        try:
            data = json.dumps(body, allow_nan=False).encode("ascii")
        except (TypeError, ValueError) as error:
            raise BoxError(f"{kind}: not JSON: {error}") from error
        try:
            return self._exchange(self._head(kind, len(data)) + data)
        except (OSError, ValueError) as error:
            raise BoxError(f"{kind}: the box gave no answer: {error}") from error

    def _exchange(self, request: bytes) -> Reply:
        connection = self._take()
        try:
            connection.sendall(request)
            body, is_kept = _read_response(connection)
            reply: Reply = json.loads(body)
        except BaseException:
            connection.close()
            raise
        if is_kept:
            self._give_back(connection)
        else:
            connection.close()
        return reply

    def _head(self, kind: str, size: int) -> bytes:
        head = f"POST {self._path}/{kind} HTTP/1.1\r\nHost: box\r\nContent-Length: {size}\r\n\r\n"
        return head.encode("ascii")

    def _take(self) -> socket.socket:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = socket.create_connection(self._address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _give_back(self, connection: socket.socket) -> None:
        with self._lock:
            if len(self._idle) < self.IDLE_KEPT:
                self._idle.append(connection)
                return
        connection.close()


def _read_response(connection: socket.socket) -> tuple[bytes, bool]:
    """The body of one HTTP response, and whether the connection can be reused.

    The shim's responses always have a Content-Length; it closes the connection after a refused request.
    """
    head, _, body = _read_until_blank_line(connection).partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    chunks, missing = [body], int(fields[b"content-length"]) - len(body)
    while missing > 0:
        chunks.append(_receive(connection))
        missing -= len(chunks[-1])
    return b"".join(chunks), fields.get(b"connection") != b"close"


def _read_until_blank_line(connection: socket.socket) -> bytes:
    data = _receive(connection)
    while b"\r\n\r\n" not in data:
        data += _receive(connection)
    return data


def _receive(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionError("connection closed")
    return chunk
