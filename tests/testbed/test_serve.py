"""The server, used by the unmodified `openai` client and by clients that send junk."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.errors import ModelRejected, ModelUnavailable, UsageError
from studbook.llm.contracts import ChatRequest
from studbook.llm.secrets import Secret
from studbook.testbed.scripted import ComputedBackend, FaultyBackend, ScriptedBackend
from studbook.testbed.server.server import MAX_BODY_BYTES, BackendServer
from studbook.testbed.server.wire import WireError, read_body

KEY = "a-long-enough-key"
ASK = [{"role": "user", "content": "Why?"}]
LONG = "Because the gate is sparse – and says so. " * 5


def answer(request: ChatRequest) -> str:
    if request.messages[-1].content == "Which seed?":
        return str(request.seed)
    return '{"answer": "json"}' if request.json_mode else LONG


@pytest.fixture(scope="module")
def server() -> Iterator[BackendServer]:
    with BackendServer(
        ComputedBackend(answer),
        models=["testbed", "testbed/large"],
        api_key=Secret(KEY),
        clock=lambda: 1234.5,
    ) as server:
        yield server


@pytest.fixture
def client(server: BackendServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client:
        yield client


def test_a_completion_reads_as_openais(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="testbed", messages=ASK)
    assert reply.choices[0].message.content == LONG
    assert reply.choices[0].message.role == "assistant"
    assert (reply.choices[0].finish_reason, reply.object, reply.created) == ("stop", "chat.completion", 1234)
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (1, 53)
    assert reply.usage.total_tokens == 54


def test_max_tokens_cuts_and_says_so(client: openai.OpenAI) -> None:
    for limit in ({"max_tokens": 3}, {"max_completion_tokens": 3}):
        choice = client.chat.completions.create(model="testbed", messages=ASK, **limit).choices[0]
        assert (choice.message.content, choice.finish_reason) == (LONG[:12], "length")


def test_choices_are_independent_samples_and_a_seed_repeats_them(client: openai.OpenAI) -> None:
    seed_question = [{"role": "user", "content": "Which seed?"}]

    def sample(seed: int | None) -> list[str | None]:
        given = {} if seed is None else {"seed": seed}
        reply = client.chat.completions.create(model="testbed", messages=seed_question, n=3, **given)
        return [choice.message.content for choice in reply.choices]

    assert sample(5)[0] == "5"
    assert len(set(sample(5))) == 3
    assert sample(5) == sample(5)
    assert sample(None) != sample(None)


def test_a_stream_adds_up_to_the_answer_with_usage_last(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="testbed", messages=ASK, n=2, stream=True, stream_options={"include_usage": True}
    )
    parts = list(stream)
    texts = {0: "", 1: ""}
    for part in parts:
        for choice in part.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == {0: LONG, 1: LONG}
    assert [c.finish_reason for p in parts for c in p.choices if c.finish_reason] == ["stop", "stop"]
    assert parts[-1].choices == []
    assert parts[-1].usage is not None
    assert (parts[-1].usage.prompt_tokens, parts[-1].usage.completion_tokens) == (1, 106)
    assert all(part.usage is None for part in parts[:-1])


def test_a_stream_without_usage_ends_with_a_choice(client: openai.OpenAI) -> None:
    parts = list(client.chat.completions.create(model="testbed", messages=ASK, stream=True))
    assert parts[-1].choices[0].finish_reason == "stop"
    assert len(parts) > 4


def test_json_mode_reaches_the_backend(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="testbed",
        messages=[{"role": "user", "content": [{"type": "text", "text": "as JSON"}]}],
        response_format={"type": "json_object"},
    )
    assert reply.choices[0].message.content == '{"answer": "json"}'


def test_models_are_listed_and_got(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["testbed", "testbed/large"]
    assert client.models.retrieve("testbed/large").owned_by == "studbook"


@pytest.mark.parametrize("key", ["another-key", "ключ"])
def test_a_wrong_key_gets_401(server: BackendServer, key: str) -> None:
    status, body = raw(server, "GET", "/v1/models", key=key.encode())
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")


def test_the_client_sees_the_errors_it_knows(server: BackendServer, client: openai.OpenAI) -> None:
    with (
        openai.OpenAI(base_url=server.base_url, api_key="wrong", max_retries=0) as wrong,
        pytest.raises(openai.AuthenticationError),
    ):
        wrong.models.list()
    with pytest.raises(openai.NotFoundError, match="The model `gpt-0` does not exist") as unknown:
        client.chat.completions.create(model="gpt-0", messages=ASK)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.embeddings.create(model="testbed", input="x")
    with pytest.raises(openai.BadRequestError, match="must contain the word 'json'"):
        client.chat.completions.create(model="testbed", messages=ASK, response_format={"type": "json_object"})
    with pytest.raises(
        openai.BadRequestError, match="Unrecognized request argument supplied: top_p"
    ) as extra:
        client.chat.completions.create(model="testbed", messages=ASK, top_p=0.5)
    assert (extra.value.param, extra.value.code) == ("top_p", "unknown_parameter")


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (ModelUnavailable("busy", retry_after_seconds=3), 429, {"retry-after": "3"}),
        (ModelUnavailable("broken"), 500, {}),
        (ModelRejected("not like this"), 400, {}),
    ],
)
def test_errors_of_the_backend_are_passed_on(error: Exception, status: int, headers: dict[str, str]) -> None:
    with (
        BackendServer(ScriptedBackend([error]), models=["m"]) as server,
        openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client,
        pytest.raises(openai.APIStatusError, match=str(error)) as caught,
    ):
        client.chat.completions.create(model="m", messages=ASK)
    assert caught.value.status_code == status
    assert {name: caught.value.response.headers[name] for name in headers} == headers


def test_the_sdks_own_retries_get_through_a_faulty_server() -> None:
    backend = FaultyBackend(ComputedBackend(answer), every=2, retry_after_seconds=0.01)
    with (
        BackendServer(backend, models=["m"]) as server,
        openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=3) as client,
    ):
        replies = [client.chat.completions.create(model="m", messages=ASK) for _ in range(4)]
    assert [reply.choices[0].message.content for reply in replies] == [LONG] * 4


def test_many_clients_are_served_at_once(client: openai.OpenAI) -> None:
    with ThreadPoolExecutor(16) as pool:
        replies = list(
            pool.map(
                lambda n: client.chat.completions.create(model="testbed", messages=ASK, seed=n), range(64)
            )
        )
    assert all(reply.choices[0].message.content == LONG for reply in replies)


def raw(
    server: BackendServer,
    method: str,
    path: str,
    *,
    key: bytes = KEY.encode(),
    body: bytes = b"",
    **more: str,
):
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: x", b"Authorization: Bearer " + key]
    headers = {"Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in more.items()}}
    lines += [f"{name}: {value}".encode() for name, value in headers.items() if value != "-"]
    return exchange(server, b"\r\n".join([*lines, b"", body]))


def exchange(server: BackendServer, data: bytes):
    host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("POST", "/v1/chat/completions", {"body": b"{"}, 400),
        ("POST", "/v1/chat/completions", {"body": b""}, 400),
        ("POST", "/v1/chat/completions", {"body": b"[" * 200_000}, 400),
        ("POST", "/v1/chat/completions", {"Content_Length": str(MAX_BODY_BYTES + 1)}, 413),
        ("POST", "/v1/chat/completions", {"Content_Length": "9" * 5000}, 413),
        ("POST", "/v1/chat/completions", {"Content_Length": "-5"}, 411),
        ("POST", "/v1/chat/completions", {"Content_Length": "-"}, 411),
        ("POST", "/v1/chat/completions", {"Content_Length": "¹"}, 411),
        ("POST", "/v1/chat/completions", {"Transfer_Encoding": "chunked"}, 411),
        ("POST", "/v1/chat/completions", {"body": b"{}", "Content_Length": "50"}, 400),
        ("POST", "/v1/completions", {"body": b"{}"}, 404),
        ("GET", "/v1/chat/completions", {}, 405),
        ("GET", "/", {}, 404),
        ("GET", "/v1/models/%00%ff", {}, 404),
        ("DELETE", "/v1/models", {}, 501),
        ("GET", "/" + "a" * 70_000, {}, 414),
    ],
)
def test_a_bad_request_gets_an_error_as_the_real_ones_look(
    server: BackendServer, method: str, path: str, more: dict[str, str], status: int
) -> None:
    found, body = raw(server, method, path, **more)
    assert found == status
    assert set(body["error"]) == {"message", "type", "param", "code"}


def test_what_is_no_http_at_all_gets_an_answer_and_the_server_lives(server: BackendServer, client) -> None:
    status, body = exchange(server, b"\x16\x03\x01 junk junk junk junk\r\n\r\n")
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert len(list(client.models.list())) == 2


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_cannot_be_is_named(port: int) -> None:
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
        BackendServer(ScriptedBackend([]), models=[], port=port)


def test_a_port_that_is_taken_is_named(server: BackendServer) -> None:
    port = int(server.base_url.removesuffix("/v1").rsplit(":")[-1])
    with pytest.raises(UsageError, match="in use"):
        BackendServer(ScriptedBackend([]), models=[], port=port)


def test_a_server_that_never_served_can_be_closed() -> None:
    BackendServer(ScriptedBackend([]), models=[]).close()


def test_a_client_that_goes_away_is_no_news(server: BackendServer, client, capfd) -> None:
    host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    body = json.dumps({"model": "testbed", "messages": ASK, "stream": True, "n": 128}).encode()
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        f"Authorization: Bearer {KEY}",
        f"Content-Length: {len(body)}",
    ]
    head = "".join(line + "\r\n" for line in lines) + "\r\n"
    for _ in range(5):
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        connection.close()  # with a reset
    assert client.chat.completions.create(model="testbed", messages=ASK).choices[0].message.content == LONG
    assert capfd.readouterr().err == ""


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_json_is_a_request_or_a_400(value: object) -> None:
    for body in (
        value,
        {"model": "m", "messages": value},
        {"model": "m", "messages": ASK, "max_tokens": value},
    ):
        try:
            read_body(json.dumps(body).encode())
        except WireError as error:
            assert error.status == 400


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_400(data: bytes) -> None:
    try:
        read_body(data)
    except WireError as error:
        assert error.status == 400


def test_fields_of_a_server_of_its_own_are_taken_and_others_refused() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Why?"}], "reasoning_effort": "low"}
    data = json.dumps(body).encode()
    assert read_body(data, {"reasoning_effort"}).model == "m"
    with pytest.raises(WireError, match="Unrecognized"):
        read_body(data, {"enable_thinking"})
