"""Calls OpenAI-compatible endpoints; the only module that imports `openai`.

One request, one answer: no streaming, no retries (the client's job), no redirects. Keys are masked in
everything an endpoint returns, in errors and replies, and no error chains the SDK's own. Errors have three
lines (what, where, what to do next). ModelUnavailable is worth a retry; RequestRefused means this request,
ModelRejected any request, cannot succeed.

The SDK sends requests and reports failures; bodies are built and parsed here. Its typed
`chat.completions.create` takes twice as long, validates nothing, and is made for many more fields. Fields
that an endpoint does not understand (`seed`, `response_format`, `temperature`, `max_tokens`) are omitted or
renamed once, reported through `on_notice`, and remembered per model (`Dialect`).

The HTTP library restarts its timeouts with every byte, so a server that sends a blank now and then (some do,
to keep a connection open) could hold a call forever. So the body of an answer, but not its head, is limited
in time and size.
"""

import re
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any

import httpx2
import openai

from studbook.errors import Cause, ModelError, ModelRejected, ModelUnavailable, RequestRefused, SpecError
from studbook.llm.answers import end_of, read_content, read_error
from studbook.llm.contracts import ChatReply, ChatRequest, Message, Usage, count_tokens
from studbook.llm.secrets import MASK, Mask, Secret

LONGEST_QUOTE = 300
MOST_WORDS = 10_000
"""Characters of an error's body that are looked at, where it is no JSON."""
KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key)-[\w*.\-]{4,}|\bBearer\s+\S+", re.IGNORECASE)
SDK_PREFIX = re.compile(r"^Error code: \d+ - ")
THIS_REQUEST = {400, 413, 422}
WORTH_ANOTHER_TRY = {408, 409, 425, 429}
TOO_LARGE = re.compile(
    r"(request|input|prompt|payload|body|entity)s? (is |was )?too (large|long|big)"
    r"|too (large|long) for (the|this) (model|context)|tokens? must be reduced"
    r"|reduce (the|your) (length|size|number)|maximum context length"
    r"|exceed\w* (the |this |its |your )?(model's |models |available |maximum |max )*"
    r"(context|token limit|input limit)|context[ _](length|window|size)[ _](is |was )?exceed",
    re.IGNORECASE,
)
"""Errors about the size of a request, which waiting does not fix, whatever their status (429, 500)."""
SPENT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}

