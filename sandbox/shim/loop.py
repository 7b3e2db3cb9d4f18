"""The shim's loop: transports bytes between the host and the harness until the harness ends.

`Host` speaks the protocol (JSON lines on stdin and stdout) and ends the box cleanly when the host is gone.
"""

# Importing pathlib would cost every box 10 ms.
# ruff: noqa: PTH103, PTH112, PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

import binascii
import contextlib
import json
import os
import selectors
import signal
import socket
import sys
from typing import Any, NoReturn

from studbook.sandbox.shim.endpoint import Connection, Refused, Request
from studbook.sandbox.shim.harness import Harness, fork_harness
from studbook.sandbox.shim.protection import protect_self


class Host:
    """The connection to the host. If the host is gone, the box ends at once."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self.harness_pid = 0

    def read_lines(self) -> list[dict[str, Any]]:
        """The complete lines that have arrived; blocks until there is data."""
        data = os.read(0, 1 << 20)
        if not data:
            self.end_box()
        self._pending += data
        if b"\n" not in data:
            return []
        *lines, rest = self._pending.split(b"\n")
        self._pending = rest
        return [json.loads(bytes(line)) for line in lines]

    def send(self, **frame: Any) -> None:
        self.send_line(encode(frame))

    def send_line(self, line: bytes) -> None:
        """Write one line, waiting while the host does not read."""
        data = memoryview(line + b"\n")
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError:
            self.end_box()

    def end_box(self) -> NoReturn:
        """Exit and end all descendants: the kernel does that for PID 1, otherwise this function does."""
        if os.getpid() != 1:
            if self.harness_pid:
                with contextlib.suppress(OSError):
                    os.killpg(self.harness_pid, signal.SIGKILL)
            for _ in range(100):
                for pid in children():
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                if not reap():
                    break
        os._exit(0)


def encode(frame: dict[str, Any]) -> bytes:
    """Raises ValueError for NaN, infinities and lone surrogates."""
    return json.dumps(frame, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode("utf-8")


def receive_job(host: Host) -> tuple[str, dict[str, Any]]:
    """Write the harness's files; returns their folder and the contents of the start frame."""
    folder = ""
    while True:
        for frame in host.read_lines():
            if "folder" in frame:
                folder = os.path.join(frame["folder"], "harness")
                os.makedirs(folder)
            elif "file" in frame:
                write_file(os.path.join(folder, frame["file"]), binascii.a2b_base64(frame["data"]))
            else:
                return folder, frame["start"]


