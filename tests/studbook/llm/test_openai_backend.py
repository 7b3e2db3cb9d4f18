"""Every way an endpoint can answer, by transport: no network, no patching."""

import base64
import json
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import httpx2
import pytest

from studbook.errors import ModelError, ModelRejected, ModelUnavailable, RequestRefused, SpecError
from studbook.llm.contracts import ChatReply, ChatRequest, Message, Usage
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.secrets import Secret, forms_of

KEY = "sk-test-0123456789abcdef"
ODD_KEY = 'q7/Zx+"0Lr\\9vT2m4Kp'
"""Looks like no known kind of key, and is written differently in JSON, Python, URLs and base64."""
REQUEST = ChatRequest(
    model="small",
    messages=(Message(role="system", content="Be brief."), Message(role="user", content="Why? As JSON.")),
    seed=5,
    temperature=0.5,
    max_tokens=100,
)
Handler = Callable[[httpx2.Request], httpx2.Response]


def completion(**changes: object) -> dict[str, object]:
    message = {"role": "assistant", "content": "because"}
    body: dict[str, object] = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "small-0612",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }
    return {**body, **changes}


def backend(handler: Handler, notices: list[str] | None = None, key: str = KEY) -> OpenAIBackend:
    return OpenAIBackend(
        name="main",
        base_url="http://models.test/v1",
        api_key=Secret(key),
        http_client=httpx2.Client(transport=httpx2.MockTransport(handler)),
        on_notice=[].append if notices is None else notices.append,
    )


def answering(status: int, body: object, **headers: str) -> Handler:
    if isinstance(body, bytes):
        return lambda request: httpx2.Response(status, content=body, headers=headers)
    return lambda request: httpx2.Response(status, json=body, headers=headers)


def error_body(message: str, *, param: str | None = None, code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def test_a_request_is_sent_whole_and_its_answer_read() -> None:
    sent: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json=completion())

    assert backend(handler).complete(REQUEST) == ChatReply(
        text="because",
        usage=Usage(prompt_tokens=11, completion_tokens=3),
        finish_reason="stop",
        model="small-0612",
    )
    assert str(sent[0].url) == "http://models.test/v1/chat/completions"
    assert sent[0].headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(sent[0].content) == {
        "model": "small",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Why? As JSON."},
        ],
        "seed": 5,
        "temperature": 0.5,
        "max_tokens": 100,
    }


