"""An endpoint that repeats a request in its error teaches nothing by that."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import RequestRefused
from studbook.llm.contracts import ChatCall, ChatRequest, Message, RoleModel
from studbook.llm.echoes import without_echoes
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.secrets import Secret

ROLE = RoleModel(endpoint="main", model="small", max_tokens=4000)
SYSTEM = Message(role="system", content="Be brief.")
JUDGED = ROLE.resolve(
    ChatCall(
        role="judge",
        messages=(SYSTEM, Message(role="user", content="Mark it as JSON.")),
        seed=5,
        json_schema={"type": "object", "properties": {"marks": {"type": "boolean"}}},
    )
)


def harness_call(text: str = "An example, as JSON.", **schema: Any) -> ChatRequest:
    messages = (SYSTEM, Message(role="user", content=text))
    found = {"type": "object", "properties": schema} if schema else None
    return ROLE.resolve(ChatCall(role="challenger", messages=messages, seed=5, json_schema=found))


Refuse = Callable[[dict[str, Any]], str | None]


class Endpoint:
    def __init__(self, refuse: Refuse) -> None:
        self.refuse = refuse
        self.status = 400
        self.bodies: list[dict[str, Any]] = []
        self.notices: list[str] = []
        self.backend = OpenAIBackend(
            name="main",
            base_url="http://models.test/v1",
            api_key=Secret(),
            http_client=httpx2.Client(transport=httpx2.MockTransport(self.answer)),
            on_notice=self.notices.append,
        )

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        words = self.refuse(body)
        if words is not None:
            return httpx2.Response(self.status, json={"error": {"message": words}})
        said = {"message": {"content": "{}"}, "finish_reason": "stop"}
        return httpx2.Response(200, json={"model": "small", "choices": [said]})

    def ask(self, request: ChatRequest) -> dict[str, Any]:
        """The body that was answered, or the last one."""
        with suppress(RequestRefused):
            self.backend.complete(request)
        return self.bodies[-1]


def schema_of(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    return found


HOSTILE = [
    "max_tokens must be at most 16 of",
    "max_tokens must be at most 1000 of",
    "maximum context length is 2000 tokens (1500 in the messages)",
    "system role is not supported",
    "only support stream",
    "unsupported max_tokens",
    "unsupported seed temperature",
    "response_format json_schema is not supported",
    "Input should be a valid role, not 'system'",
]


def quoting_names(body: dict[str, Any]) -> str | None:
    names = [name for name in schema_of(body).get("properties", {}) if " " in name]
    return f"Invalid schema for response_format 'answer': unexpected {names[0]}." if names else None


def quoting_text(body: dict[str, Any]) -> str | None:
    text = body["messages"][-1]["content"]
    return f"Invalid request: cannot process {json.dumps(text)}" if "<!>" in text else None


@pytest.mark.parametrize("words", HOSTILE)
def test_a_harness_s_schema_changes_no_other_request(words: str) -> None:
    endpoint, plain = Endpoint(quoting_names), Endpoint(lambda body: None)
    endpoint.ask(harness_call(**{words: {"type": "string"}}))
    for request in (JUDGED, harness_call(a={"type": "string"}), harness_call()):
        assert endpoint.ask(request) == plain.ask(request)
    assert endpoint.backend.context_tokens_of("small") is None


@pytest.mark.parametrize("words", HOSTILE)
def test_a_text_that_an_endpoint_repeats_changes_no_other_request(words: str) -> None:
    endpoint, plain = Endpoint(quoting_text), Endpoint(lambda body: None)
    text = f'Line one <!>\n"{words}"\nline two, as JSON.'
    endpoint.ask(harness_call(text))
    endpoint.ask(replace(JUDGED, messages=(SYSTEM, Message(role="user", content=text))))
    endpoint.ask(harness_call(f"{words} <!>"))
    for request in (JUDGED, harness_call()):
        assert endpoint.ask(request) == plain.ask(request)
    assert endpoint.backend.context_tokens_of("small") is None


def test_what_a_harness_s_request_teaches_holds_for_harnesses_only() -> None:
    """However well it disguises its words, the evaluator's requests do not depend on them."""
    endpoint = Endpoint(
        lambda body: "seed is not supported" if body["messages"][-1]["content"] == "s" else None
    )
    endpoint.ask(harness_call("s"))
    assert "seed" not in endpoint.ask(harness_call())
    assert "seed" in endpoint.ask(JUDGED)