def write_file(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def children() -> list[int]:
    """The direct children, including orphans, because the shim is the subreaper of its descendants."""
    found: list[int] = []
    if not has_children() or not os.path.isdir("/proc"):
        return found
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open("/proc/" + name + "/stat", "rb") as file:
                if int(file.read().rpartition(b")")[2].split()[1]) == os.getpid():
                    found.append(int(name))
    return found


def has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def reap() -> bool:
    """Wait for one child to end; False when there are none left."""
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        return False
    return True


MAX_CONNECTIONS = 48
OUTPUT_HEAD_BYTES = 8 * 1024  # start of stdout and stderr: sent at once, in case the box is killed
OUTPUT_TAIL_BYTES = 4 * 1024  # end of the output: sent when the harness ends
RESULT_BYTES = 8 * 1024


class Loop:
    def __init__(
        self, host: Host, listener: socket.socket, token: str, start: dict[str, Any], harness: Harness
    ) -> None:
        self.token, self.max_body = token, start["frame_bytes"]
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self._host, self._listener, self._harness = host, listener, harness
        self._max_output = start["output_bytes"]
        self._waiting: dict[int, Connection] = {}
        self._connections = self._last_id = self._output_seen = 0
        self._output_tail = b""
        self._status: int | None = None
        self._watch_children()
        self.selector.register(0, selectors.EVENT_READ, self._on_host)
        self.selector.register(harness.output, selectors.EVENT_READ, self._on_output)
        self.selector.register(listener, selectors.EVENT_READ, self._on_connect)

    def run(self) -> NoReturn:
        while self._status is None:
            for key, events in self.selector.select():
                key.data(key.fileobj, events)
        while self._read_output():
            pass
        self._send_end(self._status)

    def forward(self, connection: Connection, request: Request) -> None:
        """Send a request to the host; raises Refused for a form for which the host would end the box."""
        frame = {"kind": "request", "id": self._last_id + 1, "request": request.kind, "body": request.body}
        try:
            line = encode(frame)
        except (ValueError, RecursionError):
            raise Refused(400, "only finite numbers and whole characters") from None
        if len(line) > self.max_body:
            raise Refused(413, "request too large")
        self._last_id += 1
        self._waiting[self._last_id] = connection
        self._host.send_line(line)

    def forget(self, _connection: Connection) -> None:
        self._connections -= 1
        if self._connections == MAX_CONNECTIONS - 1:
            self.selector.register(self._listener, selectors.EVENT_READ, self._on_connect)

    def _watch_children(self) -> None:
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self._wake, selectors.EVENT_READ, self._on_child)

    def _on_child(self, source: int, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(source, 4096)
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(-1, os.WNOHANG)
            while pid:
                if pid == self._harness.pid:
                    self._status = status
                pid, status = os.waitpid(-1, os.WNOHANG)

    def _on_host(self, _source: int, _events: int) -> None:
        for frame in self._host.read_lines():
            connection = self._waiting.pop(frame["id"], None)
            if connection is not None:
                connection.answer(200, frame["reply"])

    def _on_connect(self, listener: socket.socket, _events: int) -> None:
        with contextlib.suppress(OSError):
            Connection(self, listener.accept()[0])
            self._connections += 1
        if self._connections >= MAX_CONNECTIONS:
            self.selector.unregister(listener)

    def _on_output(self, source: int, _events: int) -> None:
        if not self._read_output():
            self.selector.unregister(source)

    def _read_output(self) -> bool:
        """Read and store output of the harness; False when there is none left to read."""
        try:
            data = os.read(self._harness.output, 65536)
        except BlockingIOError:
            return False
        head = data[: max(0, OUTPUT_HEAD_BYTES - self._output_seen)]
        if head:
            self._send_output(head)
        self._output_seen += len(data)
        self._output_tail = (self._output_tail + data)[-OUTPUT_TAIL_BYTES:]
        if self._output_seen > self._max_output:
            self._end("flooded", "", "")
        return bool(data)

    def _send_output(self, data: bytes) -> None:
        self._host.send(kind="output", text=data.decode("utf-8", "replace"))

    def _send_end(self, status: int) -> NoReturn:
        if os.WIFSIGNALED(status):
            self._end("killed", "", str(os.WTERMSIG(status)))
        result = b""
        with contextlib.suppress(BlockingIOError):
            result = os.read(self._harness.result, RESULT_BYTES)
        try:
            how, name, message = json.loads(result)
        except (ValueError, TypeError, RecursionError):
            how, name, message = "exited", "", str(os.WEXITSTATUS(status))
        self._end("returned" if how == "returned" else str(how), str(name), str(message))

    def _end(self, how: str, name: str, message: str) -> NoReturn:
        if self._output_seen > OUTPUT_HEAD_BYTES:
            self._send_output(self._output_tail)
        self._host.send(kind="end", how=how, type=whole(name), message=whole(message))
        self._host.end_box()


def whole(text: str) -> str:
    """Replace lone surrogates, which an exception's message may contain."""
    return text.encode("utf-8", "replace").decode("utf-8")


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings = protect_self()
    host = Host()
    folder, start = receive_job(host)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.setblocking(False)
    token = os.urandom(8).hex()
    harness = fork_harness(folder, start, listener.getsockname()[1], token)
    host.harness_pid = harness.pid
    loop = Loop(host, listener, token, start, harness)
    host.send(kind="ready", python=".".join(map(str, sys.version_info[:3])), warnings=warnings)
    os.write(harness.go, b"1")
    os.close(harness.go)
    loop.run()
