"""The engine by value: where it is looked for, its streams cut anywhere, and the watch on its ends."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from docker.errors import APIError
from hypothesis import given, settings
from hypothesis import strategies as st
from support.boxes import Recorder, job_of
from support.engine_port import engine_port

from studbook.errors import SandboxError
from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import DockerChannel, Engine, EngineWatch, find_address, without_credentials


def refusal() -> str:
    with pytest.raises(SandboxError) as caught:
        Engine.connect()
    return str(caught.value)


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the docker command's own, without contexts."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def add_context(folder: Path, name: str, host: str) -> None:
    place = folder / "contexts" / "meta" / sha256(name.encode()).hexdigest()
    place.mkdir(parents=True)
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (place / "meta.json").write_text(json.dumps(meta))


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("unix:///nowhere/docker.sock", "unix:///nowhere/docker.sock (DOCKER_HOST): [Errno 2]"),
        (
            "tcp://127.0.0.1:9",
            "tcp://127.0.0.1:9 (DOCKER_HOST): [Errno 111] Connection refused; is the engine listening",
        ),
        ("ssh://somewhere", "forward the socket with ssh -nNT -L"),
        ("nonsense://x", "nonsense://x (DOCKER_HOST): Invalid bind address protocol"),
    ],
)
def test_an_error_names_the_address_and_who_gave_it(docker_config: Path, monkeypatch, host, told):
    monkeypatch.setenv("DOCKER_HOST", host)
    text = refusal()
    assert told in text
    assert "\n" not in text


def test_a_docker_context_is_followed_as_the_docker_command_does(docker_config: Path, monkeypatch):
    add_context(docker_config, "rootless", "unix:///nowhere/rootless.sock")
    assert find_address({}).url == "unix:///var/run/docker.sock"
    (docker_config / "config.json").write_text(json.dumps({"currentContext": "rootless"}))
    assert "unix:///nowhere/rootless.sock (docker context 'rootless'): [Errno 2]" in refusal()
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/else.sock")
    assert "unix:///nowhere/else.sock (DOCKER_HOST)" in refusal()


def test_a_context_chosen_by_the_environment_wins_over_the_current_one(docker_config: Path, monkeypatch):
    add_context(docker_config, "far", "tcp://127.0.0.1:9")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    assert "tcp://127.0.0.1:9 (docker context 'far')" in refusal()


def test_a_context_that_does_not_exist_is_no_reason_to_go_elsewhere(docker_config: Path, monkeypatch):
    """The SDK would take the usual socket without a word."""
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    text = refusal()
    assert "DOCKER_CONTEXT is 'gone', and no such docker context exists" in text
    assert "docker context use NAME" in text


def test_a_damaged_context_is_named(docker_config: Path):
    add_context(docker_config, "torn", "unix:///x")
    (docker_config / "contexts/meta" / sha256(b"torn").hexdigest() / "meta.json").write_text("{")
    (docker_config / "config.json").write_text(json.dumps({"currentContext": "torn"}))
    assert "context 'torn'" in refusal()


def test_no_password_of_an_address_is_repeated(docker_config: Path, monkeypatch):
    for host in ("tcp://me:hidden@127.0.0.1:9", "me:hidden@127.0.0.1:9"):
        monkeypatch.setenv("DOCKER_HOST", host)
        assert "hidden" not in refusal()
    assert without_credentials("http://me:hidden@host/x") == "http://****@host/x"


@pytest.mark.docker
def test_an_engine_behind_a_port_is_used_like_any_other(docker_engine: None, monkeypatch):
    """DOCKER_HOST=tcp://: a port in front of the engine's socket."""
    with engine_port() as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        sandbox = DockerSandbox.connect()
        outcome = sandbox.run(job_of("def main(box): pass"), Recorder())
        sandbox.close()
    assert outcome.status is BoxStatus.FINISHED


BLOCKS = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=30)), max_size=8)


class Response:
    """What the SDK keeps beside an attached socket."""

    def close(self) -> None:
        pass


