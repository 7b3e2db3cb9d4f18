"""Parses and writes the OpenAI chat format, as a server. Pure: `server` transports the bytes."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studbook.identity import derive_seed
from studbook.llm.contracts import ChatReply, ChatRequest, Message, Speaker, Tool, Usage, valid_text

DEFAULT_MAX_TOKENS = 4096
CHUNK_CHARACTERS = 48


class WireError(Exception):
    """An answer other than 200, in OpenAI's format."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["text"]
    text: str


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part]
    name: str | None = None


class _JsonSchema(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)
    name: str
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class _ResponseFormat(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _Function(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    strict: bool | None = None


class _Tool(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["function"]
    function: _Function


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    include_usage: bool = False


class CompletionBody(BaseModel):
    """The accepted fields; those without effect on an answer are ignored, all others are rejected."""

    model_config = ConfigDict(extra="forbid", strict=True)
    model: str
    messages: list[_Message] = Field(min_length=1, max_length=2048)
    temperature: float | None = Field(default=None, ge=0.0, le=2.0, allow_inf_nan=False)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    n: int | None = Field(default=None, ge=1, le=128)
    seed: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    response_format: _ResponseFormat | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    user: str | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None

    @property
    def wants_usage_chunk(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


def read_body(data: bytes, more_fields: Collection[str] = ()) -> CompletionBody:
    """Raises WireError 400 for anything that is not a valid request; `more_fields` are taken and ignored."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError(400, "We could not parse the JSON body of your request.") from error
    if isinstance(value, dict):
        value = {name: field for name, field in value.items() if name not in more_fields}
    try:
        body = CompletionBody.model_validate(value)
    except ValidationError as error:
        raise _refusal(error) from error
    if body.stream_options is not None and not body.stream:
        raise WireError(
            400, "'stream_options' is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if _is_json(body) and "json" not in "".join(_text(m).lower() for m in body.messages):
        raise WireError(
            400,
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type "
            "'json_object'.",
            param="messages",
        )
    return body


def requests_of(body: CompletionBody, fallback_seed: int) -> list[ChatRequest]:
    """One request per choice; each choice is an independent sample."""
    seed = fallback_seed if body.seed is None else body.seed
    messages = tuple(Message(role=_speaker(m), content=valid_text(_text(m))) for m in body.messages)
    return [
        ChatRequest(
            model=body.model,
            messages=messages,
            seed=seed if index == 0 else derive_seed("choice", seed, index),
            temperature=1.0 if body.temperature is None else float(body.temperature),
            max_tokens=body.max_completion_tokens or body.max_tokens or DEFAULT_MAX_TOKENS,
            json_mode=_is_json(body),
            json_schema=_schema_of(body),
            tools=_tools_of(body),
        )
        for index in range(body.n or 1)
    ]


def completion(ident: str, created: int, model: str, replies: Sequence[ChatReply]) -> dict[str, Any]:
    """The body of a non-streamed answer."""
    choices = [
        {
            "index": index,
            "message": _message(reply, f"{ident}-{index}"),
            "logprobs": None,
            "finish_reason": "tool_calls" if reply.tool_calls else reply.finish_reason,
        }
        for index, reply in enumerate(replies)
    ]
    head = {"id": ident, "object": "chat.completion", "created": created, "model": model}
    return {**head, "choices": choices, "usage": _usage(replies)}


def chunks(completion: Mapping[str, Any], *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """The bodies of a completion's streamed form, in order; the caller sends the final [DONE]."""
    left_out = {"choices", "usage"}
    head = {name: value for name, value in completion.items() if name not in left_out}
    head["object"] = "chat.completion.chunk"
    tail: dict[str, Any] = {"usage": None} if with_usage else {}
    for each in completion["choices"]:
        rest = {name: value for name, value in each.items() if name != "message"}
        for delta in _deltas(each.get("message") or {}):
            yield {**head, "choices": [{**rest, "delta": delta, "finish_reason": None}], **tail}
        yield {**head, "choices": [{**rest, "delta": {}}], **tail}
    if with_usage:
        yield {**head, "choices": [], "usage": completion.get("usage")}


def model_entry(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "studbook"}


def _message(reply: ChatReply, ident: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.tool_calls:
        message["content"] = reply.text or None
        message["tool_calls"] = [
            {
                "id": f"call-{ident}-{number}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for number, call in enumerate(reply.tool_calls)
        ]
    return message


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The role first, then text and reasoning in pieces, then every other member whole."""
    yield {"role": "assistant", "content": ""}
    for name in ("reasoning_content", "reasoning", "content"):
        text = message.get(name)
        if isinstance(text, str):
            for start in range(0, len(text), CHUNK_CHARACTERS):
                yield {name: text[start : start + CHUNK_CHARACTERS]}
        elif text is not None:
            yield {name: text}
    calls = message.get("tool_calls") or []
    if calls:
        yield {"tool_calls": [{"index": number, **call} for number, call in enumerate(calls)]}


def _usage(replies: Sequence[ChatReply]) -> dict[str, Any]:
    """The prompt counts once, however many choices were requested."""
    total = Usage(
        prompt_tokens=replies[0].usage.prompt_tokens,
        completion_tokens=sum(reply.usage.completion_tokens for reply in replies),
        cached_tokens=replies[0].usage.cached_tokens,
    )
    return {
        "prompt_tokens": total.prompt_tokens,
        "completion_tokens": total.completion_tokens,
        "total_tokens": total.prompt_tokens + total.completion_tokens,
        **({"prompt_tokens_details": {"cached_tokens": total.cached_tokens}} if total.cached_tokens else {}),
    }


def _refusal(error: ValidationError) -> WireError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return WireError(
            400, f"Unrecognized request argument supplied: {place}", param=place, code="unknown_parameter"
        )
    if first["type"] == "missing":
        return WireError(
            400, f"Missing required parameter: '{place}'.", param=place, code="missing_required_parameter"
        )
    return WireError(
        400, f"Invalid value for '{place}': {first['msg']}.", param=place or None, code="invalid_value"
    )


def _is_json(body: CompletionBody) -> bool:
    return body.response_format is not None and body.response_format.type == "json_object"


def _schema_of(body: CompletionBody) -> dict[str, Any] | None:
    wanted = body.response_format
    return wanted.json_schema.schema_ if wanted is not None and wanted.json_schema is not None else None


def _tools_of(body: CompletionBody) -> tuple[Tool, ...]:
    if body.tool_choice == "none":
        return ()
    return tuple(
        Tool(
            name=tool.function.name,
            description=tool.function.description,
            parameters=tool.function.parameters,
        )
        for tool in body.tools or []
    )


def _text(message: _Message) -> str:
    content = message.content
    return content if isinstance(content, str) else "".join(part.text for part in content)


def _speaker(message: _Message) -> Speaker:
    return "system" if message.role == "developer" else message.role