@pytest.mark.parametrize(
    ("name", "address", "is_sent"),
    [
        ("openai", None, True),
        ("openai", "https://eu.api.openai.com/v1", True),
        ("openai", "https://gateway.example/v1", True),
        ("openai", "http://models.test/v1", False),
        ("openai", "http://api.openai.com/v1", False),
        ("openai", "https://evilapi.openai.com.example/v1", False),
        ("lab", "http://models.test/v1", False),
    ],
)
def test_what_the_sdk_adds_goes_to_openai_and_the_address_of_the_environment(
    name, address, is_sent, monkeypatch
):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: g-secret-1\nX-Two:g-secret-2")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    sent: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json=completion())

    with httpx2.Client(transport=httpx2.MockTransport(handler)) as client:
        OpenAIBackend(name=name, base_url=address, api_key=Secret(KEY), http_client=client).complete(REQUEST)
    told = str(sent[0].headers.multi_items())
    for value in ("g-secret-1", "g-secret-2", "org-1", "proj-1"):
        assert (value in told) is is_sent
    assert sent[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_authorization_of_the_environment_does_not_replace_the_key_of_another_endpoint(monkeypatch):
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer g-secret-1")
    sent: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json=completion())

    assert backend(handler).complete(REQUEST).text == "because"
    assert sent[0].headers.get_list("authorization") == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "what", "next_step"),
    [
        (401, error_body(f"Incorrect API key provided: {KEY}."), ModelRejected, "HTTP 401", "OPENAI_API_KEY"),
        (
            401,
            error_body("Incorrect API key provided: sk-te****cdef"),
            ModelRejected,
            "HTTP 401",
            "OPENAI_API_KEY",
        ),
        (403, error_body("no"), ModelRejected, "HTTP 403: no", "may not use this model"),
        (
            404,
            error_body("The model `small` does not exist"),
            ModelRejected,
            "HTTP 404",
            "check the model's name",
        ),
        (404, b"<html>nginx</html>", ModelRejected, "HTTP 404", "ends in /v1"),
        (
            400,
            error_body("maximum context length is 8192"),
            RequestRefused,
            "maximum context",
            "shorten papers",
        ),
        (413, error_body("too large"), RequestRefused, "HTTP 413", "too large"),
        (429, error_body("quota", code="insufficient_quota"), ModelRejected, "HTTP 429", "add credit"),
        (429, error_body("slow down"), ModelUnavailable, "HTTP 429", "concurrency"),
        (408, error_body("timeout"), ModelUnavailable, "HTTP 408", ""),
        (500, error_body("oops"), ModelUnavailable, "HTTP 500: oops", "wait and resume"),
        (503, b"", ModelUnavailable, "HTTP 503", "wait and resume"),
        (302, b"", ModelRejected, "HTTP 302", "base URL"),
        (200, b"<html>a login page</html>", ModelUnavailable, "no chat completion", "ends in /v1"),
        (200, b"", ModelUnavailable, "no chat completion", "ends in /v1"),
        (200, {}, ModelUnavailable, "no chat completion", "ends in /v1"),
        (200, [], ModelUnavailable, "", "ends in /v1"),
        (200, "text", ModelUnavailable, "", "ends in /v1"),
        (200, completion(choices=[]), ModelUnavailable, "no chat completion", "ends in /v1"),
        (200, completion(choices=None), ModelUnavailable, "no chat completion", "ends in /v1"),
        (200, completion(choices=[{}]), ModelUnavailable, "", "ends in /v1"),
        (200, completion(choices=[None]), ModelUnavailable, "", "ends in /v1"),
        (200, completion(choices=["x"]), ModelUnavailable, "", "ends in /v1"),
        (200, completion(choices="x"), ModelUnavailable, "", "ends in /v1"),
        (200, completion(choices=[{"message": {"content": 7}}]), ModelUnavailable, "", "ends in /v1"),
        (200, completion(choices=[{"message": "x"}]), ModelUnavailable, "", "ends in /v1"),
        (200, completion(choices=[{"text": "because"}]), ModelUnavailable, "", "ends in /v1"),
        (200, completion(choices={"0": {}}), ModelUnavailable, "no chat completion", "ends in /v1"),
    ],
)
def test_what_goes_wrong_is_told_in_three_lines_without_the_key(
    status: int, body: object, kind: type[Exception], what: str, next_step: str
) -> None:
    with pytest.raises(kind) as caught:
        backend(answering(status, body)).complete(REQUEST)
    assert type(caught.value) is kind
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert what in lines[0]
    assert lines[1] == "endpoint 'main' at http://models.test/v1/, model 'small'"
    assert next_step in lines[2]
    assert "sk-te" not in str(caught.value)


@pytest.mark.parametrize("body", [b"{", b'{"choices": NaN', b"\xff\xfe", b"[" * 100_000, b"null", b"7"])
def test_json_that_is_none_is_an_outage(body: bytes) -> None:
    handler = answering(200, body, **{"content-type": "application/json"})
    with pytest.raises(ModelUnavailable):
        backend(handler).complete(REQUEST)


