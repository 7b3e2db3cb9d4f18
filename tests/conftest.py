"""Fixtures every suite shares.

The Docker engine and bubblewrap (never silently absent in CI), a closed network, and a check that a test
module ends the threads it started.
"""

import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings
from support.engines import engine_answers

from studbook.sandbox.bubblewrap import PythonCopy, find_bubblewrap

# The secret that marks runs as this user's: one for all test processes, and not the user's real one.
STATE = "" if "PYTEST_XDIST_WORKER" in os.environ else tempfile.mkdtemp(prefix="studbook-tests-")
"""Empty in test processes, and in a pytest that a test starts: they use what the first one made."""
os.environ["XDG_STATE_HOME"] = STATE or os.environ["XDG_STATE_HOME"]

pytest_plugins = ["support.attack_plugin"]  # here, because with test processes only this file is always read

# Behind a `&` it is ignored, by us and by all that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Examples that write files or share two cores with other suites take what they take.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

THREAD_SECONDS = 5.0
"""How long a thread that has been told to end may take."""


def pytest_unconfigure(config: pytest.Config) -> None:
    if STATE:
        shutil.rmtree(STATE, ignore_errors=True)


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Skips without an engine; fails instead when STUDBOOK_REQUIRE_DOCKER=1."""
    if engine_answers():
        return
    if os.environ.get("STUDBOOK_REQUIRE_DOCKER") == "1":
        pytest.fail("STUDBOOK_REQUIRE_DOCKER=1 and no Docker engine answers")
    pytest.skip("no Docker engine answers")


@pytest.fixture(scope="session")
def bubblewrap() -> str:
    """The program. Skips without one that works; fails instead when STUDBOOK_REQUIRE_BUBBLEWRAP=1."""
    program = find_bubblewrap()
    if program is not None:
        return program
    if os.environ.get("STUDBOOK_REQUIRE_BUBBLEWRAP") == "1":
        pytest.fail("STUDBOOK_REQUIRE_BUBBLEWRAP=1 and bubblewrap is missing or does not work here")
    pytest.skip("bubblewrap is missing or does not work here")


@pytest.fixture(scope="session")
def python_copy() -> Iterator[PythonCopy]:
    """The root of boxes behind bubblewrap, made once."""
    copy = PythonCopy()
    yield copy
    copy.close()


@pytest.fixture(scope="module", autouse=True)
def no_thread_survives() -> Iterator[None]:
    """A module ends what it started: a watch or a server left open would disturb the module after it."""
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + THREAD_SECONDS
    while left := [thread for thread in threading.enumerate() if thread not in before]:
        if time.monotonic() > until:
            pytest.fail(f"threads that this module started and did not end: {left}")
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests talk to this machine and to nobody else."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in {"127.0.0.1", "::1", "localhost"}:
            raise OSError(f"tests may not connect to {host}")
        connect(self, address)  # type: ignore[arg-type]  # whatever the caller gave

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
