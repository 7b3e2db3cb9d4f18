"""A real engine, really stopped, killed and started again under a box: the box is lost, never a verdict."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import docker
import pytest
import requests
from crash.engine_proxy import engine_proxy
from support.boxes import job_of
from support.own_engine import OwnEngine, freezing, obstacle, own_engine

from studbook.errors import SandboxError
from studbook.sandbox.contract import BoxStatus, Frame
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import Engine
from studbook.sandbox.image import choose_image
from studbook.sandbox.owner import OWNER_LABEL

PATIENT = "import time\ndef main(box):\n    box.log('here')\n    time.sleep(1000)\n"
KILLED = "a box was killed from outside"
LOST = "the engine lost a box: the engine restarted or the connection broke"
BRIEF = "def main(box):\n    box.log('here')\n"


@pytest.fixture(scope="module")
def may_start_engines() -> None:
    if why := obstacle():
        if os.environ.get("STUDBOOK_REQUIRE_DOCKER") == "1":
            pytest.fail(f"STUDBOOK_REQUIRE_DOCKER=1 and no engine of our own: {why}")
        pytest.skip(f"no engine of our own: {why}")


@pytest.fixture(scope="module")
def plain_engine(may_start_engines: None) -> Iterator[OwnEngine]:
    """Its socket is kept, as systemd does: who asks while it is away waits, and is answered by the next."""
    with own_engine(keeps_socket=True) as engine:
        yield engine


@pytest.fixture
def engine(plain_engine: OwnEngine, monkeypatch: pytest.MonkeyPatch) -> OwnEngine:
    monkeypatch.setenv("DOCKER_HOST", plain_engine.address)
    return plain_engine


def sandbox_here() -> DockerSandbox:
    """The engine that DOCKER_HOST names, with a clock that makes the waits for a slow one short."""
    engine = Engine.connect()
    return DockerSandbox(engine, choose_image(engine, None), clock=lambda: 5 * time.monotonic())


def boxes_left() -> list[str]:
    engine = Engine.connect()
    try:
        return [*engine.labelled(OWNER_LABEL)]
    finally:
        engine.close()


def why_lost(sandbox: DockerSandbox, engine: OwnEngine, how: str) -> str:
    """What the host is told of a box whose engine is ended so, and at once started again."""

    def restarter(_kind: str, _body: Frame) -> Frame:
        engine.say(how)
        engine.say("start")
        return {}

    with pytest.raises(SandboxError) as lost:
        sandbox.run(job_of(PATIENT), restarter)
    return str(lost.value)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("stop", {KILLED, LOST}),  # told to end, it ends boxes first, and may be gone before that is heard
        ("kill", {LOST}),
        ("crash", {LOST}),
    ],
)
def test_a_box_whose_engine_is_started_again_is_lost_and_never_a_verdict(engine, how, told):
    with closing(sandbox_here()) as sandbox:
        assert why_lost(sandbox, engine, how) in told
        assert sandbox.run(job_of(BRIEF), lambda *_: {}).status is BoxStatus.FINISHED
    assert boxes_left() == []


@pytest.mark.docker
def test_an_engine_that_stays_frozen_is_told_and_never_a_verdict(engine, monkeypatch):
    monkeypatch.setattr("studbook.sandbox.heartbeat.SILENCE_SECONDS", 3.0)
    with closing(sandbox_here()) as sandbox:
        with pytest.raises(SandboxError, match="the engine of a box has not answered for 3 seconds"):
            sandbox.run(job_of(PATIENT, wall_seconds=1), freezing(engine, 12.0))
        assert sandbox.run(job_of(BRIEF), lambda *_: {}).status is BoxStatus.FINISHED
    assert boxes_left() == []


@pytest.mark.docker
def test_a_box_that_is_paused_from_outside_is_lost_and_never_a_verdict(engine):
    client = docker.APIClient(base_url=engine.address, version="auto")

    def pause(_kind: str, _body: Frame) -> Frame:
        (box,) = client.containers(filters={"label": OWNER_LABEL})
        threading.Timer(0.2, client.pause, [box["Id"]]).start()
        return {}

    with (
        closing(client),
        closing(sandbox_here()) as sandbox,
        pytest.raises(SandboxError, match="a box was paused from outside"),
    ):
        sandbox.run(job_of(PATIENT, wall_seconds=1), pause)
    assert boxes_left() == []


@pytest.mark.docker
def test_a_box_that_goes_on_without_its_engine_is_lost_and_never_a_verdict(may_start_engines, monkeypatch):
    with own_engine("--live-restore", keeps_socket=True) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        with closing(sandbox_here()) as sandbox:
            assert why_lost(sandbox, engine, "kill") == LOST
        assert boxes_left() == []


@pytest.mark.docker
def test_a_box_whose_connection_is_cut_is_lost_and_never_a_verdict(engine, monkeypatch):
    with engine_proxy() as proxy:
        monkeypatch.setenv("DOCKER_HOST", proxy.address)

        def cutter(_kind: str, _body: Frame) -> Frame:
            proxy.say("cut")
            return {}

        with closing(sandbox_here()) as sandbox, pytest.raises(SandboxError):
            sandbox.run(job_of(PATIENT), cutter)  # the connection of the next question may be cut as well
        assert boxes_left() == []


class Unreachable(docker.APIClient):
    """The engine hears how a box is made and is then away, or is away when it is to be removed."""

    away_when = ""

    def create_container_from_config(self, *arguments: Any) -> Any:
        made = super().create_container_from_config(*arguments)
        self._fail_when("made")
        return made

    def remove_container(self, *arguments: Any, **options: Any) -> None:
        self._fail_when("removed")
        super().remove_container(*arguments, **options)

    def _fail_when(self, moment: str) -> None:
        if self.away_when == moment:
            raise requests.ConnectionError("Connection aborted")


@pytest.fixture
def client(engine: OwnEngine) -> Unreachable:
    return Unreachable(base_url=engine.address, version="auto")


@pytest.mark.docker
def test_a_finished_box_counts_although_its_engine_is_away_and_is_removed_when_it_is_back(client):
    with closing(DockerSandbox.on(Engine(client))) as sandbox:
        client.away_when = "removed"
        assert sandbox.run(job_of(BRIEF), lambda *_: {}).status is BoxStatus.FINISHED
        assert len(boxes_left()) == 1
        client.away_when = ""
        assert sandbox.run(job_of(BRIEF), lambda *_: {}).status is BoxStatus.FINISHED
    assert boxes_left() == []


@pytest.mark.docker
def test_a_box_that_was_made_by_an_engine_that_could_not_say_so_is_removed(client):
    with closing(DockerSandbox.on(Engine(client))) as sandbox:
        client.away_when = "made"
        with pytest.raises(SandboxError, match="Docker, creating a box: Connection aborted"):
            sandbox.run(job_of(BRIEF), lambda *_: {})
        assert len(boxes_left()) == 1
    assert boxes_left() == []
