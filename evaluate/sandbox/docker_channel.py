"""The attached streams of a container as one channel of bytes.

The engine sends blocks of an 8-byte header (stream, size) and a payload; stream 1 is the protocol, stream 2
holds only what Python itself says when the shim cannot even start.
"""

import contextlib
import socket
import ssl
import struct
from typing import Any

DIAGNOSTICS_BYTES = 2048
STDERR = 2


class DockerChannel:
    """Owns the SDK's attach socket; `close` it before the box is killed or removed."""

    def __init__(self, attached: Any) -> None:  # the SDK gives a SocketIO, or an SSLSocket over TLS
        self._attached = attached
        self._socket: socket.socket = getattr(attached, "_sock", attached)
        self._socket.setblocking(False)
        self._header = b""
        self._left = 0
        self._stream = 0
        self._diagnostics = b""

    @property
    def diagnostics(self) -> str:
        return self._diagnostics.decode("utf-8", "replace")

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return 0

    def receive(self) -> bytes | None:
        try:
            data = self._socket.recv(1 << 18)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except ConnectionResetError:
            return b""
        return self._demultiplex(data) or None if data else b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._attached._response.close()  # closes everything it was made of, in the order it likes
        self._socket.close()

    def _demultiplex(self, data: bytes) -> bytes:
        """The payload of the protocol's stream in `data`; blocks may begin and end anywhere."""
        protocol = []
        while data:
            if not self._left:
                missing = 8 - len(self._header)
                self._header, data = self._header + data[:missing], data[missing:]
                if len(self._header) < 8:
                    break
                self._stream, self._left = struct.unpack(">BxxxL", self._header)
                self._header = b""
            payload, data = data[: self._left], data[self._left :]
            self._left -= len(payload)
            if self._stream == STDERR:
                self._diagnostics = (self._diagnostics + payload)[-DIAGNOSTICS_BYTES:]
            else:
                protocol.append(payload)
        return b"".join(protocol)
