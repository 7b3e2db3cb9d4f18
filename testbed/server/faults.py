"""A model server that fails on purpose, over real sockets: for rehearsals and for tests.

Serves what `BackendServer` serves, and corrupts the answers that its picker selects: which call fails, and
how, is a function of seed, request and attempt. The default mix contains every fault that a retry resolves;
a run must give the same result with it as without. It prints nothing; `counts` says how many answers were
intact and how the others failed.
"""

import json
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum
from threading import Event, Lock
from typing import Any, Protocol

from studbook.identity import derive_seed, hash_json
from studbook.llm.contracts import Backend
from studbook.testbed.server.server import BackendServer, Exchange
from studbook.testbed.server.wire import WireError

SEED_RANGE = 2**31


class EndpointFault(StrEnum):
    """Ways of failing. The comments say what a client sees."""

    LIMIT_SECONDS = "limit_seconds"  # 429, Retry-After: 1
    LIMIT_DATE = "limit_date"  # 429, Retry-After as an HTTP date
    LIMIT_LONG = "limit_long"  # 429, Retry-After: a day
    LIMIT_BARE = "limit_bare"  # 429 and nothing else
    ERROR_500 = "error_500"
    ERROR_502 = "error_502"  # an HTML page
    ERROR_503 = "error_503"
    ERROR_529 = "error_529"  # overloaded
    NO_ANSWER = "no_answer"  # the connection stays open, but no data arrives
    RESET_BEFORE = "reset_before"  # reset before the first byte
    RESET_MIDWAY = "reset_midway"  # reset in the middle of the body
    CLOSED_MIDWAY = "closed_midway"  # closed cleanly after half of the announced body
    DRIP = "drip"  # the complete answer, byte by byte, in time
    DRIP_FOREVER = "drip_forever"  # occasional blanks before the answer, forever
    EMPTY_BODY = "empty_body"
    EMPTY_TEXT = "empty_text"  # a completion without text
    NOT_JSON = "not_json"
    HTML = "html"  # 200 with an HTML page
    NO_CHOICES = "no_choices"
    EMPTY_CHOICES = "empty_choices"
    NULL_CONTENT = "null_content"
    CUT_SHORT = "cut_short"  # half the text, finish_reason "length", few tokens used
    FILTERED = "filtered"  # half the text, finish_reason "content_filter"
    REFUSAL = "refusal"  # the field `refusal` instead of content
    ERROR_400 = "error_400"  # rejected, with a reason
    NO_USAGE = "no_usage"  # a complete answer without token usage
    OTHER_MODEL = "other_model"  # a complete answer that names another model
    WRONG_CHARSET = "wrong_charset"  # bytes that are not UTF-8
    BAD_GZIP = "bad_gzip"  # Content-Encoding: gzip, but the body is not gzip
    TWICE = "twice"  # streams only: every text chunk is sent twice


HARMLESS = frozenset(
    {EndpointFault.DRIP, EndpointFault.NO_USAGE, EndpointFault.OTHER_MODEL, EndpointFault.TWICE}
)
"""The answer is complete, so a robust client accepts it at once."""

SLOW = frozenset({EndpointFault.NO_ANSWER, EndpointFault.DRIP_FOREVER, EndpointFault.LIMIT_LONG})
"""Each costs a client its full timeout, or the longest wait that it allows."""

ALL = tuple(EndpointFault)


class FaultPicker(Protocol):
    """Decides whether one attempt at a request fails, and how; thread-safe."""

    def pick(self, body: bytes) -> EndpointFault | None: ...


@dataclass(slots=True)
class RandomFaults:
    """A share `share` of all attempts fails; with the same seed, the same request fails in the same way."""

    share: float
    seed: int = 0
    kinds: Collection[EndpointFault] = ALL
    attempts: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def pick(self, body: bytes) -> EndpointFault | None:
        name = name_of(body)
        with self.lock:
            self.attempts[name] += 1
            attempt = self.attempts[name]
        if derive_seed("does it fail", self.seed, name, attempt) >= self.share * SEED_RANGE:
            return None
        kinds = sorted(self.kinds)
        return kinds[derive_seed("how", self.seed, name, attempt) % len(kinds)]


def name_of(body: bytes) -> str:
    """Identifies a request, independent of the formatting of its JSON."""
    try:
        return hash_json(json.loads(body))
    except (ValueError, RecursionError, TypeError):
        return hash_json(body.hex())


HTML = b"<!doctype html><title>Sign in</title><p>Please sign in to the network."
STATUS_OF = {
    EndpointFault.LIMIT_SECONDS: 429,
    EndpointFault.LIMIT_DATE: 429,
    EndpointFault.LIMIT_LONG: 429,
    EndpointFault.LIMIT_BARE: 429,
    EndpointFault.ERROR_400: 400,
    EndpointFault.ERROR_500: 500,
    EndpointFault.ERROR_503: 503,
    EndpointFault.ERROR_529: 529,
}
DAY_SECONDS = 86_400


