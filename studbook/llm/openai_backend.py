"""Calls OpenAI-compatible endpoints; the only module that imports `openai`.

One request, one answer: no retries (the client's job), no redirects. Keys are masked in everything an
endpoint returns, in errors and replies, and no error chains the SDK's own. Errors have three lines (what,
where, what to do next). ModelUnavailable is worth a retry; RequestRefused means this request, ModelRejected
any request, cannot succeed.

The SDK sends requests and reports failures; bodies are built and parsed here. Its typed
`chat.completions.create` takes twice as long, validates nothing, and is made for many more fields. What an
endpoint refuses (a field, a schema, tools, unstreamed answers, a limit) is omitted or replaced, reported
once through `on_notice`, and remembered per model (`dialect`): what harnesses' requests taught, for
harnesses only. An answer's limit that does not fit the context beside the prompt is lowered to what the
endpoint's error leaves: see `fit_answer`.

The HTTP library restarts its timeouts with every byte, so a server that sends a blank now and then (some do,
to keep a connection open) could hold a call forever. So the body of an answer, but not its head, is limited
in time and size. A streamed answer may take longer as a whole, but not be silent for longer.
"""

import os
import re
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from studbook.certificates import OF_ENDPOINTS, find_stale
from studbook.errors import OF_THE_MACHINE, SpecError, remedy
from studbook.llm.answers import (
    ENDS_OF_CALLS,
    LENGTH,
    STOP,
    end_of,
    member,
    read_block,
    read_content,
    read_end,
    read_error,
    read_tool_calls,
)
from studbook.llm.complaints import (
    FLAGGED_STEP,
    Complaint,
    broken_off,
    complaint_of_status,
    garbled,
    limits_in,
    quote_line,
    refused,
    seconds_of,
    timed_out,
    to_model_error,
    unreached,
    wants_shorter_answer,
)
from studbook.llm.context import ask_context
from studbook.llm.contracts import ChatReply, ChatRequest, ToolCall
from studbook.llm.dialect import SEED, Dialect
from studbook.llm.echoes import MOST_WORDS
from studbook.llm.secrets import Mask, Secret
from studbook.llm.streaming import BrokenStreamError, is_stream, read_stream
from studbook.llm.usage import read_usage

MOST_BYTES = 64 * 1024 * 1024
STARTED = "studbook_started"


STREAM_LASTS = 10
"""A streamed answer may take so many times `timeout_seconds` as a whole."""
EVENTS = "text/event-stream"
LAST_EVENT = re.compile(rb"[\r\n]data: ?\[DONE\]\s*\Z")
"""At the start of a line: an answer may speak of it."""
TAIL_BYTES = 64


class BoundedStream(httpx2.SyncByteStream):
    """A body that raises ReadTimeout past the deadline, and ReadError past `MOST_BYTES`.

    A body of events ends with its last event: some servers leave the connection open.
    """

    def __init__(
        self,
        stream: httpx2.SyncByteStream,
        deadline: float,
        clock: Callable[[], float],
        *,
        has_events: bool = False,
    ) -> None:
        self._stream = stream
        self._deadline = deadline
        self._clock = clock
        self._has_events = has_events

    def __iter__(self) -> Iterator[bytes]:
        size, tail = 0, b"\n"
        for chunk in self._stream:
            size += len(chunk)
            if self._clock() > self._deadline:
                raise httpx2.ReadTimeout("the answer came too slowly")
            if size > MOST_BYTES:
                raise httpx2.ReadError(f"the answer is larger than {MOST_BYTES} bytes")
            yield chunk
            if self._has_events:
                tail = (tail + chunk)[-TAIL_BYTES:]
                if LAST_EVENT.search(tail):
                    return

    def close(self) -> None:
        self._stream.close()