NEXT_STEP = {
    400: "the endpoint cannot take this request: if it is too long, shorten papers or take another model",
    401: "the key is wrong or missing: set OPENAI_API_KEY in the environment or in .env, or the variable "
    "that the endpoint's api_key_env names",
    402: "the account cannot pay: add credit, or name another endpoint in the spec",
    403: "this key may not use this model: check the account's rights, or name another model in the spec",
    404: "no such model or path here: check the model's name and the base URL (it usually ends in /v1)",
    413: "the request is too large for this endpoint: shorten papers or take another endpoint",
    422: "the endpoint cannot take this request: check the role's settings in the spec",
    429: "the endpoint limits the rate: lower the endpoint's concurrency, or wait",
}
NOT_REACHED = "check OPENAI_BASE_URL or base_url, and that the server runs and can be reached from here"
TOO_SLOW = "raise the endpoint's timeout_seconds, or lower its concurrency"
SERVER_ERROR = "the server failed on its own side: wait and resume, or name another endpoint in the spec"
SPENT_STEP = "the account's quota is spent: add credit, or name another endpoint in the spec"
GARBLED = "check that the base URL is an OpenAI-compatible API (it usually ends in /v1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """`status` 0: no answer from the endpoint; `message` is one line, without secrets."""

    status: int
    message: str
    next_step: str
    param: str = ""
    code: str = ""
    retry_after_seconds: float | None = None
    cause: Cause = Cause.OTHER

    @property
    def is_about_request(self) -> bool:
        """Whether the same request would fail again while others may succeed."""
        return self.status in THIS_REQUEST or TOO_LARGE.search(self.message) is not None

    @property
    def is_worth_another_try(self) -> bool:
        if self.code in SPENT or TOO_LARGE.search(self.message):
            return False
        return self.status == 0 or self.status in WORTH_ANOTHER_TRY or self.status >= 500


def to_model_error(complaint: Complaint, where: str) -> ModelError:
    """`where` names endpoint and model."""
    text = f"{complaint.message}\n{where}\n{complaint.next_step}"
    if complaint.is_worth_another_try:
        return ModelUnavailable(
            text, retry_after_seconds=complaint.retry_after_seconds, cause=complaint.cause
        )
    refused_for = RequestRefused if complaint.is_about_request else ModelRejected
    return refused_for(text, status=complaint.status)


def complaint_of_status(
    status: int,
    message: str,
    mask: Mask,
    *,
    param: str = "",
    code: str = "",
    retry_after: str = "",
    date: str = "",
) -> Complaint:
    """An answer with an HTTP status of 400 or more (or a redirect, which is not followed).

    `retry_after` and `date` are its headers of these names.
    """
    if code in SPENT:
        step = SPENT_STEP
    elif TOO_LARGE.search(message):
        step = NEXT_STEP[413]
    elif status >= 500:
        step = SERVER_ERROR
    else:
        step = NEXT_STEP.get(status, GARBLED)
    return Complaint(
        status=status,
        message=f"the endpoint answered HTTP {status}: {quote_line(SDK_PREFIX.sub('', message), mask)}",
        next_step=step,
        param=param,
        code=code,
        retry_after_seconds=seconds_of(retry_after, date),
        cause=Cause.LIMITED if status == 429 else Cause.OTHER,
    )


def unreached(cause: str) -> Complaint:
    what = f"the endpoint cannot be reached: {cause}"
    return Complaint(status=0, message=what, next_step=NOT_REACHED, cause=Cause.UNREACHED)


def broken_off(cause: str) -> Complaint:
    return Complaint(status=0, message=f"the endpoint broke the answer off: {cause}", next_step=SERVER_ERROR)


def timed_out() -> Complaint:
    what = "the endpoint did not answer in time"
    return Complaint(status=0, message=what, next_step=TOO_SLOW, cause=Cause.TIMEOUT)


def garbled(message: str) -> Complaint:
    return Complaint(status=0, message=message, next_step=GARBLED, cause=Cause.GARBLED)


def refused(message: str) -> Complaint:
    """A refusal by the model itself, in an answer with status 200."""
    return Complaint(status=400, message=message, next_step=NEXT_STEP[400])


def quote_line(text: str, mask: Mask) -> str:
    """A short quotation for a message, without line breaks and keys."""
    flat = " ".join(KEY_LIKE.sub(MASK, mask.hide_in(text)).split())
    return flat if len(flat) <= LONGEST_QUOTE else flat[:LONGEST_QUOTE] + "…"


def seconds_of(retry_after: str, date: str = "") -> float | None:
    """Retry-After in seconds. A date is relative to the Date header of the same answer."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return _seconds_between(date, retry_after)
    return seconds if 0.0 <= seconds < float("inf") else None


