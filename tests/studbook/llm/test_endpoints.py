"""Endpoints: whose answer it is, and one tiny call that tells whether there is any."""

import socket
from contextlib import closing

import pytest

from studbook.errors import ModelRejected
from studbook.llm.contracts import ChatReply, RoleModel, Usage
from studbook.llm.endpoints import ProbeResult, is_same_model, probe
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.secrets import Secret
from studbook.testbed.scripted import ComputedBackend, ScriptedBackend
from studbook.testbed.server.server import BackendServer


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-x", "gpt-x-2026-01-31"),
        ("gpt-x", "gpt-x-0613"),
        ("sonnet-latest", "sonnet-20261022"),
        ("owner/small", "small"),
        ("small", "/models/owner/Small"),
        ("small", ""),
        ("small:latest", "small"),
        ("flash", "flash-001"),
    ],
)
def test_dates_owners_and_case_make_no_other_model(asked: str, answered: str) -> None:
    assert is_same_model(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("gpt-x", "gpt-x-mini"), ("large-70b", "large-8b"), ("small", "tiny"), ("gpt-5", "gpt-4")],
)
def test_another_size_or_generation_is_another_model(asked: str, answered: str) -> None:
    assert not is_same_model(asked, answered)


WEAK = RoleModel(endpoint="main", model="small")


def test_a_model_that_answers_is_healthy_and_what_it_used_is_told() -> None:
    reply = ChatReply(text="4.", usage=Usage(prompt_tokens=12, completion_tokens=2))
    found = probe("weak", WEAK, ScriptedBackend([reply]))
    assert (found.is_healthy, found.text) == (True, "small answers (12 + 2 tokens)")


def test_a_model_that_thinks_aloud_is_healthy_and_said_to() -> None:
    reply = ChatReply(text="Let me add.\n</think>\n\n4.", usage=Usage(prompt_tokens=12, completion_tokens=9))
    found = probe("weak", WEAK, ScriptedBackend([reply]))
    assert found.is_healthy
    assert found.text.endswith("it thinks aloud, and its thoughts are removed from every reply")


def test_a_model_that_only_thinks_is_not_healthy() -> None:
    reply = ChatReply(text="<think>Let me", usage=Usage(prompt_tokens=12, completion_tokens=9))
    assert not probe("weak", WEAK, ScriptedBackend([reply])).is_healthy


def test_the_probe_is_one_small_call() -> None:
    backend = ScriptedBackend(["4", "5"])
    probe("weak", WEAK, backend)
    assert [request.max_tokens for request in backend.requests] == [512]


@pytest.mark.parametrize(
    ("line", "first", "last"),
    [
        (ChatReply(text=" ", usage=Usage(), finish_reason="length"), "empty text", "raise max_tokens"),
        ("\x00\x01\x02\x03\x04", "garbage", "chat template"),
        ("\ufffd\ufffd is 4", "garbage", "chat template"),
        ("a readable answer with \x1b[31m an escape in it", "garbage", "chat template"),
        (ModelRejected("wrong key\nendpoint\nset it"), "wrong key", "set it"),
    ],
)
def test_what_is_wrong_is_told_in_three_lines(
    line: str | ChatReply | ModelRejected, first: str, last: str
) -> None:
    found = probe("weak", WEAK, ScriptedBackend([line]))
    lines = found.text.splitlines()
    assert not found.is_healthy
    assert len(lines) == 3
    assert first in lines[0]
    assert last in lines[2]


def probe_over_http(base_url: str, key: str) -> ProbeResult:
    backend = OpenAIBackend(name="main", base_url=base_url, api_key=Secret(key), timeout_seconds=5)
    with closing(backend):
        return probe("weak", WEAK, backend)


def test_a_wrong_key_is_found_over_http() -> None:
    served = BackendServer(
        ComputedBackend(lambda request: "4"), models=["small"], api_key=Secret("right-key")
    )
    with served as server:
        assert probe_over_http(server.base_url, "right-key").is_healthy
        found = probe_over_http(server.base_url, "wrong-key")
    assert found.text.splitlines()[2].startswith("the key is wrong or missing: set OPENAI_API_KEY")
    assert "wrong-key" not in found.text


def test_an_unreachable_endpoint_is_found_over_http() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        found = probe_over_http(url, "")
    assert "cannot be reached" in found.text
    assert "check OPENAI_BASE_URL" in found.text.splitlines()[2]
