"""Where an engine is looked for is said when none answers, and is where the docker command would look."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from support.boxes import Recorder, job_of
from support.engine_port import engine_port

from studbook.errors import SandboxError
from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import Engine, find_address, without_credentials


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
    assert "DOCKER_CONTEXT is 'gone', and docker knows no such context" in text
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