def bounded_client(timeout_seconds: float, clock: Callable[[], float] = time.monotonic) -> httpx2.Client:
    """The SDK's own client (with proxies) without redirects; an answer takes at most `timeout_seconds`.

    A streamed one is bounded between its chunks by the HTTP library, and as a whole by STREAM_LASTS.
    """

    def begin(request: httpx2.Request) -> None:
        request.extensions[STARTED] = clock()

    def bound(response: httpx2.Response) -> None:
        has_events = response.headers.get("content-type", "").startswith(EVENTS)
        lasts = timeout_seconds * (STREAM_LASTS if has_events else 1)
        deadline = response.request.extensions[STARTED] + lasts
        assert isinstance(response.stream, httpx2.SyncByteStream)  # a sync client's
        response.stream = BoundedStream(response.stream, deadline, clock, has_events=has_events)

    return openai.DefaultHttpxClient(
        follow_redirects=False, event_hooks={"request": [begin], "response": [bound]}
    )


NO_KEY = "none"  # servers without keys ignore it; the SDK insists on one
CONNECT_SECONDS = 10.0
DEFAULT_URL = "https://api.openai.com/v1"
"""Set here, because the SDK would take one from the environment."""

BROKEN_OFF = (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError, httpx2.DecodingError)
"""Failures after the connection was established."""

COMPLETIONS = "/chat/completions"
MODELS = "/models"
WITH_KEY: Any = {"security": {"bearer_auth": True}}
"""Only the endpoint's key: the SDK would also look for an administrator's key."""
UNCACHED = {"Cache-Control": "no-cache"}
"""Sent where `seed` is not taken: two samples of one prompt must not be answered from a gateway's cache."""
ASK_SECONDS = 10.0
MOST_TRIES = 24
"""Requests in one call: each changes what is sent, so an endpoint can hardly ask for more."""

SDK_FAILURES = (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError)
"""Everything the SDK raises, also if an error body is not JSON or has an unexpected structure."""

FEWEST_ANSWER = 256
"""An answer's limit is not lowered further, whatever an endpoint says: then the prompt itself is too long."""
MARGIN = 16


def fit_answer(request: ChatRequest, complaint: Complaint) -> ChatRequest | None:
    """The request with an answer limit that fits the context, as far as the error tells; None if none does.

    The limit becomes what the context leaves beside the prompt, less MARGIN tokens. If the error does not
    tell the prompt's tokens, the limit is halved.
    """
    limits = limits_in(complaint.words)
    if limits.context is None or not (complaint.is_too_large or ANSWER_WORDS.search(complaint.words)):
        return None
    if limits.prompt is not None and "at least" not in complaint.words:
        limit = limits.context - limits.prompt - MARGIN
    elif ANSWER_WORDS.search(complaint.words):
        limit = request.max_tokens // 2
    else:
        return None
    return replace(request, max_tokens=limit) if FEWEST_ANSWER <= limit < request.max_tokens else None


ANSWER_WORDS = re.compile(r"completion|max_\w*tokens|output tokens", re.IGNORECASE)