def test_the_endpoint_is_asked_once_because_the_client_retries() -> None:
    asked: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(503, headers={"retry-after": "0"})

    with pytest.raises(ModelUnavailable):
        backend(handler).complete(REQUEST)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-1", None), ("inf", None), ("soon", None)]
)
def test_retry_after_is_read(header: str, seconds: float | None) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        backend(answering(429, error_body("slow down"), **{"retry-after": header})).complete(REQUEST)
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("error", "what", "next_step"),
    [
        (httpx2.ConnectError("[Errno 111] Connection refused"), "cannot be reached", "check OPENAI_BASE_URL"),
        (httpx2.ReadTimeout("timed out"), "did not answer in time", "raise the endpoint's timeout_seconds"),
        (
            httpx2.RemoteProtocolError("Server disconnected"),
            "connection closed before the answer ended",
            "wait and resume",
        ),
        (httpx2.ReadError("reset by peer"), "connection closed before the answer ended", "wait and resume"),
        (httpx2.ConnectTimeout("timed out"), "cannot be reached: no connection", "check OPENAI_BASE_URL"),
    ],
)
def test_a_connection_that_fails_is_an_outage(error: Exception, what: str, next_step: str) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise error

    with pytest.raises(ModelUnavailable) as caught:
        backend(handler).complete(REQUEST)
    assert what in str(caught.value).splitlines()[0]
    assert next_step in str(caught.value).splitlines()[2]


class Picky:
    """An endpoint that refuses some fields, each with the words of a real one."""

    def __init__(self, **refused: dict[str, object]) -> None:
        self.refused = refused
        self.bodies: list[dict[str, object]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        for field, answer in self.refused.items():
            if field in body:
                return httpx2.Response(400, json=answer)
        return httpx2.Response(200, json=completion())


OPENAI_LIMIT = error_body(
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead.",
    param="max_tokens",
    code="unsupported_parameter",
)
OPENAI_TEMPERATURE = error_body(
    "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is "
    "supported.",
    param="temperature",
    code="unsupported_value",
)
RENAMED = (
    "endpoint 'main', model 'small': wants 'max_completion_tokens' instead of 'max_tokens'; sent so from "
    "now on"
)
UNKNOWN_SEED = error_body("Unrecognized request argument supplied: seed")
NO_FORMAT = error_body("response_format: Extra inputs are not permitted")


def test_what_an_endpoint_does_not_understand_is_learned_once_and_told() -> None:
    picky = Picky(
        max_tokens=OPENAI_LIMIT, temperature=OPENAI_TEMPERATURE, seed=UNKNOWN_SEED, response_format=NO_FORMAT
    )
    notices: list[str] = []
    endpoint = backend(picky, notices)
    json_request = ChatRequest(
        model="small", messages=REQUEST.messages, seed=5, temperature=0.5, max_tokens=100, json_mode=True
    )
    assert endpoint.complete(json_request).text == "because"
    assert set(picky.bodies[-1]) == {"model", "messages", "max_completion_tokens", "user"}
    assert picky.bodies[-1]["user"] == "sample-5"
    assert picky.bodies[-1]["max_completion_tokens"] == 100
    assert len(picky.bodies) == 5
    endpoint.complete(json_request)
    assert len(picky.bodies) == 6
    assert notices == [
        RENAMED,
        "endpoint 'main', model 'small': does not understand 'temperature'; left out from now on",
        "endpoint 'main', model 'small': does not understand 'seed'; left out from now on",
        "endpoint 'main', model 'small': does not understand 'response_format'; left out from now on",
    ]


def test_an_endpoint_that_refuses_for_ever_is_asked_a_few_times_only() -> None:
    asked: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(
            400, json=error_body("unsupported: seed response_format temperature max_completion_tokens")
        )

    with pytest.raises(RequestRefused):
        backend(handler).complete(REQUEST)
    assert len(asked) <= 10


def test_a_bad_value_is_not_taken_for_an_unknown_field() -> None:
    refused = error_body("temperature must be between 0 and 2", param="temperature")
    with pytest.raises(RequestRefused, match="between 0 and 2"):
        backend(answering(400, refused)).complete(REQUEST)


@pytest.mark.parametrize(("content", "sent"), [("Answer in Json.", True), ("Answer.", False)])
def test_json_mode_is_sent_only_where_openai_takes_it(content: str, sent: bool) -> None:
    picky = Picky()
    backend(picky).complete(
        ChatRequest(
            model="small",
            messages=(Message(role="user", content=content),),
            seed=1,
            temperature=1.0,
            max_tokens=10,
            json_mode=True,
        )
    )
    assert ("response_format" in picky.bodies[0]) is sent


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -4, "completion_tokens": None}, "much"])
def test_without_usage_tokens_are_estimated_so_that_budgets_hold(usage: object) -> None:
    reply = backend(answering(200, completion(usage=usage))).complete(REQUEST)
    assert reply.usage == Usage(prompt_tokens=6, completion_tokens=2)
    assert reply.is_estimated


