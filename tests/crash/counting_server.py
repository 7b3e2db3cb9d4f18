"""The testbed as a model server in a process of its own, which writes down every call that reaches it.

A line of the log is the key the call has in a run's calls.sqlite: so whoever reads both knows what was paid
for, what was recorded, and what was paid twice. Delays, when asked for, hang on the call and on a salt alone.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studbook.llm.contracts import ChatReply, ChatRequest
from studbook.llm.records import record_key
from studbook.testbed.models.backend import MODELS, PREFIX, TestbedBackend
from studbook.testbed.models.unkind import UnkindBackend, split_model, unkind_models
from studbook.testbed.server.server import BackendServer

SALT_FILE = "salt"
ROOT = Path(__file__).resolve().parents[2]


class CountingBackend:
    """Remembers its replies: the same call has the same reply, and the tests need many of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = os.open(folder / "calls.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._replies: dict[str, ChatReply] = {}
        self._inner = UnkindBackend(TestbedBackend())
        self._lock = threading.Lock()

    def complete(self, request: ChatRequest) -> ChatReply:
        role = split_model(request.model)[1].removeprefix(PREFIX).replace("-", "_")
        key = record_key(role, request)
        os.write(self._log, f"{key}\n".encode())
        self._delay(key)
        if key not in self._replies:
            reply = self._inner.complete(request)
            with self._lock:
                self._replies[key] = reply
        return self._replies[key]

    def _delay(self, key: str) -> None:
        """`salt` holds a word and the longest delay in seconds; without it there is none."""
        try:
            salt, longest = (self._folder / SALT_FILE).read_text().split()
        except FileNotFoundError:
            return
        time.sleep(random.Random(key + salt).random() * float(longest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """The controller's view of a server that runs."""

    base_url: str
    folder: Path

    @property
    def size(self) -> int:
        """Where the log ends now."""
        return (self.folder / "calls.log").stat().st_size

    def since(self, start: int, end: int | None = None) -> list[str]:
        with (self.folder / "calls.log").open("rb") as log:
            log.seek(start)
            data = log.read() if end is None else log.read(end - start)
        return data.decode("ascii").splitlines()

    @contextmanager
    def delays(self, salt: str, longest_seconds: float) -> Iterator[None]:
        path = self.folder / SALT_FILE
        path.write_text(f"{salt} {longest_seconds}")
        try:
            yield
        finally:
            path.unlink()


@contextmanager
def counting_server(folder: Path) -> Iterator[Counter]:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "crash.counting_server", str(folder)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        yield Counter(base_url=server.stdout.readline().strip(), folder=folder)
    finally:
        server.stdin.close()  # it ends with its stdin, also when this process is killed
        server.wait(timeout=30)
        server.stdout.close()


def main() -> None:
    models = (*MODELS, *unkind_models())
    with BackendServer(CountingBackend(Path(sys.argv[1])), models=models) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
