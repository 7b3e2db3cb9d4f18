"""Serves any backend as an OpenAI-compatible HTTP server: completions, streaming, usage, realistic errors.

For loopback and trusted networks: no TLS, no rate limits of its own, one thread per connection. It prints and
stores nothing, and survives any bytes a client sends. A `Meddler` may corrupt the answer to a request; it
receives the request as an `Exchange`, which offers the correct answer and the raw connection.
"""

import hmac
import itertools
import json
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from studbook.errors import ModelRejected, ModelUnavailable, UsageError
from studbook.identity import derive_seed
from studbook.llm.contracts import Backend, ChatReply, ChatRequest
from studbook.llm.secrets import Secret
from studbook.testbed.server.wire import (
    CompletionBody,
    WireError,
    chunks,
    completion,
    model_entry,
    read_body,
    requests_of,
)


class Exchange(Protocol):
    """One request to a path that is served. A meddler that takes it over must write the answer itself."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    body: bytes

    @property
    def socket(self) -> socket.socket: ...

    def check(self) -> None:
        """Raises WireError if the request is not valid, or asks for an unknown model."""
        ...

    def answer(self, body: bytes | None = None) -> dict[str, Any]:
        """The body of the correct answer, not streamed; to another request if `body` is given.

        Raises WireError.
        """
        ...

    def send(
        self, status: int, data: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a complete answer."""
        ...

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send status and headers; the caller writes the body."""
        ...

    def write(self, data: bytes) -> None:
        """Write without buffering."""
        ...

    def close_after(self) -> None:
        """Close the connection after this exchange."""
        ...

    def stream_twice(self) -> bool:
        """Stream the correct answer with every text chunk doubled; False when no stream was requested."""
        ...


class Meddler(Protocol):
    """Thread-safe."""

    def meddle(self, exchange: Exchange) -> bool:
        """True when it has answered; False leaves the exchange untouched."""
        ...


MAX_BODY_BYTES = 32 * 1024 * 1024
IDLE_SECONDS = 120.0
COMPLETIONS = "/v1/chat/completions"
MODELS = "/v1/models"


class BackendServer:
    """Listens from construction on; `port` 0 chooses a free one. Use `serve_forever`, or a `with` block."""

    def __init__(
        self,
        backend: Backend,
        *,
        models: Sequence[str],
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: Secret = Secret(),  # noqa: B008 - a frozen value: no key is required
        clock: Callable[[], float] = time.time,
        meddler: Meddler | None = None,
        more_fields: Collection[str] = (),
    ) -> None:
        """`more_fields` of a request are taken and ignored, like a server's own ones; others are refused."""
        try:
            self._http = _Server((host, port), backend, tuple(models), api_key, clock, meddler, more_fields)
        except (OSError, OverflowError) as error:  # OverflowError: a port above 65535
            raise UsageError(f"cannot listen on {host}:{port}: {error}\nchoose another one") from error
        self._serves = Event()
        self._thread = Thread(target=self.serve_forever, name="model server", daemon=True)

    @property
    def base_url(self) -> str:
        """The base URL for a client."""
        host, port = str(self._http.server_address[0]), self._http.server_address[1]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"

    def serve_forever(self) -> None:
        """Serve until `close` is called from another thread, or Ctrl-C."""
        self._serves.set()
        self._http.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        if self._serves.is_set():
            self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> "BackendServer":
        self._serves.set()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        backend: Backend,
        models: tuple[str, ...],
        api_key: Secret,
        clock: Callable[[], float],
        meddler: Meddler | None,
        more_fields: Collection[str],
    ) -> None:
        self.backend = backend
        self.more_fields = more_fields
        self.meddler = meddler
        self.models = models
        self.api_key = api_key
        self.clock = clock
        self.calls = itertools.count()  # next() is atomic
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores disconnected clients; a bug in a backend ends its connection with a traceback."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    timeout = IDLE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        if self.headers.get("Content-Length") or self.headers.get("Transfer-Encoding"):
            self.close_connection = True  # the body is not read
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Only the display prints."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base class's own errors (bad request line, unknown method), in the same format as ours."""
        self.close_connection = True
        self.request_version = self.protocol_version  # garbage counts as HTTP/0.9, which gets no headers
        self._send_json(code, WireError(code, message or HTTPStatus(code).phrase).body)

    def _answer(self, work: Callable[[], None]) -> None:
        try:
            self._check_key()
            work()
        except WireError as error:
            headers = {}
            if error.retry_after_seconds is not None:
                headers["Retry-After"] = f"{error.retry_after_seconds:g}"
            self._send_json(error.status, error.body, headers)

    def _check_key(self) -> None:
        wanted = self.server.api_key.reveal()
        scheme, _, given = (self.headers.get("Authorization") or "").partition(" ")
        if not wanted or (scheme.lower() == "bearer" and _equal(given.strip(), wanted)):
            return
        self.close_connection = True  # its body was not read
        message = "Incorrect API key provided." if given else "You didn't provide an API key."
        raise WireError(401, message, code="invalid_api_key")

    def _get(self) -> None:
        path = urlsplit(self.path).path
        if path == COMPLETIONS:
            raise WireError(405, "Not allowed to GET on /v1/chat/completions.", code="method_not_supported")
        if path != MODELS and not path.startswith(MODELS + "/"):
            raise WireError(404, f"Invalid URL (GET {path})")
        exchange = _Exchange(self, b"")
        if not self._is_meddled(exchange):
            self._send_json(200, exchange.answer())

    def _post(self) -> None:
        data = self._read_data()
        path = urlsplit(self.path).path
        if path != COMPLETIONS:
            raise WireError(404, f"Invalid URL (POST {path})")
        exchange = _Exchange(self, data)
        if self._is_meddled(exchange):
            return
        completion = exchange.answer()
        if exchange.parsed.stream:
            self._send_events(chunks(completion, with_usage=exchange.parsed.wants_usage_chunk))
        else:
            self._send_json(200, completion)

    def _is_meddled(self, exchange: "_Exchange") -> bool:
        meddler = self.server.meddler
        return meddler is not None and meddler.meddle(exchange)

    def _models(self) -> dict[str, Any]:
        path, created = urlsplit(self.path).path, int(self.server.clock())
        if path == MODELS:
            data = [model_entry(name, created) for name in self.server.models]
            return {"object": "list", "data": data}
        return model_entry(self._known(unquote(path[len(MODELS) + 1 :])), created)

    def _completion(self, body: CompletionBody) -> dict[str, Any]:
        requests = requests_of(body, derive_seed("unseeded", next(self.server.calls)))
        replies = [self._complete(request) for request in requests]
        ident = f"chatcmpl-{next(self.server.calls):08x}"
        return completion(ident, int(self.server.clock()), body.model, replies)

    def _complete(self, request: ChatRequest) -> ChatReply:
        try:
            return self.server.backend.complete(request)
        except ModelRejected as error:
            raise WireError(400, str(error)) from error
        except ModelUnavailable as error:
            if error.retry_after_seconds is None:
                raise WireError(500, str(error), kind="server_error") from error
            raise WireError(
                429,
                str(error),
                kind="requests",
                code="rate_limit_exceeded",
                retry_after_seconds=error.retry_after_seconds,
            ) from error

    def _known(self, model: str) -> str:
        if model in self.server.models:
            return model
        message = f"The model `{model[:100]}` does not exist or you do not have access to it."
        raise WireError(404, message, code="model_not_found")

    def _read_data(self) -> bytes:
        """The whole body, or an error that ends the connection: the rest would be read as a request."""
        length = self.headers.get("Content-Length") or ""
        if self.headers.get("Transfer-Encoding") or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise WireError(411, "A request needs a Content-Length.")
        if len(length) > 12 or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            raise WireError(413, f"The request body is larger than {MAX_BODY_BYTES} bytes.")
        data = self.rfile.read(int(length))
        if len(data) < int(length):
            self.close_connection = True
            raise WireError(400, "The request body ended early.")
        return data

    def _send_json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode("ascii")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def _send_events(self, events: Iterable[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            self._send_chunk(f"data: {json.dumps(event)}\n\n".encode("ascii"))
        self._send_chunk(b"data: [DONE]\n\n")
        self._send_chunk(b"")

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


class _Exchange:
    """Implements `Exchange` on a handler."""

    def __init__(self, handler: _Handler, body: bytes) -> None:
        self.method = handler.command
        self.path = handler.path
        self.headers: Mapping[str, str] = dict(handler.headers.items())
        self.body = body
        self._handler = handler

    @property
    def socket(self) -> socket.socket:
        connection: socket.socket = self._handler.connection
        return connection

    @cached_property
    def parsed(self) -> CompletionBody:
        return self._parse(self.body)

    def check(self) -> None:
        if self.method == "POST":
            _ = self.parsed

    def answer(self, body: bytes | None = None) -> dict[str, Any]:
        if self.method == "GET":
            return self._handler._models()
        return self._handler._completion(self.parsed if body is None else self._parse(body))

    def _parse(self, body: bytes) -> CompletionBody:
        parsed = read_body(body, self._handler.server.more_fields)
        self._handler._known(parsed.model)
        return parsed

    def send(
        self, status: int, data: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        fields = {"Content-Type": content_type, "Content-Length": str(len(data)), **(headers or {})}
        self.head(status, fields)
        self.write(data)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def write(self, data: bytes) -> None:
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def close_after(self) -> None:
        self._handler.close_connection = True

    def stream_twice(self) -> bool:
        if not self.parsed.stream:
            return False
        events = chunks(self.answer(), with_usage=False)
        self._handler._send_events(
            event for each in events for event in [each] * (2 if _has_text(each) else 1)
        )
        return True


def _has_text(event: dict[str, Any]) -> bool:
    return any(choice["delta"].get("content") for choice in event["choices"])


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode("utf-8", "replace"))