def test_a_refusal_of_the_model_is_a_refusal_and_no_answer() -> None:
    choice = {
        "message": {"role": "assistant", "content": None, "refusal": "I cannot."},
        "finish_reason": None,
    }
    with pytest.raises(RequestRefused, match="the model refused: 'I cannot"):
        backend(answering(200, completion(choices=[choice]))).complete(REQUEST)


def test_an_answer_without_text_is_handed_on_for_the_client_to_judge() -> None:
    choice = {"message": {"role": "assistant", "content": None}, "finish_reason": "length"}
    reply = backend(answering(200, completion(choices=[choice]))).complete(REQUEST)
    assert (reply.text, reply.finish_reason) == ("", "length")


def test_a_user_and_password_in_the_url_are_not_shown() -> None:
    endpoint = OpenAIBackend(
        name="main",
        base_url="http://user:hunter2@models.test/v1?key=hunter3",
        api_key=Secret(KEY),
        http_client=httpx2.Client(transport=httpx2.MockTransport(answering(500, b""))),
    )
    with pytest.raises(ModelUnavailable) as caught:
        endpoint.complete(REQUEST)
    assert "hunter" not in str(caught.value)


def everything_told(error: BaseException) -> str:
    """The traceback as -v shows it, and what hangs on the error without being shown."""
    texts, seen, waiting = ["".join(traceback.format_exception(error))], set[int](), [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            texts += [repr(each), repr(vars(each))]
            waiting += [each.__cause__, each.__context__]
    return "\n".join(texts)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, error_body(f"Incorrect API key provided: {ODD_KEY}.")),
        (500, error_body(base64.b64encode(f"Bearer {ODD_KEY}".encode()).decode())),
        (429, error_body(quote(ODD_KEY, safe=""))),
        (200, ODD_KEY.encode()),
        (200, {"choices": ODD_KEY}),
    ],
)
def test_no_part_of_an_error_holds_the_key_that_an_endpoint_echoes(status: int, body: object) -> None:
    with pytest.raises(ModelError) as caught:
        backend(answering(status, body), key=ODD_KEY).complete(REQUEST)
    told = everything_told(caught.value)
    assert not [form for form in forms_of(ODD_KEY) if form.lower() in told.lower()]
    assert "****" in told


def test_an_error_drags_no_error_of_the_sdk_behind_it() -> None:
    with pytest.raises(ModelRejected) as caught:
        backend(answering(401, error_body("no"))).complete(REQUEST)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_reply_that_echoes_the_key_is_masked_before_anyone_sees_it() -> None:
    choice = {"message": {"content": f"You sent Bearer {ODD_KEY}."}, "finish_reason": ODD_KEY}
    reply = backend(answering(200, completion(choices=[choice], model=ODD_KEY)), key=ODD_KEY).complete(
        REQUEST
    )
    assert (reply.text, reply.finish_reason, reply.model) == ("You sent Bearer ****.", "****", "****")


def test_the_keys_of_other_endpoints_are_masked_too() -> None:
    choice = {"message": {"content": "key-of-another"}, "finish_reason": "stop"}
    made = OpenAIBackend(
        name="main",
        base_url="http://models.test/v1",
        api_key=Secret(KEY),
        http_client=httpx2.Client(
            transport=httpx2.MockTransport(answering(200, completion(choices=[choice])))
        ),
        secrets=[Secret("key-of-another")],
    )
    assert made.complete(REQUEST).text == "****"


def test_no_other_key_that_the_environment_may_hold_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_ADMIN_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "somebody-elses")
    sent: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json=completion())

    backend(handler).complete(REQUEST)
    assert "somebody-elses" not in str(sent[0].headers.raw)
    assert sent[0].headers.get_list("authorization") == [f"Bearer {KEY}"]


