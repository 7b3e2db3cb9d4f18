"""The one door to OpenAI-compatible endpoints: the only module that imports `openai`.

One request, one answer: no streaming, no retries (the client's job), no redirects. Keys are masked in all
that an endpoint says, in errors and in replies, and no error drags the SDK's own behind it. What an endpoint
does not understand (`seed`, `response_format`, `temperature`, `max_tokens`) is left out or renamed once, told
through `on_notice`, and remembered per model.

The SDK sends and tells what failed; bodies are built and read here. Its own typed `chat.completions.create`
takes twice the time, checks nothing of a reply, and is made for more fields than five.
"""

import weakref
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

import httpx2
import openai

from studbook.errors import ModelError, SpecError
from studbook.llm.contracts import ChatReply, ChatRequest, Usage
from studbook.llm.deadline import bounded_client
from studbook.llm.dialect import Dialect
from studbook.llm.endpoint_errors import (
    Complaint,
    broken_off,
    complaint_of_status,
    garbled,
    one_line,
    refused,
    timed_out,
    to_model_error,
    unreached,
)
from studbook.llm.masking import Mask
from studbook.llm.scripted import count_tokens
from studbook.llm.settings import Secret

NO_KEY = "none"  # servers without keys ignore it; the SDK insists on one
CONNECT_SECONDS = 10.0
DEFAULT_URL = "https://api.openai.com/v1"
"""Said here, because the SDK would look for another one in the environment."""

BROKEN_OFF = (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError, httpx2.DecodingError)
"""A connection there was: what failed came after it."""

COMPLETIONS = "/chat/completions"
WITH_KEY: Any = {"security": {"bearer_auth": True}}
"""The endpoint's key and no other: the SDK would look for one of an administrator's too."""

SDK_FAILURES = (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError)
"""All that the SDK raises, also when the body of an error is no JSON, or JSON of another shape."""


