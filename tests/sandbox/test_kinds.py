"""Which sandbox one gets, and what one is told without an engine."""

import pytest

from studbook.errors import UsageError
from studbook.sandbox.contract import WHY_NOT_DOCKER
from studbook.sandbox.kinds import auto, docker

NOWHERE = "unix:///nonexistent/docker.sock"


def test_docker_without_an_engine_says_what_to_do_and_names_the_flag(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    with pytest.raises(UsageError) as caught:
        docker.plugin()
    assert "-s sandbox=process" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


def test_auto_without_an_engine_is_the_process_sandbox_and_says_why(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    sandbox = auto.plugin()
    assert sandbox.name == "process"
    assert "it does not isolate untrusted code (no Docker: " in sandbox.statement
    assert NOWHERE in sandbox.statement
    assert NOWHERE in sandbox.identity[WHY_NOT_DOCKER]


def test_a_runtime_that_was_named_is_never_replaced_by_child_processes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    with pytest.raises(UsageError, match="Start Docker"):
        auto.plugin(runtime="runsc")


@pytest.mark.docker
def test_auto_is_docker_when_an_engine_answers(docker_engine: None):
    sandbox = auto.plugin()
    sandbox.close()
    assert sandbox.name == "docker"
    assert sandbox.isolates_untrusted_code