class OpenAIBackend:
    """Implements `studbook.llm.contracts.Backend` over HTTP. Thread-safe; close it when done."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str | None,
        api_key: Secret,
        timeout_seconds: float = 120.0,
        stream: bool | None = None,
        query: Mapping[str, str] | None = None,
        api_key_header: str | None = None,
        http_client: Any = None,  # an httpx2.Client: tests pass one with their own transport
        on_notice: Callable[[str], None] = lambda message: None,
        secrets: Iterable[Secret] = (),
    ) -> None:
        """`secrets` are masked besides the key: keys of other endpoints, and other secrets that are sent.

        `stream` None: as the endpoint wants it. `query` is added to every address. `api_key_header`: the
        header for the key, instead of a bearer token.
        """
        self._name = name
        self._mask = Mask.of([api_key, *secrets])
        try:
            client = _open_client(
                base_url or DEFAULT_URL,
                api_key,
                timeout_seconds,
                http_client,
                query or {},
            )
        except OSError as error:
            stale = find_stale(os.environ, OF_ENDPOINTS)
            told = stale or f"cannot read the certificates ({error.strerror})"
            step = remedy(error) if error.errno in OF_THE_MACHINE else f"unset or correct {_names()}"
            raise SpecError(f"endpoint {name!r} cannot be set up: {told}\n{step}") from error
        if client is None:
            raise SpecError(
                f"endpoint {name!r} cannot be set up: its address, or that of a proxy, cannot be read\n"
                "fix base_url, or the environment's HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"
            )
        self._client = client
        self._headers: dict[str, Any] = {} if _is_openais(base_url) else _kept_from_others(api_key)
        if api_key_header is not None:
            self._headers |= {api_key_header: api_key.reveal() or NO_KEY, "Authorization": openai.Omit()}
        weakref.finalize(self, self._client.close)  # a dropped backend leaves no connection open
        self._on_notice = on_notice
        self._lock = Lock()
        self._plain = Dialect(streams=stream)
        self._dialects: dict[tuple[str, bool], Dialect] = {}  # of a model, and whether for harnesses
        self._told: set[tuple[str, str]] = set()
        self._contexts: dict[str, int | None] = {}

    def complete(self, request: ChatRequest) -> ChatReply:
        sent, refusal = request, None
        trials: list[Dialect] = []
        for _ in range(MOST_TRIES):
            known, trial = self._dialect(request), trials[-1] if trials else Dialect()
            dialect = known.merge(trial)
            answer = self._ask(sent, dialect)
            if isinstance(answer, ChatReply):
                answer = self._confirm(sent, trial, answer)
                limit = min(sent.max_tokens, dialect.most_answer)
                return replace(answer, limit_tokens=limit if limit < request.max_tokens else None)
            refusal = refusal if refusal is not None and trial.lessons else answer
            learned, simpler = self._lesson_of(dialect, answer, sent), known.on_trial(answer, sent, trials)
            if answer.is_worth_another_try and not learned and not simpler:
                raise to_model_error(answer, self._where(request.model))
            self._note_context(request, answer)
            if learned:
                self._adopt(request, learned)
                trials = []  # what was left out on trial may not have been at fault
            elif fitting := fit_answer(sent, answer):
                sent = fitting
            elif simpler:
                trials.append(simpler)
            else:
                break
        assert refusal is not None
        raise to_model_error(refusal, self._where(request.model))

    def _confirm(self, request: ChatRequest, trial: Dialect, reply: ChatReply) -> ChatReply:
        """What a trial taught is kept only if the request as it was is refused once more.

        A refusal that passes by itself would otherwise change all later requests, and so results.
        """
        known = self._dialect(request)
        if not trial.lessons:
            self._adopt(request, known.after_answer(request))
            return reply
        again = self._ask(request, known)
        if isinstance(again, ChatReply):
            self._adopt(request, known.after_answer(request))
            return again
        if again.is_worth_another_try and not known.on_trial(again, request):
            raise to_model_error(again, self._where(request.model))
        self._adopt(request, trial)
        return reply

    def context_tokens_of(self, model: str) -> int | None:
        """Implements `studbook.llm.endpoints.KnowsContext`; asks once per model."""
        with self._lock:
            if model in self._contexts:
                return self._contexts[model]
        is_local = self._client.base_url.scheme == "http"
        found = ask_context(self._json_at(MODELS), model, self._json_at_root, is_local=is_local)
        with self._lock:
            return self._contexts.setdefault(model, found)

    def close(self) -> None:
        self._client.close()

    def _ask(self, request: ChatRequest, dialect: Dialect) -> ChatReply | Complaint:
        """Stops the SDK's errors, because they contain the request with its key and the raw answer."""
        uncached = UNCACHED if SEED in dialect.lessons else {}
        options: Any = {**WITH_KEY, "headers": {**self._headers, **uncached}}
        try:
            response = self._client.post(
                COMPLETIONS, body=dialect.body_of(request), cast_to=httpx2.Response, options=options
            )
        except SDK_FAILURES as error:
            return self._complaint(error, request)
        return self._read(request, response, min(request.max_tokens, dialect.most_answer))

    def _json_at(self, address: str, body: Mapping[str, Any] | None = None) -> object:
        """None for any failure: what is asked here, no answer depends on."""
        options: Any = {**WITH_KEY, "headers": self._headers, "timeout": ASK_SECONDS}
        try:
            if body is None:
                return _json_of(self._client.get(address, cast_to=httpx2.Response, options=options))
            return _json_of(self._client.post(address, body=body, cast_to=httpx2.Response, options=options))
        except SDK_FAILURES:
            return None

    def _json_at_root(self, path: str, body: Mapping[str, Any] | None) -> object:
        url = self._client.base_url
        root = re.sub(r"(/api)?/v\d+/?$", "", url.path).rstrip("/")
        return self._json_at(str(url.copy_with(path=root + path, query=None)), body)

    def _dialect(self, request: ChatRequest) -> Dialect:
        """Harnesses' requests use what the others taught, and not the other way around."""
        known = self._dialects.get((request.model, False), self._plain)
        return (
            known.merge(self._dialects.get((request.model, True), known)) if request.from_harness else known
        )

    def _lesson_of(self, used: Dialect, complaint: Complaint, request: ChatRequest) -> Dialect | None:
        """The new lesson alone; None if there is none in the complaint."""
        limit = None if used.sends_harness_schema(request) else limits_in(complaint.words).answer
        if limit is None and not request.from_harness and wants_shorter_answer(complaint.words):
            limit = min(request.max_tokens, used.most_answer) // 2
        if limit is not None and complaint.status in {400, 416, 422} and limit < request.max_tokens:
            is_new = FEWEST_ANSWER <= limit < used.most_answer
            learned = used.with_most_answer(limit) if is_new else None
        else:
            learned = used.after(complaint, request)
        return None if learned is None else Dialect(learned.lessons - used.lessons)

    def _adopt(self, request: ChatRequest, lessons: Dialect) -> None:
        """Remembers what is new, and tells it once."""
        with self._lock:
            known = self._dialect(request)
            merged = known.merge(lessons)
            if merged == known:
                return
            self._dialects[request.model, request.from_harness] = merged
            what = merged.difference(known)
            is_told = not what or (request.model, what) in self._told
            self._told.add((request.model, what))
        if not is_told:
            self._on_notice(f"endpoint {self._name!r}, model {request.model!r}: {what}")

    def _note_context(self, request: ChatRequest, complaint: Complaint) -> None:
        if request.from_harness or not complaint.is_too_large:
            return
        if (found := limits_in(complaint.words).context) is not None:
            with self._lock:
                self._contexts[request.model] = found

    def _complaint(self, error: Exception, request: ChatRequest) -> Complaint:
        if isinstance(error, openai.APIStatusError):
            body = _json_of(error.response)
            words = read_error(error.response.text[:MOST_WORDS] if body is None else body)
            headers = error.response.headers
            return complaint_of_status(
                error.status_code,
                words.message or error.message,
                self._mask,
                request=request,
                param=words.param or str(error.param or ""),
                code=words.code or str(error.code or ""),
                retry_after_seconds=_retry_after(headers),
            )
        if isinstance(error, openai.APITimeoutError):
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                return unreached("no connection in time")
            return timed_out()
        if isinstance(error, openai.APIConnectionError):
            cause = quote_line(str(error.__cause__ or error), self._mask)
            if "CERTIFICATE" in cause and (stale := find_stale(os.environ, OF_ENDPOINTS)):
                cause = f"{cause} ({stale})"
            return broken_off(cause) if isinstance(error.__cause__, BROKEN_OFF) else unreached(cause)
        quote = quote_line(f"{error.__class__.__name__}: {error}", self._mask)
        return garbled(f"the endpoint's answer cannot be read: {quote}")

    def _read(self, request: ChatRequest, response: httpx2.Response, limit: int) -> ChatReply | Complaint:
        """A complaint if it is no chat completion, or the model's or a filter's refusal.

        Without a finish reason, an answer that used its `limit` of tokens ended there.
        """
        try:
            completion = read_stream(response.text) if is_stream(response.text) else _json_of(response)
        except BrokenStreamError as error:
            return broken_off(quote_line(str(error), self._mask))
        choices = member(completion, "choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = member(choice, "message")
        if failed := member(choice, "error") or member(completion, "error") or member(message, "error"):
            return self._failed(failed, request)
        content = read_content(message)
        if content is None:
            if block := read_block(completion):
                quote = quote_line(block, self._mask)
                return refused(f"a filter withheld the answer: {quote}", next_step=FLAGGED_STEP)
            quote = quote_line(response.text, self._mask)[:120]
            return garbled(f"the endpoint answered with something that is no chat completion: {quote!r}")
        calls = tuple(
            ToolCall(name=self._mask.hide_in(call.name), arguments=self._mask.hide_in(call.arguments))
            for call in read_tool_calls(message)
        )
        refusal = member(message, "refusal")
        if refusal and not content.text and not calls:
            return refused(f"the model refused: {quote_line(str(refusal), self._mask)[:120]!r}")
        written = content.text + content.thoughts + "".join(call.name + call.arguments for call in calls)
        counted = read_usage(request, member(completion, "usage"), written)
        reason = read_end(completion, choice)
        is_full = reason is None and not counted.is_estimated and counted.usage.completion_tokens >= limit
        end = LENGTH if is_full else end_of(reason)
        return ChatReply(
            text=self._mask.hide_in(content.text),
            thoughts=self._mask.hide_in(content.thoughts),
            tool_calls=calls,
            usage=counted.usage,
            is_estimated=counted.is_estimated,
            is_prompt_estimated=counted.is_prompt_estimated,
            finish_reason=STOP if calls and end in ENDS_OF_CALLS else self._mask.hide_in(end),
            model=self._mask.hide_in(str(member(completion, "model") or request.model)),
        )

    def _failed(self, error: object, request: ChatRequest) -> Complaint:
        """An error in a response with status 200, with or without a text; the text is not an answer."""
        words = read_error(error)
        status = int(words.code) if words.code.isdigit() and 400 <= int(words.code) < 600 else 502
        return complaint_of_status(
            status,
            words.message or "an error",
            self._mask,
            request=request,
            param=words.param,
            code=words.code,
        )

    def _where(self, model: str) -> str:
        url = self._client.base_url.copy_with(username=None, password=None, query=None, fragment=None)
        return f"endpoint {self._name!r} at {url}" + (f", model {model!r}" if model else "")


def _is_openais(base_url: str | None) -> bool:
    """Whether the SDK's variables OPENAI_… are meant for this address."""
    parts = urlsplit(base_url or DEFAULT_URL)
    is_own = parts.scheme == "https" and f".{parts.hostname}".endswith(".api.openai.com")
    return is_own or base_url == os.environ.get("OPENAI_BASE_URL")


def _kept_from_others(api_key: Secret) -> dict[str, Any]:
    """Removes the headers that the SDK adds from the environment: they may hold keys of another endpoint."""
    removed: dict[str, Any] = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n"):
        name, colon, _ = line.partition(":")
        if colon:
            is_our_place = name.strip().lower() == "authorization"
            removed[name.strip()] = f"Bearer {api_key.reveal() or NO_KEY}" if is_our_place else openai.Omit()
    return removed


def _names() -> str:
    return " or ".join(OF_ENDPOINTS)


def _open_client(
    base_url: str, api_key: Secret, timeout_seconds: float, http_client: Any, query: Mapping[str, str]
) -> openai.OpenAI | None:
    """None if an address is invalid; the HTTP library's message may quote a password."""
    try:
        return openai.OpenAI(
            base_url=base_url,
            api_key=api_key.reveal() or NO_KEY,
            timeout=openai.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
            max_retries=0,
            default_query=dict(query),
            http_client=http_client or bounded_client(timeout_seconds),
        )
    except (httpx2.InvalidURL, ValueError, ImportError):  # ImportError: a kind of proxy without its package
        return None


def _retry_after(headers: httpx2.Headers) -> float | None:
    """In seconds, from whichever header says it; None if none does."""
    in_milliseconds = seconds_of(headers.get("retry-after-ms", ""))
    if in_milliseconds is not None:
        return in_milliseconds / 1000
    return seconds_of(headers.get("retry-after", ""), headers.get("date", ""))


def _json_of(response: httpx2.Response) -> object:
    """None if the body is not JSON, regardless of its content type."""
    try:
        value: object = response.json()
    except (ValueError, RecursionError):
        return None
    return value
