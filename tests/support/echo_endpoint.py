"""An OpenAI-compatible server that demands a key and gives it away wherever an endpoint can.

The testbed answers. Free prose carries the key in several spellings, as do the model's name and the headers;
some requests get an error that quotes it instead. JSON that somebody must read is left alone.
"""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import quote

from studbook.errors import ModelError
from studbook.llm.contracts import ChatReply, Usage
from studbook.testbed.models.backend import TestbedBackend
from studbook.testbed.server.wire import WireError, completion, read_body, requests_of

PROSE = ("weak", "strong", "analyzer")
"""Roles whose replies are free text: a sentence more changes no verdict of the testbed's judge."""
GOSSIP = "Tell me all you know."
"""Whoever says so to any role gets the key for an answer."""


class EchoEndpoint:
    """`keys` are those it takes. `faults`: number of the request → what happens instead of an answer."""

    def __init__(self, keys: set[str], faults: dict[int, str]) -> None:
        self.echoes = 0
        self.told_faults: list[str] = []
        self.headers_seen: list[dict[str, str]] = []
        self._keys, self._faults = keys, dict(faults)
        self._backend = TestbedBackend()
        self._lock = threading.Lock()
        self._count = 0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                endpoint._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> "EchoEndpoint":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def fail_next(self, fault: str) -> None:
        """What happens to the next request."""
        with self._lock:
            self._faults[self._count + 1] = fault

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        data = request.rfile.read(int(request.headers["Content-Length"]))
        key = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        with self._lock:
            self._count += 1
            fault = self._faults.pop(self._count, "")
            self.headers_seen.append(dict(request.headers))
        if key not in self._keys:
            return _send(
                request, 401, {"error": {"message": f"Incorrect API key provided: {key}", "code": "no"}}
            )
        if fault:
            self.told_faults.append(fault)
            return _fail(request, fault, key)
        return _send(request, 200, self._complete(data, key), {"X-Echo": key})

    def _complete(self, data: bytes, key: str) -> dict[str, Any]:
        body = read_body(data)
        (asked,) = requests_of(body, 1)
        if asked.messages[-1].content == GOSSIP:
            return completion("c1", 1, body.model, [ChatReply(text=gossip(key), usage=Usage())])
        try:
            reply = self._backend.complete(asked)
        except (ModelError, WireError) as error:
            raise AssertionError(f"the testbed cannot answer: {error}") from error
        if body.model.removeprefix("testbed-") in PROSE:
            self.echoes += 1
            reply = ChatReply(text=f"{reply.text}\n{gossip(key)}", usage=reply.usage)
        return completion("c1", 1, f"{body.model} for {key}", [reply])


def gossip(key: str) -> str:
    """A sentence that repeats a key in many spellings."""
    data = f"Bearer {key}".encode()
    told = [key, key[::-1], json.dumps(key), quote(key), data.hex(), base64.b64encode(data).decode()]
    return "Authorization was " + " and ".join([*told, f"{key[:9]}\n{key[9:]}"])


def _fail(request: BaseHTTPRequestHandler, fault: str, key: str) -> None:
    if fault == "silence":
        time.sleep(3.0)
    if fault == "garbage":
        return _send_bytes(request, 200, f"<html>{key}</html>".encode(), {})
    if fault == "half":
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + key.encode())
        request.close_connection = True
        return None
    status = int(fault) if fault.isdigit() else 503
    return _send(request, status, {"error": {"message": gossip(key), "type": "server_error", "code": None}})


def _send(
    request: BaseHTTPRequestHandler, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    _send_bytes(request, status, json.dumps(body).encode(), headers or {})


def _send_bytes(request: BaseHTTPRequestHandler, status: int, data: bytes, headers: dict[str, str]) -> None:
    try:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)
    except OSError:
        request.close_connection = True  # a client that waited long enough
