"""What endpoints refuse is learned, in the words of real ones, and a request is never lost for it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from studbook.errors import ModelRejected, ModelUnavailable, RequestRefused
from studbook.llm.contracts import ChatRequest, Message, Tool, ToolCall
from studbook.llm.dialect import is_strict
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.secrets import Secret

SCHEMA = {
    "type": "object",
    "properties": {"marks": {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "maxItems": 3}},
    "required": ["marks"],
    "additionalProperties": False,
}
OTHER_SCHEMA = {**SCHEMA, "title": "another"}
TOOL = Tool(name="done", description="Ends.", parameters={"type": "object", "properties": {}})
REQUEST = ChatRequest(
    model="small",
    messages=(Message(role="user", content="Mark it as JSON."),),
    seed=5,
    temperature=0.5,
    max_tokens=4000,
)
WITH_SCHEMA = replace(REQUEST, json_schema=SCHEMA)
WITH_TOOLS = replace(REQUEST, tools=(TOOL,))
SYSTEM_REQUEST = replace(REQUEST, messages=(Message(role="system", content="Be brief."), *REQUEST.messages))

Refuse = Callable[[dict[str, Any]], httpx2.Response | None]


class Endpoint:
    """Answers unless `refuse` returns a refusal; keeps the bodies it was sent."""

    def __init__(self, refuse: Refuse, **settings: Any) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[httpx2.Headers] = []
        self.notices: list[str] = []
        self.refuse = refuse
        self.backend = OpenAIBackend(
            name="main",
            base_url="http://models.test/v1",
            api_key=Secret("sk-test-0123456789abcdef"),
            http_client=httpx2.Client(transport=httpx2.MockTransport(self.answer)),
            on_notice=self.notices.append,
            **settings,
        )

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        self.headers.append(request.headers)
        return self.refuse(body) or httpx2.Response(200, json=completion())


def completion(**message: object) -> dict[str, Any]:
    content = {"role": "assistant", "content": "because", **message}
    return {"model": "small", "choices": [{"message": content, "finish_reason": "stop"}]}


def kind_of(body: dict[str, Any]) -> str:
    return str(body.get("response_format", {}).get("type", ""))


def refusing(kinds: set[str], status: int, answer: object) -> Refuse:
    def refuse(body: dict[str, Any]) -> httpx2.Response | None:
        if kind_of(body) not in kinds:
            return None
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return httpx2.Response(status, content=data)

    return refuse


def test_a_schema_is_sent_in_strict_mode_where_it_allows_that() -> None:
    endpoint = Endpoint(lambda body: None)
    endpoint.backend.complete(WITH_SCHEMA)
    endpoint.backend.complete(replace(REQUEST, json_schema={"type": "object"}))
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
    assert endpoint.bodies[0]["response_format"] == wanted
    assert endpoint.bodies[1]["response_format"]["json_schema"]["strict"] is False


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (SCHEMA, True),
        ({**SCHEMA, "additionalProperties": True}, False),
        ({**SCHEMA, "required": []}, False),
        ({"type": "array", "items": SCHEMA}, True),
        ({"anyOf": [SCHEMA, {"type": "object"}]}, False),
        ({"type": "string", "enum": ["object"]}, True),
    ],
)
def test_strict_mode_wants_closed_objects_with_all_properties(schema: object, strict: bool) -> None:
    assert is_strict(schema) is strict


SCHEMAS_REFUSED = [
    (400, {"error": {"message": "This response_format type is unavailable now"}}),
    (422, b"Failed to deserialize the JSON body: response_format.type `json_schema` is unavailable now"),
    (
        400,
        {
            "error": {
                "message": "'response_format.type' : value is not one of the allowed values ['text','json_object']"
            }
        },
    ),
    (400, {"error": {"message": "This model does not support response format `json_schema`."}}),
    (
        400,
        {
            "error": {
                "message": "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
            }
        },
    ),
    (500, {"error": {"message": "json_schema response format is not supported"}}),
    (404, {"error": {"message": "No endpoints found that support structured output"}}),
    (
        405,
        {"error": {"message": "deepinfra error: json_schema response format is not supported for model x"}},
    ),
    (400, b"Bad Request"),
]


@pytest.mark.parametrize(("status", "answer"), SCHEMAS_REFUSED)
def test_where_schemas_are_refused_json_object_is_sent(status: int, answer: object) -> None:
    endpoint = Endpoint(refusing({"json_schema"}, status, answer))
    assert endpoint.backend.complete(WITH_SCHEMA).text == "because"
    assert endpoint.backend.complete(WITH_SCHEMA).text == "because"
    asked = list(map(kind_of, endpoint.bodies))
    assert asked in (
        ["json_schema", "json_object", "json_object"],
        ["json_schema", "json_object", "json_schema", "json_object"],  # words that say nothing: made sure of
    )
    assert len(endpoint.notices) == 1
    assert "JSON schema" in endpoint.notices[0]


@pytest.mark.parametrize(("status", "answer"), [*SCHEMAS_REFUSED[:4], (400, b"Bad Request")])
def test_where_both_are_refused_neither_is_sent(status: int, answer: object) -> None:
    endpoint = Endpoint(refusing({"json_schema", "json_object"}, status, answer))
    for _ in range(2):
        assert endpoint.backend.complete(WITH_SCHEMA).text == "because"
    assert kind_of(endpoint.bodies[-1]) == ""


def test_lm_studio_takes_schemas_and_no_json_object() -> None:
    said = {"error": "'response_format.type' must be 'json_schema' or 'text'"}
    endpoint = Endpoint(refusing({"json_object"}, 400, said))
    endpoint.backend.complete(replace(REQUEST, json_mode=True))
    endpoint.backend.complete(WITH_SCHEMA)
    endpoint.backend.complete(replace(REQUEST, json_mode=True))
    assert list(map(kind_of, endpoint.bodies)) == ["json_object", "", "json_schema", ""]
    assert len(endpoint.notices) == 1


@pytest.mark.parametrize(
    "words",
    [
        "Invalid schema for response_format 'answer': In context=(), 'additionalProperties' is required to be "
        "supplied and to be false.",
        "Invalid schema for response_format 'answer': 'minItems' is not permitted.",
        "Failed to initialize samplers: failed to parse grammar",
        "The provided JSON schema contains features not supported by xgrammar: unsupported JSON schema",
    ],
)
def test_one_schema_that_is_refused_leaves_the_others(words: str) -> None:
    def refuse(body: dict[str, Any]) -> httpx2.Response | None:
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        return httpx2.Response(400, json={"error": {"message": words}}) if schema == SCHEMA else None

    endpoint = Endpoint(refuse)
    endpoint.backend.complete(WITH_SCHEMA)
    endpoint.backend.complete(replace(REQUEST, json_schema=OTHER_SCHEMA))
    endpoint.backend.complete(WITH_SCHEMA)
    assert list(map(kind_of, endpoint.bodies)) == ["json_schema", "json_object", "json_schema", "json_object"]


def test_after_a_few_refused_schemas_none_are_sent() -> None:
    endpoint = Endpoint(refusing({"json_schema"}, 400, {"error": "failed to parse grammar"}))
    for number in range(6):
        endpoint.backend.complete(replace(REQUEST, json_schema={**SCHEMA, "title": str(number)}))
    assert list(map(kind_of, endpoint.bodies)).count("json_schema") == 3


def test_a_refusal_that_says_nothing_and_stays_is_the_first_one_and_teaches_nothing() -> None:
    answers = iter(["first words", "other words"])
    endpoint = Endpoint(lambda body: httpx2.Response(400, text=next(answers, "more")))
    with pytest.raises(RequestRefused, match="first words"):
        endpoint.backend.complete(WITH_SCHEMA)
    assert list(map(kind_of, endpoint.bodies))[:4] == ["json_schema", "json_object", "", "json_schema"]
    assert len(endpoint.bodies) <= 12
    assert len(set(map(json.dumps, endpoint.bodies))) == len(endpoint.bodies)
    assert endpoint.notices == []
    endpoint.refuse = lambda body: None
    endpoint.backend.complete(WITH_SCHEMA)
    assert kind_of(endpoint.bodies[-1]) == "json_schema"


def test_fields_that_were_taken_once_are_not_tried_again() -> None:
    endpoint = Endpoint(lambda body: None)
    endpoint.backend.complete(SYSTEM_REQUEST)
    endpoint.refuse = lambda body: httpx2.Response(400, text="bad request")
    with pytest.raises(RequestRefused):
        endpoint.backend.complete(replace(SYSTEM_REQUEST, seed=6))
    assert len(endpoint.bodies) == 2


@pytest.mark.parametrize("words", ["", "Bad Request", "invalid request body"])
@pytest.mark.parametrize("fields", [{"seed"}, {"temperature"}, {"seed", "user"}, {"seed", "temperature"}])
def test_a_field_that_is_refused_without_a_word_costs_no_other(words: str, fields: set[str]) -> None:
    endpoint = Endpoint(
        lambda body: httpx2.Response(400, json={"error": {"message": words}}) if fields & set(body) else None
    )
    for _ in range(2):
        assert endpoint.backend.complete(WITH_SCHEMA).text == "because"
    assert not fields & set(endpoint.bodies[-1])
    if len(fields) == 1 or "user" in fields:
        assert kind_of(endpoint.bodies[-1]) == "json_schema"
    assert len(endpoint.notices) == 1
    sent = len(endpoint.bodies)
    endpoint.backend.complete(WITH_SCHEMA)
    assert len(endpoint.bodies) == sent + 1


def test_without_a_provider_for_all_fields_they_are_tried() -> None:
    words = "No endpoints found that can handle the requested parameters."
    endpoint = Endpoint(
        lambda body: (
            httpx2.Response(404, json={"error": {"message": words, "code": 404}})
            if kind_of(body) == "json_schema" or "seed" in body
            else None
        )
    )
    assert endpoint.backend.complete(WITH_SCHEMA).text == "because"
    assert kind_of(endpoint.bodies[-2]) == "json_object"
    assert "temperature" in endpoint.bodies[-2]
    gone = Endpoint(lambda body: httpx2.Response(404, json={"error": {"message": "No such model"}}))
    with pytest.raises(ModelRejected):
        gone.backend.complete(WITH_SCHEMA)
    assert len(gone.bodies) == 1


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("temperature", "`temperature` is deprecated for this model."),
        ("temperature", "temperature must be 1 for reasoning models"),
        ("temperature", "Please check temperature."),
        ("seed", "seed is not a valid field"),
    ],
)
def test_a_field_that_the_words_name_is_left_out(field: str, words: str) -> None:
    endpoint = Endpoint(
        lambda body: httpx2.Response(400, json={"error": {"message": words}}) if field in body else None
    )
    assert endpoint.backend.complete(REQUEST).text == "because"
    assert len(endpoint.bodies) <= 3
    assert len(endpoint.notices) == 1


@pytest.mark.parametrize(
    "words",
    [
        "Unexpected message role.",
        "Only user, assistant and tool roles are supported, got system.",
        "messages[0].role: Input should be 'user' or 'assistant'",
        "bad request",
    ],
)
def test_a_model_without_a_system_role_is_recognized(words: str) -> None:
    endpoint = Endpoint(
        lambda body: (
            httpx2.Response(400, json={"error": {"message": words}})
            if any(message["role"] == "system" for message in body["messages"])
            else None
        )
    )
    assert endpoint.backend.complete(SYSTEM_REQUEST).text == "because"
    endpoint.backend.complete(SYSTEM_REQUEST)
    assert endpoint.bodies[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nMark it as JSON."}]
    assert "seed" in endpoint.bodies[-1]


def test_a_harness_s_schema_does_not_hide_that_a_failing_template_has_no_system_role() -> None:
    words = "Conversation roles must alternate user/assistant/user/assistant/..."
    endpoint = Endpoint(
        lambda body: (
            httpx2.Response(500, json={"error": {"message": words}})
            if any(message["role"] == "system" for message in body["messages"])
            else None
        )
    )
    for _ in range(2):
        endpoint.backend.complete(replace(SYSTEM_REQUEST, json_schema=SCHEMA, from_harness=True))
    assert kind_of(endpoint.bodies[-1]) == "json_schema"
    assert len(endpoint.notices) == 1


def test_roles_are_no_matter_of_the_system_role_where_none_was_sent() -> None:
    endpoint = Endpoint(lambda body: httpx2.Response(400, json={"error": "Unexpected message role."}))
    with pytest.raises(RequestRefused):
        endpoint.backend.complete(REQUEST)
    assert endpoint.notices == []


@pytest.mark.parametrize(
    "words", ["failed to parse grammar", "xgrammar compile failed", "Failed to compile the JSON schema"]
)
@pytest.mark.parametrize("request_", [WITH_SCHEMA, WITH_TOOLS])
def test_a_grammar_that_a_server_fails_at_is_not_sent_again(words: str, request_: ChatRequest) -> None:
    endpoint = Endpoint(
        lambda body: (
            httpx2.Response(500, json={"error": {"message": words}})
            if kind_of(body) == "json_schema" or ("tools" in body and "grammar" in words)
            else None
        )
    )
    for _ in range(2):
        assert endpoint.backend.complete(request_).text == "because"
    assert len(endpoint.bodies) <= 3


def test_a_limit_that_is_too_large_by_an_unknown_amount_is_halved() -> None:
    endpoint = Endpoint(
        lambda body: (
            httpx2.Response(400, json={"error": f"max_tokens ({body['max_tokens']}) is too large"})
            if body["max_tokens"] > 1200
            else None
        )
    )
    for _ in range(2):
        assert endpoint.backend.complete(REQUEST).limit_tokens == 1000
    assert [body["max_tokens"] for body in endpoint.bodies] == [4000, 2000, 1000, 1000]


def test_a_refusal_that_says_nothing_and_passes_teaches_nothing() -> None:
    refusals = iter([httpx2.Response(400, content=b"bad request")])
    endpoint = Endpoint(lambda body: next(refusals, None))
    endpoint.backend.complete(WITH_SCHEMA)
    endpoint.backend.complete(WITH_SCHEMA)
    assert [kind_of(body) for body in endpoint.bodies][-2:] == ["json_schema", "json_schema"]
    assert endpoint.notices == []


def test_tools_are_sent_and_their_calls_read() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "done", "arguments": '{"why": "é"}'}}
    said = completion(content=None, tool_calls=[call])
    said["choices"][0]["finish_reason"] = "tool_calls"
    endpoint = Endpoint(lambda body: httpx2.Response(200, json=said))
    reply = endpoint.backend.complete(replace(WITH_TOOLS, json_schema=SCHEMA))
    assert (reply.text, reply.finish_reason) == ("", "stop")
    assert reply.tool_calls == (ToolCall(name="done", arguments='{"why": "é"}'),)
    assert endpoint.bodies[0]["tool_choice"] == "auto"
    assert endpoint.bodies[0]["tools"][0]["function"]["name"] == "done"
    assert "response_format" not in endpoint.bodies[0]


@pytest.mark.parametrize(
    "message",
    [
        {"function_call": {"name": "done", "arguments": "{}"}},
        {"tool_calls": [{"function": {"name": "done", "arguments": {}}}]},
        {"tool_calls": [{"name": "done", "arguments": None}, {"function": {"name": ""}}, "x", None]},
    ],
)
def test_older_and_looser_forms_of_a_call_are_read(message: dict[str, object]) -> None:
    endpoint = Endpoint(lambda body: httpx2.Response(200, json=completion(content="", **message)))
    reply = endpoint.backend.complete(WITH_TOOLS)
    assert reply.tool_calls == (ToolCall(name="done", arguments="{}"),)


def test_an_end_of_calls_without_a_call_is_no_end() -> None:
    said = completion(content="I will call it.")
    said["choices"][0]["finish_reason"] = "tool_calls"
    endpoint = Endpoint(lambda body: httpx2.Response(200, json=said))
    assert endpoint.backend.complete(WITH_TOOLS).finish_reason == "tool_calls"


TOOLS_REFUSED = [
    (400, {"error": {"message": "registry.ollama.ai/library/x:1b does not support tools"}}),
    (500, {"error": {"message": "tools param requires --jinja flag"}}),
    (500, {"error": {"code": 500, "message": "Unsupported param: tools"}}),
    (
        400,
        {
            "object": "error",
            "message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        },
    ),
    (404, {"error": {"message": "No endpoints found that support tool use."}}),
    (400, {"error": {"message": "Function calling is not enabled for models/x"}}),
    (400, {"error": {"message": "Failed to initialize samplers: failed to parse grammar"}}),
    (422, {"detail": [{"loc": ["body", "tools"], "msg": "Extra inputs are not permitted"}]}),
    (400, b"Bad Request"),
]


@pytest.mark.parametrize(("status", "answer"), TOOLS_REFUSED)
def test_where_tools_are_refused_they_are_left_out_and_that_is_told_once(status: int, answer: object) -> None:
    def refuse(body: dict[str, Any]) -> httpx2.Response | None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return httpx2.Response(status, content=data) if "tools" in body else None

    endpoint = Endpoint(refuse)
    for _ in range(2):
        assert endpoint.backend.complete(WITH_TOOLS).text == "because"
    asked = ["tools" in body for body in endpoint.bodies]
    assert asked in ([True, False, False], [True, False, True, False])  # the latter to make sure
    assert endpoint.notices == ["endpoint 'main', model 'small': does not take tools; left out from now on"]


def test_a_refused_tool_choice_leaves_the_tools() -> None:
    words = "deepseek-reasoner does not support this tool_choice"
    endpoint = Endpoint(
        lambda body: httpx2.Response(400, json={"error": words}) if "tool_choice" in body else None
    )
    endpoint.backend.complete(WITH_TOOLS)
    assert "tools" in endpoint.bodies[-1] and "tool_choice" not in endpoint.bodies[-1]


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("max_tokens is too large: 4000. This model supports at most 1024 completion tokens", 1024),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 1024]", 1024),
    ],
)
def test_the_largest_answer_is_learned(words: str, limit: int) -> None:
    endpoint = Endpoint(
        lambda body: httpx2.Response(400, json={"error": words}) if body["max_tokens"] > limit else None
    )
    assert endpoint.backend.complete(REQUEST).limit_tokens == limit
    endpoint.backend.complete(REQUEST)
    assert [body["max_tokens"] for body in endpoint.bodies] == [4000, limit, limit]
    assert "takes at most 1,024" in endpoint.notices[0]
    assert endpoint.backend.complete(replace(REQUEST, max_tokens=500)).limit_tokens is None


def context_refusal(body: dict[str, Any], prompt: int, words: str) -> httpx2.Response | None:
    limit = body["max_tokens"]
    if prompt + limit <= 8192:
        return None
    said = words.format(context=8192, total=prompt + limit, prompt=prompt, limit=limit, least=8193 - limit)
    return httpx2.Response(400, json={"error": {"message": said}})


TOTAL = (
    "This model's maximum context length is {context} tokens. However, you requested {total} tokens ({prompt} in "
    "the messages, {limit} in the completion). Please reduce the length of the messages or completion."
)
AT_LEAST = (
    "This model's maximum context length is {context} tokens. However, you requested {limit} output tokens and "
    "your prompt contains at least {least} input tokens, for a total of at least 8193 tokens."
)


@pytest.mark.parametrize(("words", "limit"), [(TOTAL, 8192 - 6000 - 16), (AT_LEAST, 2000)])
def test_an_answer_s_limit_fits_itself_to_the_context(words: str, limit: int) -> None:
    endpoint = Endpoint(lambda body: context_refusal(body, 6000, words))
    assert endpoint.backend.complete(REQUEST).limit_tokens == limit
    assert endpoint.backend.context_tokens_of("small") == 8192


@pytest.mark.parametrize("words", [TOTAL, AT_LEAST])
def test_a_prompt_that_does_not_fit_is_refused_after_a_few_requests(words: str) -> None:
    endpoint = Endpoint(lambda body: context_refusal(body, 8100, words))
    with pytest.raises(RequestRefused, match="maximum context length is 8192"):
        endpoint.backend.complete(REQUEST)
    assert len(endpoint.bodies) <= 5


@pytest.mark.parametrize(
    "words",
    [
        "This model only support stream mode, please enable the stream parameter to access the model.",
        "parameter.enable_thinking must be set to false for non-streaming calls",
        "stream must be true",
        "stream=false is not supported",
        "stream: false is not supported by this model",
        "Non-streaming is not supported by this model",
        "Streaming is required for operations that may take longer than 10 minutes",
    ],
)
def test_a_model_that_only_streams_is_asked_for_a_stream(words: str) -> None:
    endpoint = Endpoint(
        lambda body: None if body.get("stream") else httpx2.Response(400, json={"error": {"message": words}})
    )
    assert endpoint.backend.complete(REQUEST).text == "because"
    assert endpoint.bodies[-1]["stream_options"] == {"include_usage": True}
    assert len(endpoint.notices) == 1
    told = Endpoint(endpoint.refuse, stream=False)
    with pytest.raises(RequestRefused):
        told.backend.complete(REQUEST)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (
            "stream",
            "Unsupported value: 'stream' does not support true with this model. Supported values are: false.",
        ),
        ("stream", "Your organization must be verified to stream this model."),
        ("stream_options", "Unrecognized request argument supplied: stream_options"),
    ],
)
def test_a_stream_that_is_not_given_is_not_asked_for(field: str, words: str) -> None:
    endpoint = Endpoint(
        lambda body: httpx2.Response(400, json={"error": {"message": words}}) if field in body else None,
        stream=True,
    )
    assert endpoint.backend.complete(REQUEST).text == "because"
    assert field not in endpoint.bodies[-1]


def test_a_gateway_that_gives_up_on_silence_is_asked_for_a_stream() -> None:
    endpoint = Endpoint(lambda body: None if body.get("stream") else httpx2.Response(524, text="timeout"))
    assert endpoint.backend.complete(REQUEST).text == "because"
    with pytest.raises(ModelUnavailable):
        Endpoint(lambda body: httpx2.Response(504)).backend.complete(REQUEST)


def test_without_seeds_samples_are_different_requests_that_no_cache_answers() -> None:
    endpoint = Endpoint(
        lambda body: httpx2.Response(400, json={"error": "unknown field: seed"}) if "seed" in body else None
    )
    for seed in (1, 2):
        endpoint.backend.complete(replace(REQUEST, seed=seed, temperature=0.0))
    assert [body.get("user") for body in endpoint.bodies] == [None, "sample-1", "sample-2"]
    assert endpoint.headers[-1]["cache-control"] == "no-cache"


@pytest.mark.parametrize("extra", [{}, {"user": "lab"}])
def test_without_seed_and_user_samples_differ_in_blanks(extra: dict[str, str]) -> None:
    unknown = {"seed"} if extra else {"seed", "user"}

    def refuse(body: dict[str, Any]) -> httpx2.Response | None:
        field = next(iter(sorted(unknown & set(body))), None)
        return httpx2.Response(400, json={"error": f"unknown field: {field}"}) if field else None

    endpoint = Endpoint(refuse)
    for seed in (1, 2, 3, 2):
        endpoint.backend.complete(replace(REQUEST, seed=seed, extra_body=extra))
    texts = [body["messages"][-1]["content"] for body in endpoint.bodies[-4:]]
    assert {text.rstrip() for text in texts} == {"Mark it as JSON."}
    assert len(set(texts)) == 3
    assert texts[1] == texts[3]


@pytest.mark.parametrize(
    "words",
    [
        "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.",
        "invalid temperature: only 1 is allowed for this model",
        "`temperature` may only be set to 1 when thinking is enabled.",
        "this model has beta-limitations, temperature, top_p and n are fixed at 1",
    ],
)
def test_a_model_with_one_temperature_is_asked_without(words: str) -> None:
    endpoint = Endpoint(
        lambda body: httpx2.Response(400, json={"error": words}) if "temperature" in body else None
    )
    endpoint.backend.complete(REQUEST)
    assert "temperature" not in endpoint.bodies[-1]


@pytest.mark.parametrize(
    "words",
    [
        "model requires more system memory",
        "unexpected temperature of the GPU",
        "unexpected exception in function call",
        "upstream unavailable: structured output worker died",
    ],
)
def test_words_of_a_server_that_fails_are_no_dialect(words: str) -> None:
    endpoint = Endpoint(lambda body: httpx2.Response(500, json={"error": words}))
    for request in (WITH_SCHEMA, WITH_TOOLS):
        with pytest.raises(ModelUnavailable):
            endpoint.backend.complete(request)
    assert endpoint.notices == []
    assert len(endpoint.bodies) == 2
