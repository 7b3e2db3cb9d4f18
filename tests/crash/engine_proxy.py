"""A port in front of the engine that can go away and come back, as an engine that is started again does.

A process of its own: it prints its DOCKER_HOST, then takes `down`, `up` and `cut` (what is open ends, and it
stays up) on its stdin, and ends with it. Needs no root, and leaves the engine alone; see
`support/own_engine.py` for one that is really started again.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studbook.sandbox.engine import find_address

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class EngineProxy:
    """The controller's side."""

    address: str
    process: "subprocess.Popen[str]"

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == word


@contextmanager
def engine_proxy() -> Iterator[EngineProxy]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "crash.engine_proxy"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield EngineProxy(process.stdout.readline().strip(), process)
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


class _Port:
    def __init__(self, path: str) -> None:
        self._path = path
        self._is_up = True
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def serve(self, server: socket.socket) -> None:
        while True:
            near = server.accept()[0]
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def obey(self, word: str) -> None:
        with self._lock:
            self._is_up = word != "down"
            for each in self._open if word != "up" else ():
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _connect(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with near, far:
            with self._lock:
                if not self._is_up:
                    return
                far.connect(self._path)
                self._open |= {near, far}
            back = threading.Thread(target=_carry, args=(far, near), daemon=True)
            back.start()
            _carry(near, far)
            back.join()
            with self._lock:
                self._open -= {near, far}


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def main() -> None:
    port = _Port(find_address(os.environ).url.removeprefix("unix://"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=port.serve, args=(server,), daemon=True).start()
        _say(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        for line in sys.stdin:
            port.obey(line.strip())
            _say(line.strip())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