def test_an_answer_is_read_whatever_it_calls_itself() -> None:
    body = json.dumps(completion()).encode()
    reply = backend(answering(200, body, **{"content-type": "text/plain"})).complete(REQUEST)
    assert reply.text == "because"


def test_without_an_address_the_environment_is_not_asked_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.test/v1")
    asked: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return httpx2.Response(200, json=completion())

    client = httpx2.Client(transport=httpx2.MockTransport(handler))
    OpenAIBackend(name="main", base_url=None, api_key=Secret(KEY), http_client=client).complete(REQUEST)
    assert asked == ["api.openai.com"]


def test_a_redirect_is_not_followed_so_no_prompt_goes_where_it_was_not_sent() -> None:
    asked: list[str] = []

    class Redirecting(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        made = OpenAIBackend(
            name="main", base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key=Secret(KEY)
        )
        with pytest.raises(ModelRejected, match="HTTP 307"):
            made.complete(REQUEST)
        made.close()
        server.shutdown()
        thread.join()
    assert asked == ["/v1/chat/completions"]


def choice(text: str, **changes: object) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    return {"index": 0, "message": message, "finish_reason": "stop", **changes}


def test_an_error_beside_a_text_is_an_error_and_the_text_no_answer() -> None:
    broken = choice("bec", finish_reason="error", error={"code": 502, "message": "Provider disconnected"})
    with pytest.raises(ModelUnavailable, match="HTTP 502: Provider disconnected"):
        backend(answering(200, completion(choices=[broken]))).complete(REQUEST)
    with pytest.raises(ModelUnavailable, match="upstream is gone"):
        backend(answering(200, {"error": {"message": "upstream is gone"}})).complete(REQUEST)
    within = choice("", message={"role": "assistant", "content": "bec", "error": {"message": "it is gone"}})
    with pytest.raises(ModelUnavailable, match="it is gone"):
        backend(answering(200, completion(choices=[within]))).complete(REQUEST)


@pytest.mark.parametrize(
    ("reason", "used", "end"), [("", 0, "length"), (None, 0, "length"), ("", -1, "stop")]
)
def test_without_a_finish_reason_an_answer_that_used_its_limit_ended_there(
    reason: str | None, used: int, end: str
) -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": REQUEST.max_tokens + used}
    body = completion(choices=[choice("bec", finish_reason=reason)], usage=usage)
    assert backend(answering(200, body)).complete(REQUEST).finish_reason == end


def test_a_finish_reason_beside_the_choices_is_read() -> None:
    body = completion(choices=[choice("bec", finish_reason=None)], finish_reason="length")
    assert backend(answering(200, body)).complete(REQUEST).finish_reason == "length"


def test_reasoning_that_a_server_keeps_apart_stays_apart_and_is_masked() -> None:
    message = {"role": "assistant", "content": "because", "reasoning_content": f"my key is {KEY}"}
    reply = backend(answering(200, completion(choices=[choice("", message=message)]))).complete(REQUEST)
    assert (reply.text, reply.thoughts) == ("because", "my key is ****")


@pytest.mark.parametrize(
    "refusal",
    [
        {
            "detail": [
                {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}
            ]
        },
        {"error": "unsupported parameter: seed"},
        b"unknown field `seed`",
    ],
)
def test_a_dialect_is_learned_from_an_error_of_any_shape(refusal: object) -> None:
    notices: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        if "seed" in json.loads(request.content):
            return answering(422, refusal)(request)
        return httpx2.Response(200, json=completion())

    assert backend(handler, notices).complete(REQUEST).text == "because"
    assert notices == ["endpoint 'main', model 'small': does not understand 'seed'; left out from now on"]


def test_a_model_without_a_system_role_gets_its_text_before_the_first_user_message() -> None:
    notices: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        messages = json.loads(request.content)["messages"]
        if messages[0]["role"] == "system":
            return httpx2.Response(400, json={"message": "System role not supported", "code": 400})
        return httpx2.Response(200, json=completion(choices=[choice(messages[0]["content"])]))

    assert backend(handler, notices).complete(REQUEST).text == "Be brief.\n\nWhy? As JSON."
    assert len(notices) == 1 and "no system role" in notices[0]


def test_a_server_without_json_object_is_asked_without_it() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        if "response_format" in json.loads(request.content):
            return httpx2.Response(
                400, json={"error": "'response_format.type' must be 'json_schema' or 'text'"}
            )
        return httpx2.Response(200, json=completion())

    assert backend(handler).complete(replace(REQUEST, json_mode=True)).text == "because"


def test_further_fields_are_sent_as_they_are() -> None:
    sent: list[dict[str, object]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content))
        return httpx2.Response(200, json=completion())

    more = {"reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": False}}
    backend(handler).complete(replace(REQUEST, extra_body=more))
    assert {name: sent[0][name] for name in more} == more


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "Request too large for gpt-x on tokens per min (TPM): Limit 7500, Requested 20000."),
        (500, "the request exceeds the available context size, try increasing it"),
        (413, "Payload Too Large"),
        (400, "This model's maximum context length is 8192 tokens"),
    ],
)
def test_a_request_that_is_too_large_is_about_the_request_whatever_its_status(
    status: int, message: str
) -> None:
    with pytest.raises(RequestRefused, match=r"too large for this endpoint|cannot take this request"):
        backend(answering(status, error_body(message))).complete(REQUEST)


