"""What an engine does not take ends a run at once, with the engine's words; what may pass is tried again."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import docker
import pytest
import requests
from docker.errors import APIError
from support.boxes import Recorder, job_of

from studbook.errors import BoxRefused, SandboxError
from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import Engine, engine_errors
from studbook.sandbox.image import choose_image

BRIEF = "def main(box): box.log('here')"
pytestmark = pytest.mark.docker


def test_a_box_that_an_engine_does_not_take_is_refused_at_once_with_its_words(docker_engine: None):
    with closing(DockerSandbox.connect(runtime="nonsense")) as sandbox:
        with pytest.raises(BoxRefused, match=r"(?i)unknown.* runtime.* nonsense") as refused:
            sandbox.run(job_of(BRIEF), Recorder({}))
        assert "trying again cannot help" in str(refused.value)
        assert "-s sandbox=process (resume and replay: --sandbox process)" in str(refused.value)
        assert "runtime nonsense" in sandbox.statement
        assert "runtime nonsense" in sandbox.fingerprint


class FailingEngine(Engine):
    """A living engine that answers some starts with a server error, as podman does to unknown options."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.says: list[str] = []

    def start(self, container: str) -> None:
        with engine_errors("starting a box"):
            if self.says and (said := self.says.pop(0)):
                answer = requests.Response()
                answer.status_code = 500
                raise APIError("500 Server Error", answer, said)
        super().start(container)


@pytest.fixture
def engine(docker_engine: None) -> Iterator[FailingEngine]:
    engine = FailingEngine(docker.from_env(version="auto").api)
    yield engine
    engine.close()


def ends(engine: FailingEngine, *says: str, seconds: float = 1.0) -> list[type[SandboxError] | BoxStatus]:
    """How so many boxes end one after the other, `seconds` apart; "" is a start that goes well."""
    began: list[None] = []
    sandbox = DockerSandbox(engine, choose_image(engine, None), clock=lambda: len(began) * seconds)
    sandbox.keeper.hold()
    engine.says = [*says]
    found: list[type[SandboxError] | BoxStatus] = []
    for _ in says:
        began.append(None)
        try:
            found.append(sandbox.run(job_of(BRIEF), Recorder({})).status)
        except SandboxError as error:
            found.append(type(error))
    sandbox.keeper.close()
    return found


NO_OPTION = ["container 4f1a09c2: no such option", "container 77b0d1ee: no such option"] * 2


def test_the_same_server_error_for_five_seconds_is_a_refusal_if_no_box_ever_started(engine: FailingEngine):
    assert ends(engine, *NO_OPTION, seconds=3.0) == [SandboxError, SandboxError, BoxRefused, BoxRefused]


def test_the_same_server_error_of_boxes_that_began_together_may_pass(engine: FailingEngine):
    expected = [SandboxError, SandboxError, SandboxError, SandboxError, BoxStatus.FINISHED]
    assert ends(engine, *NO_OPTION, "", seconds=1.0) == expected


def test_a_server_error_of_an_engine_that_has_started_boxes_may_pass(engine: FailingEngine):
    words = "cannot allocate memory"
    told = ends(engine, "", *[words] * 3, seconds=3.0)
    assert told == [BoxStatus.FINISHED, SandboxError, SandboxError, SandboxError]


def test_server_errors_in_other_words_are_no_refusal(engine: FailingEngine):
    assert ends(engine, "busy", "full", "") == [SandboxError, SandboxError, BoxStatus.FINISHED]
