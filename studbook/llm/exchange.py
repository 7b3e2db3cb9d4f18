"""One request to a model server in the hands of someone who may spoil its answer.

The seam between `serve.py` and a server that fails on purpose: it offers the answer as it should be, and the
raw connection.
"""

import socket
from collections.abc import Mapping
from typing import Any, Protocol


class Exchange(Protocol):
    """Whoever takes it over writes the answer; nobody else will."""

    @property
    def socket(self) -> socket.socket: ...

    def completion(self) -> dict[str, Any]:
        """The body of the right answer, not streamed."""
        ...

    def send(
        self, status: int, data: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """A whole answer."""
        ...

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """The beginning of an answer; its body is to be written."""
        ...

    def write(self, data: bytes) -> None:
        """At once."""
        ...

    def close_after(self) -> None:
        """The connection ends with this exchange."""
        ...

    def stream_twice(self) -> bool:
        """Streams the right answer with every chunk of text doubled; False when no stream was asked for."""
        ...


class Meddler(Protocol):
    """Thread-safe."""

    def meddle(self, body: bytes, exchange: Exchange) -> bool:
        """True when it has answered; False leaves the exchange as it was."""
        ...
