"""The context length as servers tell it; nothing they say or do not say is an error."""

import json

import httpx2
import pytest

from studbook.llm.contracts import Backend
from studbook.llm.endpoints import context_length
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.secrets import Secret
from studbook.testbed.scripted import ScriptedBackend

KEY = "sk-test-0123456789abcdef"


def backend(pages: dict[str, object], asked: list[str], base_url: str) -> Backend:
    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(f"{request.method} {request.url.path}")
        found = pages.get(request.url.path)
        if isinstance(found, bytes):
            return httpx2.Response(200, content=found)
        return httpx2.Response(404) if found is None else httpx2.Response(200, text=json.dumps(found))

    return OpenAIBackend(
        name="main",
        base_url=base_url,
        api_key=Secret(KEY),
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
    )


def models(**entry: object) -> dict[str, object]:
    return {"data": [{"id": "other", "max_model_len": 1}, {"id": "m", **entry}]}


@pytest.mark.parametrize(
    ("pages", "tokens"),
    [
        ({"/v1/models": models(max_model_len=8192)}, 8192),
        ({"/v1/models": models(context_length=131072, top_provider={"context_length": 65536})}, 65536),
        ({"/v1/models": models(context_window=8192)}, 8192),
        ({"/v1/models": models(max_context_length=32768)}, 32768),
        ({"/v1/models": [{"id": "m", "context_length": 4096}]}, 4096),
        ({"/v1/models": {"data": [{"id": "path/to/m.gguf", "meta": {"n_ctx_train": 32768}}]}}, 32768),
        (
            {
                "/v1/models": {"data": [{"id": "path/to/m.gguf", "meta": {"n_ctx_train": 32768}}]},
                "/props": {"default_generation_settings": {"n_ctx": 2048}, "total_slots": 4},
            },
            2048,
        ),
        (
            {
                "/v1/models": models(),
                "/api/v0/models": models(loaded_context_length=4096, max_context_length=9),
            },
            4096,
        ),
        ({"/v1/models": models(), "/api/ps": {"models": [{"name": "m", "context_length": 4096}]}}, 4096),
        (
            {"/v1/models": models(), "/api/ps": {"models": [{"name": "m:latest", "context_length": 4096}]}},
            4096,
        ),
        ({"/v1/models": models(), "/api/ps": {"models": [{"model": "m:7b", "context_length": 4096}]}}, None),
        ({"/v1/models": models(max_model_len="8192")}, 8192),
        (
            {
                "/v1/models": models(),
                "/api/ps": {"models": []},
                "/api/show": {
                    "parameters": "stop x\nnum_ctx     16384",
                    "model_info": {"x.context_length": 9},
                },
            },
            16384,
        ),
        ({"/v1/models": models(), "/info": {"max_total_tokens": 2048}}, 2048),
        ({"/v1/models": models()}, None),
        ({"/v1/models": models(max_model_len="many", context_length=-1)}, None),
        ({"/v1/models": b"<html>", "/props": b"[", "/api/ps": {"models": 7}, "/api/show": []}, None),
        ({}, None),
    ],
)
def test_a_server_s_own_way_to_tell_is_understood(pages: dict[str, object], tokens: int | None) -> None:
    assert context_length(backend(pages, [], "http://127.0.0.1:8080/v1"), "m") == tokens


def test_a_server_is_asked_once_and_a_hosted_one_only_for_its_models() -> None:
    asked: list[str] = []
    hosted = backend({}, asked, "https://models.test/v1")
    assert (context_length(hosted, "m"), context_length(hosted, "m")) == (None, None)
    assert asked == ["GET /v1/models"]


def test_paths_of_a_server_begin_at_its_root() -> None:
    asked: list[str] = []
    context_length(backend({}, asked, "http://127.0.0.1:8080/lab/api/v1/"), "m")
    assert asked[:2] == ["GET /lab/api/v1/models", "GET /lab/props"]


def test_a_backend_that_cannot_be_asked_knows_none() -> None:
    assert context_length(ScriptedBackend([]), "m") is None


def test_a_dead_server_is_no_error() -> None:
    dead = OpenAIBackend(name="main", base_url="http://127.0.0.1:9/v1", api_key=Secret(), timeout_seconds=1.0)
    assert context_length(dead, "m") is None
    dead.close()