@dataclass(slots=True, kw_only=True)
class Saboteur:
    """A `Meddler`. `hold_seconds`: how long a connection is kept without an answer."""

    picker: FaultPicker
    hold_seconds: float = 600.0
    drip_seconds: float = 0.0005
    clock: Callable[[], float] = time.time
    counts: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)
    ended: Event = field(default_factory=Event)

    def meddle(self, exchange: Exchange) -> bool:
        """True when the exchange is over; False when it should be answered normally."""
        if exchange.method != "POST":
            return False
        exchange.check()
        fault = self.picker.pick(exchange.body)
        with self.lock:
            self.counts["whole" if fault is None else fault.value] += 1
        if fault is None:
            return False
        if fault is EndpointFault.TWICE:
            return exchange.stream_twice()
        self._spoil(fault, exchange)
        return True

    def _spoil(self, fault: EndpointFault, exchange: Exchange) -> None:
        if fault in STATUS_OF:
            self._refuse(fault, exchange)
        elif fault in BODIES:
            exchange.send(
                200, BODIES[fault], "application/json" if fault is not EndpointFault.HTML else "text/html"
            )
        elif fault is EndpointFault.ERROR_502:
            exchange.send(502, HTML, "text/html")
        elif fault is EndpointFault.BAD_GZIP:
            exchange.send(200, b"\x1f\x8b not gzip", "application/json", {"Content-Encoding": "gzip"})
        elif fault in EDITS:
            exchange.send(200, json.dumps(EDITS[fault](exchange.answer())).encode(), "application/json")
        elif fault is EndpointFault.WRONG_CHARSET:
            data = json.dumps(exchange.answer()).encode("utf-16")
            exchange.send(200, b"\xff\xfe\xfa" + data, "application/json; charset=utf-8")
        else:
            self._break(fault, exchange)

    def _refuse(self, fault: EndpointFault, exchange: Exchange) -> None:
        status = STATUS_OF[fault]
        headers = {
            EndpointFault.LIMIT_SECONDS: {"Retry-After": "1"},
            EndpointFault.LIMIT_DATE: {"Retry-After": formatdate(self.clock() + 1, usegmt=True)},
            EndpointFault.LIMIT_LONG: {"Retry-After": str(DAY_SECONDS)},
        }.get(fault, {})
        words = WireError(status, f"fails on purpose: {fault.value}", kind="server_error")
        exchange.send(status, json.dumps(words.body).encode(), "application/json", headers)

    def _break(self, fault: EndpointFault, exchange: Exchange) -> None:
        exchange.close_after()
        if fault is EndpointFault.NO_ANSWER:
            self._hold(exchange)
        elif fault is EndpointFault.RESET_BEFORE:
            reset(exchange.socket)
        elif fault is EndpointFault.DRIP_FOREVER:
            exchange.head(200, {"Content-Type": "application/json", "Content-Length": "1000000"})
            while not self.ended.wait(0.05):
                exchange.write(b" ")
        else:
            self._half(fault, exchange)

    def _half(self, fault: EndpointFault, exchange: Exchange) -> None:
        data = json.dumps(exchange.answer()).encode()
        exchange.head(200, {"Content-Type": "application/json", "Content-Length": str(len(data))})
        if fault is EndpointFault.DRIP:
            for number in range(len(data)):
                exchange.write(data[number : number + 1])
                time.sleep(self.drip_seconds)
            return
        exchange.write(data[: len(data) // 2])
        if fault is EndpointFault.RESET_MIDWAY:
            reset(exchange.socket)

    def _hold(self, exchange: Exchange) -> None:
        """Wait until the client disconnects, the server ends, or the time is up."""
        exchange.socket.settimeout(0.1)
        deadline = time.monotonic() + self.hold_seconds
        while time.monotonic() < deadline and not self.ended.is_set():
            try:
                if not exchange.socket.recv(1):
                    return
            except TimeoutError:
                continue


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _edit(choice: dict[str, Any] | None = None, **message: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def edit(body: dict[str, Any]) -> dict[str, Any]:
        first = body["choices"][0]
        said = {**first["message"], **message}
        return {**body, "choices": [{**first, **(choice or {}), "message": said}]}

    return edit


def _cut(finish_reason: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def edit(body: dict[str, Any]) -> dict[str, Any]:
        text = body["choices"][0]["message"]["content"]
        cut = _edit({"finish_reason": finish_reason}, content=text[: max(1, len(text) // 2)])(body)
        return {**cut, "usage": {**body["usage"], "completion_tokens": 1}}

    return edit


BODIES = {
    EndpointFault.EMPTY_BODY: b"",
    EndpointFault.NOT_JSON: b'{"choices": [{"message": {"content": "half',
    EndpointFault.HTML: HTML,
}
EDITS: dict[EndpointFault, Callable[[dict[str, Any]], dict[str, Any]]] = {
    EndpointFault.EMPTY_TEXT: _edit(content=""),
    EndpointFault.NULL_CONTENT: _edit(content=None),
    EndpointFault.REFUSAL: _edit(content=None, refusal="I cannot help with that."),
    EndpointFault.CUT_SHORT: _cut("length"),
    EndpointFault.FILTERED: _cut("content_filter"),
    EndpointFault.EMPTY_CHOICES: lambda body: {**body, "choices": []},
    EndpointFault.NO_CHOICES: lambda body: {name: value for name, value in body.items() if name != "choices"},
    EndpointFault.NO_USAGE: lambda body: {name: value for name, value in body.items() if name != "usage"},
    EndpointFault.OTHER_MODEL: lambda body: {**body, "model": "something-cheaper"},
}


class FaultyServer(BackendServer):
    """A `BackendServer` with a `Saboteur`."""

    def __init__(self, backend: Backend, *, models: Sequence[str], saboteur: Saboteur, **more: Any) -> None:
        super().__init__(backend, models=models, meddler=saboteur, **more)
        self.saboteur = saboteur

    def close(self) -> None:
        self.saboteur.ended.set()
        super().close()