class OpenAIBackend:
    """Implements `studbook.llm.contracts.Backend` over HTTP. Thread-safe; close it when done."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str | None,
        api_key: Secret,
        timeout_seconds: float = 120.0,
        http_client: Any = None,  # an httpx2.Client: tests pass one with a transport of their own
        on_notice: Callable[[str], None] = lambda message: None,
        secrets: Iterable[Secret] = (),
    ) -> None:
        """`secrets` are masked too, beside the key: those of the other endpoints, and what else is sent."""
        self._name = name
        self._mask = Mask.of([api_key, *secrets])
        client = _open_client(base_url or DEFAULT_URL, api_key, timeout_seconds, http_client)
        if client is None:
            raise SpecError(
                f"endpoint {name!r} cannot be set up: its address, or that of a proxy, cannot be read\n"
                "mend base_url, or the environment's HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"
            )
        self._client = client
        weakref.finalize(self, self._client.close)  # whoever drops a backend leaves no connection open
        self._on_notice = on_notice
        self._lock = Lock()
        self._dialects: dict[str, Dialect] = {}

    def complete(self, request: ChatRequest) -> ChatReply:
        while True:
            dialect = self._dialects.get(request.model, Dialect())
            answer = self._ask(request, dialect)
            if isinstance(answer, ChatReply):
                return answer
            if not self._learn(request.model, dialect, answer):
                raise to_model_error(answer, self._where(request.model))

    def _ask(self, request: ChatRequest, dialect: Dialect) -> ChatReply | Complaint:
        """The SDK's errors end here: they hold the request with its key, and the answer as it came."""
        try:
            response = self._client.post(
                COMPLETIONS, body=dialect.body_of(request), cast_to=httpx2.Response, options=WITH_KEY
            )
        except SDK_FAILURES as error:
            return self._complaint(error)
        return self._read(request, response)

    def close(self) -> None:
        self._client.close()

    def _learn(self, model: str, used: Dialect, complaint: Complaint) -> bool:
        """True when the request is worth sending again, in another dialect."""
        learned = used.after(complaint.status, complaint.param, complaint.message)
        if learned is None:
            return False
        with self._lock:
            known = self._dialects.get(model, Dialect())
            self._dialects[model] = known.merge(learned)
        if known.merge(learned) != known:
            self._on_notice(f"endpoint {self._name!r}, model {model!r}: {learned.difference(used)}")
        return True

    def _complaint(self, error: Exception) -> Complaint:
        if isinstance(error, openai.APIStatusError):
            return complaint_of_status(
                error.status_code,
                error.message,
                self._mask,
                param=str(error.param or ""),
                code=str(error.code or ""),
                retry_after=error.response.headers.get("retry-after", ""),
                date=error.response.headers.get("date", ""),
            )
        if isinstance(error, openai.APITimeoutError):
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                return unreached("no connection in time")
            return timed_out()
        if isinstance(error, openai.APIConnectionError):
            cause = one_line(str(error.__cause__ or error), self._mask)
            return broken_off(cause) if isinstance(error.__cause__, BROKEN_OFF) else unreached(cause)
        quote = one_line(f"{error.__class__.__name__}: {error}", self._mask)
        return garbled(f"the endpoint's answer cannot be read: {quote}")

    def _read(self, request: ChatRequest, response: httpx2.Response) -> ChatReply:
        """Raises ModelUnavailable for what is no chat completion, RequestRefused for a model's refusal."""
        completion = _json_of(response)
        choices = _member(completion, "choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = _member(choice, "message")
        content = _member(message, "content")
        if not isinstance(message, dict) or not isinstance(content, str | None):
            raise self._garbled(request, response)
        text, refusal = content or "", _member(message, "refusal")
        if refusal and not text:
            raise self._refused(request, str(refusal))
        usage, is_estimated = _usage(request, completion, text)
        return ChatReply(
            text=self._mask.hide_in(text),
            usage=usage,
            is_estimated=is_estimated,
            finish_reason=self._mask.hide_in(str(_member(choice, "finish_reason") or "stop")),
            model=self._mask.hide_in(str(_member(completion, "model") or request.model)),
        )

    def _garbled(self, request: ChatRequest, response: httpx2.Response) -> ModelError:
        quote = one_line(response.text, self._mask)[:120]
        what = f"the endpoint answered with something that is no chat completion: {quote!r}"
        return to_model_error(garbled(what), self._where(request.model))

    def _refused(self, request: ChatRequest, reason: str) -> ModelError:
        quote = one_line(reason, self._mask)[:120]
        return to_model_error(refused(f"the model refused: {quote!r}"), self._where(request.model))

    def _where(self, model: str) -> str:
        url = self._client.base_url.copy_with(username=None, password=None, query=None, fragment=None)
        return f"endpoint {self._name!r} at {url}" + (f", model {model!r}" if model else "")


def _open_client(
    base_url: str, api_key: Secret, timeout_seconds: float, http_client: Any
) -> openai.OpenAI | None:
    """None when an address cannot be read; what the HTTP library says of it may quote a password."""
    try:
        return openai.OpenAI(
            base_url=base_url,
            api_key=api_key.reveal() or NO_KEY,
            timeout=openai.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
            max_retries=0,
            http_client=http_client or bounded_client(timeout_seconds),
        )
    except (httpx2.InvalidURL, ValueError, ImportError):  # ImportError: a kind of proxy without its package
        return None


def _json_of(response: httpx2.Response) -> object:
    """None for what is no JSON, whatever it calls itself."""
    try:
        value: object = response.json()
    except (ValueError, RecursionError):
        return None
    return value


def _member(value: object, name: str) -> object:
    """Of a JSON object; None where it has none of that name, or is none."""
    return value.get(name) if isinstance(value, dict) else None


def _usage(request: ChatRequest, completion: object, text: str) -> tuple[Usage, bool]:
    """As the endpoint says; where it says nothing, an estimate (True), so that budgets still hold."""
    counted = _member(completion, "usage")
    prompt, answer = _count(_member(counted, "prompt_tokens")), _count(_member(counted, "completion_tokens"))
    asked = "".join(message.content for message in request.messages)
    usage = Usage(
        prompt_tokens=count_tokens(asked) if prompt is None else prompt,
        completion_tokens=count_tokens(text) if answer is None else answer,
    )
    return usage, prompt is None or answer is None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