def test_what_the_evaluator_s_requests_teach_holds_for_harnesses_too_and_is_told_once() -> None:
    endpoint = Endpoint(lambda body: "Unsupported parameter: seed" if "seed" in body else None)
    endpoint.ask(harness_call())
    endpoint.ask(JUDGED)
    assert len(endpoint.notices) == 1
    other = Endpoint(endpoint.refuse)
    other.ask(JUDGED)
    other.ask(harness_call())
    assert len(other.bodies) == 3


def test_a_harness_s_schema_is_kept_where_the_endpoint_wanted_something_else() -> None:
    endpoint = Endpoint(lambda body: None if body.get("stream") else "This model only support stream mode")
    request = harness_call(a={"type": "string"})
    assert schema_of(endpoint.ask(request)) == request.json_schema
    assert schema_of(endpoint.ask(request)) == request.json_schema
    assert endpoint.bodies[-1]["stream"] is True


@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_where_schemas_are_not_supported_harnesses_get_answers_all_the_same(status: int) -> None:
    endpoint = Endpoint(lambda body: "json_schema is not supported" if schema_of(body) else None)
    endpoint.status = status
    for number in range(5):
        request = harness_call(**{f"a{number}": {"type": "string"}})
        assert endpoint.backend.complete(request).text == "{}"
    assert sum(bool(schema_of(body)) for body in endpoint.bodies) == 6  # three schemas, each confirmed once


def test_bad_schemas_of_harnesses_do_not_turn_off_the_judge_s() -> None:
    endpoint = Endpoint(quoting_names)
    for number in range(5):
        endpoint.ask(harness_call(**{f"bad name {number}": {"type": "string"}}))
    assert schema_of(endpoint.ask(JUDGED)) == JUDGED.json_schema
    good = harness_call(a={"type": "string"})
    assert schema_of(endpoint.ask(good)) == good.json_schema


def test_a_schema_that_was_taken_keeps_schemas_on() -> None:
    endpoint = Endpoint(quoting_names)
    endpoint.ask(JUDGED)
    for number in range(5):
        bad = {"type": "object", "properties": {f"bad name {number}": {"type": "string"}}}
        endpoint.ask(replace(JUDGED, json_schema=bad))
    assert schema_of(endpoint.ask(JUDGED)) == JUDGED.json_schema


def test_no_limit_is_learned_that_leaves_no_room_for_an_answer() -> None:
    endpoint = Endpoint(lambda body: "max_tokens must be at most 16" if body["seed"] == 7 else None)
    endpoint.ask(replace(JUDGED, seed=7))
    assert endpoint.ask(JUDGED)["max_tokens"] == 4000


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("Unsupported parameter: 'seed'", "Unsupported parameter: 'seed'"),
        ('no such thing as "be\\nbrief, please"; set stream', "no such thing as"),
        ("schema: properties 'a b' unknown", "schema: properties '"),
        ("cannot read 'of the paper'", "cannot read '"),
        ("it is not supported", "it is not supported"),
    ],
)
def test_only_what_the_endpoint_adds_is_left(words: str, left: str) -> None:
    text = "Be\nbrief, please. The seed of the paper is not supported."
    request = replace(harness_call(text), json_schema={"type": "object", "properties": {"a b": {}}})
    found = without_echoes(words, request)
    assert found.startswith(left)
    assert found == words if left == words else "brief" not in found and "a b" not in found


@given(st.text(), st.text(), st.text())
def test_a_repeated_text_leaves_nothing_of_itself(before: str, text: str, after: str) -> None:
    repeated = f"{text} only support stream mode {text}"
    words = f"{before} {json.dumps(repeated)} {after}"
    assert "support stream" not in without_echoes(words, harness_call(repeated)).lower().replace(before, "")


def test_long_words_of_a_long_request_take_no_time() -> None:
    began = time.process_time()
    without_echoes("ab " * 20_000, harness_call("ab " * 100_000))
    assert time.process_time() - began < 2.0
