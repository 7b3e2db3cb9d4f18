"""Listens between Studbook and its sandboxes: every byte to and from a box, and what a box is started with.

Docker is listened to at the engine's socket (`EngineTap` is a socket of its own that DOCKER_HOST names), the
process sandbox at its bubblewrap (`write_bwrap_tap` is a program in front of the real one). Neither changes
anything.
"""

import contextlib
import os
import shutil
import socket
import stat
import sys
import threading
from pathlib import Path
from types import TracebackType

ENGINE_SOCKET = "/var/run/docker.sock"


def engine_socket() -> str | None:
    """The engine's socket on this machine; None when it is spoken to in another way."""
    host = os.environ.get("DOCKER_HOST", f"unix://{ENGINE_SOCKET}")
    return host.removeprefix("unix://") if host.startswith("unix://") else None


class EngineTap:
    """Hands every connection through to the engine; `heard` is all that went either way."""

    def __init__(self, path: Path, engine: str) -> None:
        self.address = f"unix://{path}"
        self._engine = engine
        self._parts: list[bytearray] = []
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def heard(self) -> bytes:
        with self._lock:
            return b"\n".join(map(bytes, self._parts))

    def __enter__(self) -> "EngineTap":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(self._engine)
        with client, engine:
            back = threading.Thread(target=self._pump, args=(engine, client), daemon=True)
            back.start()
            self._pump(client, engine)
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        said = bytearray()
        with self._lock:
            self._parts.append(said)
        with contextlib.suppress(OSError):  # one side went away, as boxes do
            while data := source.recv(1 << 16):
                with self._lock:
                    said += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


BWRAP_TAP = """\
#!{python} -IS
import json, os, socket, subprocess, sys, tempfile, threading
fd, name = tempfile.mkstemp(dir={folder!r})
with open("/proc/self/environ", "rb") as file:
    os.write(fd, file.read() + b"\\n" + json.dumps(sys.argv).encode() + b"\\n")
if os.fstat(0).st_mode & 0o170000 != 0o140000:  # no socket: somebody only tries it out
    os.execv({bwrap!r}, sys.argv)

def pump(source, target):
    try:
        while data := source.recv(1 << 16):
            os.write(fd, data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass

outer = socket.socket(fileno=0)
inner, theirs = socket.socketpair()
child = subprocess.Popen([{bwrap!r}, *sys.argv[1:]], stdin=theirs, stdout=theirs)
theirs.close()
os.close(1)
threading.Thread(target=pump, args=(outer, inner), daemon=True).start()
pump(inner, outer)
os._exit(child.wait())
"""


def write_bwrap_tap(folder: Path, heard: Path) -> None:
    """A `bwrap` in `folder`, to be put first on the PATH, that writes all it hears into `heard`."""
    real = shutil.which("bwrap")
    assert real is not None, "ask for the fixture `bubblewrap`"
    heard.mkdir()
    program = folder / "bwrap"
    program.write_text(
        BWRAP_TAP.format(python=Path(sys.executable).resolve(), folder=str(heard), bwrap=real),
        encoding="utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