def _seconds_between(start: str, end: str) -> float | None:
    try:
        seconds = (parsedate_to_datetime(end) - parsedate_to_datetime(start)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # not a date, or one of them without a time zone
        return None
    return max(0.0, seconds)


MOST_BYTES = 64 * 1024 * 1024
STARTED = "studbook_started"


class BoundedStream(httpx2.SyncByteStream):
    """A body that raises ReadTimeout past the deadline, and ReadError past `MOST_BYTES`."""

    def __init__(self, stream: httpx2.SyncByteStream, deadline: float, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._deadline = deadline
        self._clock = clock

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if self._clock() > self._deadline:
                raise httpx2.ReadTimeout("the answer came too slowly")
            if size > MOST_BYTES:
                raise httpx2.ReadError(f"the answer is larger than {MOST_BYTES} bytes")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def bounded_client(timeout_seconds: float, clock: Callable[[], float] = time.monotonic) -> httpx2.Client:
    """The SDK's own client (with proxies) without redirects; an answer takes at most `timeout_seconds`."""

    def begin(request: httpx2.Request) -> None:
        request.extensions[STARTED] = clock()

    def bound(response: httpx2.Response) -> None:
        deadline = response.request.extensions[STARTED] + timeout_seconds
        assert isinstance(response.stream, httpx2.SyncByteStream)  # a sync client's
        response.stream = BoundedStream(response.stream, deadline, clock)

    return openai.DefaultHttpxClient(
        follow_redirects=False, event_hooks={"request": [begin], "response": [bound]}
    )


OPTIONAL_FIELDS = ("seed", "response_format", "temperature")
NO_SYSTEM = re.compile(
    r"system[ _](role|message|prompt|instruction)s?\b.{0,40}\b(not|un|no longer)"
    r"|(not|unsupported|unknown|invalid|unexpected).{0,40}\bsystem\b"
    r"|roles must alternate|only user and assistant",
    re.IGNORECASE,
)
"""The error of a chat template without a system role."""
TOO_LONG_NAME = re.compile(r"max_completion_tokens")
NOT_UNDERSTOOD = re.compile(
    r"unsupported|not supported|(does|do) not support|doesn't support|unknown|unrecogni[sz]ed|unexpected"
    r"|not permitted|not allowed|extra (fields|inputs)|invalid (parameter|argument|field)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The omitted fields, and the limit's name: `max_tokens`, newer models `max_completion_tokens`.

    Without `has_system` the system message is put in front of the first user message.
    """

    left_out: frozenset[str] = frozenset()
    limit_field: str = "max_tokens"
    has_system: bool = True

    def body_of(self, request: ChatRequest) -> dict[str, Any]:
        """The request's fields in the form that the endpoint expects."""
        fields: dict[str, Any] = {"seed": request.seed, "temperature": request.temperature}
        if request.json_mode and _mentions_json(request):
            fields["response_format"] = {"type": "json_object"}
        kept = {name: value for name, value in fields.items() if name not in self.left_out}
        messages = request.messages if self.has_system else _without_system(request.messages)
        return {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            self.limit_field: request.max_tokens,
            **kept,
            **request.extra_body,
        }

    def after(self, status: int, param: str, message: str) -> "Dialect | None":
        """The dialect to try after a refusal; None if the refusal is about something else."""
        if status not in {400, 422}:
            return None
        if self.limit_field == "max_tokens" and TOO_LONG_NAME.search(message):
            return replace(self, limit_field="max_completion_tokens")
        if self.has_system and NO_SYSTEM.search(message):
            return replace(self, has_system=False)
        for field in OPTIONAL_FIELDS:
            is_named = param == field or re.search(rf"\b{field}\b", message)
            # any complaint about response_format counts: only json_object is ever sent
            is_refused = field == "response_format" or NOT_UNDERSTOOD.search(message)
            if field not in self.left_out and is_named and is_refused:
                return replace(self, left_out=self.left_out | {field})
        return None

    def merge(self, other: "Dialect") -> "Dialect":
        """Combines what both have learned."""
        limit = other.limit_field if self.limit_field == "max_tokens" else self.limit_field
        return Dialect(
            left_out=self.left_out | other.left_out,
            limit_field=limit,
            has_system=self.has_system and other.has_system,
        )

    def difference(self, before: "Dialect") -> str:
        """One line for the user: what changed."""
        if self.limit_field != before.limit_field:
            return f"wants {self.limit_field!r} instead of {before.limit_field!r}; sent so from now on"
        if self.has_system != before.has_system:
            return "has no system role; its text is put in front of the first user message from now on"
        names = ", ".join(sorted(self.left_out - before.left_out))
        return f"does not understand {names!r}; left out from now on"


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The system message in front of the first user message."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    rest = [message for message in messages if message.role != "system"]
    if not system:
        return rest
    if rest and rest[0].role == "user":
        return [replace(rest[0], content=f"{system}\n\n{rest[0].content}"), *rest[1:]]
    return [Message(role="user", content=system), *rest]


def _mentions_json(request: ChatRequest) -> bool:
    """OpenAI refuses json_object unless a message contains the word; then the field would not help anyway."""
    return any("json" in message.content.lower() for message in request.messages)


CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that the HTTP library reads."""
NO_KEY = "none"  # servers without keys ignore it; the SDK insists on one
CONNECT_SECONDS = 10.0
DEFAULT_URL = "https://api.openai.com/v1"
"""Set here, because the SDK would take one from the environment."""

BROKEN_OFF = (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError, httpx2.DecodingError)
"""Failures after the connection was established."""

COMPLETIONS = "/chat/completions"
WITH_KEY: Any = {"security": {"bearer_auth": True}}
"""Only the endpoint's key: the SDK would also look for an administrator's key."""

SDK_FAILURES = (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError)
"""Everything the SDK raises, also if an error body is not JSON or has an unexpected structure."""


class OpenAIBackend:
    """Implements `studbook.llm.contracts.Backend` over HTTP. Thread-safe; close it when done."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str | None,
        api_key: Secret,
        timeout_seconds: float = 120.0,
        http_client: Any = None,  # an httpx2.Client: tests pass one with their own transport
        on_notice: Callable[[str], None] = lambda message: None,
        secrets: Iterable[Secret] = (),
    ) -> None:
        """`secrets` are masked besides the key: keys of other endpoints, and other secrets that are sent."""
        self._name = name
        self._mask = Mask.of([api_key, *secrets])
        try:
            client = _open_client(base_url or DEFAULT_URL, api_key, timeout_seconds, http_client)
        except OSError as error:
            raise SpecError(
                f"endpoint {name!r} cannot be set up: cannot read the certificates ({error.strerror})\n"
                f"unset or correct {' or '.join(CERTIFICATES)}"
            ) from error
        if client is None:
            raise SpecError(
                f"endpoint {name!r} cannot be set up: its address, or that of a proxy, cannot be read\n"
                "mend base_url, or the environment's HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"
            )
        self._client = client
        weakref.finalize(self, self._client.close)  # a dropped backend leaves no connection open
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
        """Stops the SDK's errors, because they contain the request with its key and the raw answer."""
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
        """True if the request is worth sending again, in a different dialect."""
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
            body = _json_of(error.response)
            words = read_error(error.response.text[:MOST_WORDS] if body is None else body)
            return complaint_of_status(
                error.status_code,
                words.message or error.message,
                self._mask,
                param=words.param or str(error.param or ""),
                code=words.code or str(error.code or ""),
                retry_after=error.response.headers.get("retry-after", ""),
                date=error.response.headers.get("date", ""),
            )
        if isinstance(error, openai.APITimeoutError):
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                return unreached("no connection in time")
            return timed_out()
        if isinstance(error, openai.APIConnectionError):
            cause = quote_line(str(error.__cause__ or error), self._mask)
            return broken_off(cause) if isinstance(error.__cause__, BROKEN_OFF) else unreached(cause)
        quote = quote_line(f"{error.__class__.__name__}: {error}", self._mask)
        return garbled(f"the endpoint's answer cannot be read: {quote}")

    def _read(self, request: ChatRequest, response: httpx2.Response) -> ChatReply | Complaint:
        """Raises ModelUnavailable if it is not a chat completion, RequestRefused for a model's refusal."""
        completion = _json_of(response)
        choices = _member(completion, "choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if failed := _member(choice, "error") or _member(completion, "error"):
            return self._failed(failed)
        message = _member(choice, "message")
        content = read_content(message)
        if content is None:
            raise self._garbled(request, response)
        refusal = _member(message, "refusal")
        if refusal and not content.text:
            raise self._refused(request, str(refusal))
        usage, is_estimated = _usage(request, completion, content.text + content.thoughts)
        return ChatReply(
            text=self._mask.hide_in(content.text),
            thoughts=self._mask.hide_in(content.thoughts),
            usage=usage,
            is_estimated=is_estimated,
            finish_reason=self._mask.hide_in(end_of(_member(choice, "finish_reason"))),
            model=self._mask.hide_in(str(_member(completion, "model") or request.model)),
        )

    def _failed(self, error: object) -> Complaint:
        """An error in a response with status 200, with or without a text; the text is not an answer."""
        words = read_error(error)
        status = int(words.code) if words.code.isdigit() and 400 <= int(words.code) < 600 else 502
        return complaint_of_status(
            status, words.message or "an error", self._mask, param=words.param, code=words.code
        )

    def _garbled(self, request: ChatRequest, response: httpx2.Response) -> ModelError:
        quote = quote_line(response.text, self._mask)[:120]
        what = f"the endpoint answered with something that is no chat completion: {quote!r}"
        return to_model_error(garbled(what), self._where(request.model))

    def _refused(self, request: ChatRequest, reason: str) -> ModelError:
        quote = quote_line(reason, self._mask)[:120]
        return to_model_error(refused(f"the model refused: {quote!r}"), self._where(request.model))

    def _where(self, model: str) -> str:
        url = self._client.base_url.copy_with(username=None, password=None, query=None, fragment=None)
        return f"endpoint {self._name!r} at {url}" + (f", model {model!r}" if model else "")


def _open_client(
    base_url: str, api_key: Secret, timeout_seconds: float, http_client: Any
) -> openai.OpenAI | None:
    """None if an address is invalid; the HTTP library's message may quote a password."""
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
    """None if the body is not JSON, regardless of its content type."""
    try:
        value: object = response.json()
    except (ValueError, RecursionError):
        return None
    return value


def _member(value: object, name: str) -> object:
    """A member of a JSON object; None if it has none of that name or is not an object."""
    return value.get(name) if isinstance(value, dict) else None


def _usage(request: ChatRequest, completion: object, text: str) -> tuple[Usage, bool]:
    """The usage reported by the endpoint, else an estimate (True), so that budgets still hold."""
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
