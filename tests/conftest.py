"""Fixtures every suite shares: the Docker engine (never silently absent in CI) and a closed network."""

import os
import signal
import socket
from collections.abc import Iterator

import pytest
from hypothesis import settings
from support.engines import engine_answers

pytest_plugins = ["support.attack_plugin"]  # here, because with test processes only this file is always read

# Behind a `&` it is ignored, by us and by all that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Examples that write files or share two cores with other suites take what they take.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Skips without an engine; fails instead when STUDBOOK_REQUIRE_DOCKER=1."""
    if engine_answers():
        return
    if os.environ.get("STUDBOOK_REQUIRE_DOCKER") == "1":
        pytest.fail("STUDBOOK_REQUIRE_DOCKER=1 and no Docker engine answers")
    pytest.skip("no Docker engine answers")


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