def test_an_ordinary_rate_limit_is_waited_for() -> None:
    with pytest.raises(ModelUnavailable):
        backend(answering(429, error_body("Rate limit reached: 3 requests per minute"))).complete(REQUEST)


def test_certificates_that_are_gone_are_a_setting_to_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/cacert.pem")
    with pytest.raises(SpecError, match=r"SSL_CERT_FILE names /nowhere/cacert\.pem, which cannot be read"):
        OpenAIBackend(name="main", base_url="http://models.test/v1", api_key=Secret(KEY))


def test_an_azure_endpoint_gets_its_version_and_its_key_in_a_header() -> None:
    sent: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json=completion(choices=[choice(f"your key is {KEY}")]))

    endpoint = OpenAIBackend(
        name="main",
        base_url="https://lab.openai.azure.com/openai/deployments/small",
        api_key=Secret(KEY),
        query={"api-version": "2024-10-21"},
        api_key_header="api-key",
        http_client=httpx2.Client(transport=httpx2.MockTransport(handler)),
    )
    assert endpoint.complete(REQUEST).text == "your key is ****"
    assert str(sent[0].url).endswith("/deployments/small/chat/completions?api-version=2024-10-21")
    assert sent[0].headers["api-key"] == KEY
    assert "authorization" not in sent[0].headers


@pytest.mark.parametrize("name", ["promptFeedback", "prompt_feedback"])
def test_a_prompt_that_gemini_blocks_is_refused_and_not_waited_for(name: str) -> None:
    body = {"choices": [], name: {"blockReason": "PROHIBITED_CONTENT"}}
    with pytest.raises(RequestRefused, match="a filter withheld the answer: PROHIBITED_CONTENT"):
        backend(answering(200, body)).complete(REQUEST)


def test_azure_s_inner_code_tells_that_a_filter_objected() -> None:
    inner = {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"jailbreak": {"filtered": True}},
    }
    body = {"error": {"message": "Bad request.", "code": None, "innererror": inner}}
    with pytest.raises(RequestRefused, match="other requests are not affected"):
        backend(answering(403, body)).complete(REQUEST)


def test_llama_cpp_s_numbers_are_part_of_its_words() -> None:
    error = {
        "code": 500,
        "message": "too long",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 5000,
        "n_ctx": 4096,
    }
    endpoint = backend(answering(500, {"error": error}))
    with pytest.raises(RequestRefused, match="n_ctx 4096"):
        endpoint.complete(REQUEST)
    assert endpoint.context_tokens_of("small") == 4096
