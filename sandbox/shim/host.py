"""The shim's end of the protocol: JSON lines on stdin and stdout, and a clean end when the host is gone."""

# Importing pathlib would cost every box 10 ms.
# ruff: noqa: PTH103, PTH112, PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

import binascii
import contextlib
import json
import os
import signal
from typing import Any, NoReturn


class Host:
    """Speaks with the host. A host that went away ends the box at once."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self.harness_pid = 0

    def read_lines(self) -> list[dict[str, Any]]:
        """Whole lines that have arrived; blocks for the first byte."""
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
        """Exit, taking everything below along: the kernel does it for PID 1, otherwise it is done by hand."""
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
    """Raises ValueError for numbers JSON does not know and for lone surrogates."""
    return json.dumps(frame, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode("utf-8")


def receive_job(host: Host) -> tuple[str, dict[str, Any]]:
    """Write the harness's files; returns their folder and what the start frame says."""
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
    """Direct children; orphans count, as the shim is the subreaper of all that is below it."""
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
    """Wait for one child to end; False when there is none left."""
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        return False
    return True