class Attached:
    """An attached socket as the SDK gives it: a wrapper around the real one."""

    def __init__(self, real: socket.socket) -> None:
        self._sock = real
        self._response = Response()


@settings(deadline=None)  # the machine may be busy
@given(BLOCKS, st.integers(1, 40))
def test_the_streams_are_told_apart_however_the_blocks_are_cut(blocks: list[tuple[int, bytes]], cut: int):
    ours, theirs = socket.socketpair()
    channel = DockerChannel(Attached(ours))
    with theirs:
        data = b"".join(struct.pack(">BxxxL", stream, len(payload)) + payload for stream, payload in blocks)
        found = b""
        for at in range(0, len(data), cut):
            theirs.sendall(data[at : at + cut])
            found += channel.receive() or b""
        assert channel.receive() is None
        theirs.shutdown(socket.SHUT_WR)
        assert channel.receive() == b""
        channel.close()
    assert found == b"".join(payload for stream, payload in blocks if stream == 1)
    assert channel.diagnostics.encode("utf-8", "replace").count(b"\xff") == 0


class Events:
    """The SDK's events: a stream without any, until `end` or `close`. `away` and `refused` are raised."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self._ended = threading.Event()
        self.asked = 0

    def __call__(self, *, filters: object) -> "Events":
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        self._ended.clear()
        return self

    def __iter__(self) -> Iterator[object]:
        self._ended.wait()
        return iter(())

    def close(self) -> None:
        self._ended.set()

    end = close


def refused(status: int) -> APIError:
    return APIError("no", response=SimpleNamespace(status_code=status, reason="no", url="-"))


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def watch(events: Events) -> Iterator[EngineWatch]:
    before = threading.enumerate()
    watch = EngineWatch(events)
    yield watch
    watch.close()
    assert set(threading.enumerate()) <= set(before), "the watch did not end its thread"


def test_an_end_is_heard_of_and_only_by_those_who_looked_before(watch, events):
    before = watch.look()
    assert not watch.has_ended_since(before, 0.01)
    events.end()
    assert watch.has_ended_since(before, 5)
    after = watch.look()
    assert after == before + 1
    assert not watch.has_ended_since(after, 0.01)


def test_an_engine_that_is_away_is_waited_for(watch, events):
    events.failures = [ConnectionRefusedError("away"), refused(503)]
    assert watch.look() == 0
    assert events.asked == 3


def test_where_nobody_tells_nothing_is_known(watch, events):
    events.failures = [refused(403)]
    assert watch.look() == watch.look() == 0
    assert not watch.has_ended_since(0, 0.01)
    assert events.asked == 1


def test_one_that_never_looked_needs_no_thread_and_closes(events):
    EngineWatch(events).close()
    assert events.asked == 0


class Importer:
    """An SDK's client that answers an import with `said`."""

    def __init__(self, said: str) -> None:
        self.said, self.tags = said, list[str]()

    def events(self, filters: object) -> Iterator[object]:
        return iter(())

    def import_image(self, **_: object) -> str:
        return self.said

    def tag(self, image: str, repository: str, tag: str) -> None:
        self.tags.append(f"{image} {repository}:{tag}")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('{"error": "no space left on device"}', "no space left on device"),
        ('{"status": "Importing"}\n{"error": "bad tar"}\n', "bad tar"),
        ('{"status": null}', '{"status": null}'),
        ("<html>proxy</html>", "<html>proxy</html>"),
        ("[]", "[]"),
        (" \n", "the engine answered nothing"),
    ],
)
def test_an_import_that_gives_no_image_says_what_the_engine_answered(said: str, told: str):
    client = Importer(said)
    with pytest.raises(SandboxError, match="Docker, importing mine:1: ") as caught:
        Engine(client).import_image(Path("tar"), "mine:1", [])
    assert told in str(caught.value)
    assert client.tags == []


def test_an_imported_image_gets_its_name():
    client = Importer('{"status": "Downloading"}\n{"status": "sha256:d"}\n')
    Engine(client).import_image(Path("tar"), "mine:1", [])
    assert client.tags == ["sha256:d mine:1"]
