"""A port in front of the engine, which may weaken what boxes ask for, as some engines do in silence."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from studbook.sandbox.engine import find_address

Change = tuple[bytes, bytes]
"""Bytes and what to put in their place, just as long."""
SAME: Change = (b"", b"")


@contextlib.contextmanager
def engine_port(asked: Change = SAME, told: Change = SAME) -> Iterator[str]:
    """Yields a DOCKER_HOST. `asked` is changed in what the engine hears, `told` in what it answers."""
    path = find_address({}).url.removeprefix("unix://")
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        door = threading.Thread(target=_serve, args=(server, path, asked, told, threads))
        door.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        door.join()
    for thread in threads:
        thread.join()


def _serve(
    server: socket.socket, path: str, asked: Change, told: Change, threads: list[threading.Thread]
) -> None:
    while True:
        try:
            near = server.accept()[0]
        except OSError:  # the port is closed
            return
        threads.append(threading.Thread(target=_connect, args=(near, path, asked, told)))
        threads[-1].start()


def _connect(near: socket.socket, path: str, asked: Change, told: Change) -> None:
    with near, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as far:
        far.connect(path)
        back = threading.Thread(target=_carry, args=(far, near, told))
        back.start()
        _carry(near, far, asked)
        back.join()


def _carry(source: socket.socket, target: socket.socket, change: Change) -> None:
    old, new = change
    assert len(old) == len(new)
    held = b""
    try:
        while data := source.recv(65536):
            data = (held + data).replace(old, new) if old else data
            held = _beginning_of(old, data)
            target.sendall(data[: len(data) - len(held)])
    except OSError:
        pass  # one side went away first
    finally:
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def _beginning_of(old: bytes, data: bytes) -> bytes:
    """The end of `data` that may be the beginning of `old`."""
    lengths = range(min(len(old) - 1, len(data)), 0, -1)
    return next((old[:size] for size in lengths if data.endswith(old[:size])), b"")
