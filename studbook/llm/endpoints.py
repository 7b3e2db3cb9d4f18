"""Model endpoints: the door for backends, the state that all calls share, and a probe.

`EndpointPool` limits concurrency and tracks whether endpoints respond. It sends a request once and checks
that the requested model replied; `client.py` handles retries and records.

`probe` makes one tiny call for `studbook doctor`. It bypasses the records on
purpose: a recorded answer says nothing about the endpoint's current state.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol, TypeVar, runtime_checkable

from studbook.errors import Cause, ModelError, ModelUnavailable, RequestRefused
from studbook.identity import derive_seed
from studbook.llm.contracts import (
    Backend,
    ChatCall,
    ChatReply,
    ChatRequest,
    Endpoint,
    Message,
    ModelNotice,
    NoticeKind,
    OnNotice,
    RoleModel,
    ToolCall,
    valid_text,
)
from studbook.llm.slots import Slots, Slowdown
from studbook.llm.thoughts import split_thoughts
from studbook.registry import Door

T = TypeVar("T")


class BackendKind(Protocol):
    """One kind of endpoint.

    `needs_key`: whether a key is required.
    """

    needs_key: bool

    def open(self, **settings: object) -> Backend:
        """The endpoint's settings: `name`, `base_url`, `api_key`, `timeout_seconds`, `stream`, `query`,
        `api_key_header`, `on_notice` and `secrets`.
        """
        ...

    def model_of(self, model: str, role: str) -> str:
        """The name of a role's model at the endpoint."""
        ...

    def version_of(self, model: str) -> str | None:
        """Identifies the program behind a model, if that is known."""
        ...


BACKEND = Door[BackendKind](
    "backend", ["open", "model_of", "version_of"], ["studbook.llm.backends", "studbook.testbed.backends"]
)


@runtime_checkable
class KnowsContext(Protocol):
    """A backend that can ask its endpoint for a model's context length."""

    def context_tokens_of(self, model: str) -> int | None:
        """Tokens that prompt and answer may have together; None if the endpoint does not say."""
        ...


def context_length(backend: Backend, model: str) -> int | None:
    """A model's context length in tokens, as its endpoint reports it; None if unknown. Raises nothing."""
    return backend.context_tokens_of(model) if isinstance(backend, KnowsContext) else None


class ModelServer(Protocol):
    """Serves as an endpoint over HTTP until it is closed."""

    base_url: str
    models: tuple[str, ...]

    @property
    def about(self) -> str:
        """One line about what it does on purpose; may be empty."""
        ...

    @property
    def counts(self) -> Mapping[str, int]: ...

    def serve_forever(self) -> None: ...

    def close(self) -> None: ...


SERVER = Door[ModelServer]("server", ["serve_forever", "close"], ["studbook.testbed.servers"])


SHORTEST_REPORTED_OUTAGE_SECONDS = 10.0

VERSION = re.compile(
    r"""(?: [-@:._] (?: latest | preview | v?\d{3,8} | \d{4}-\d{2}-\d{2} | \d{2}-\d{2} | v\d{1,2} ) )+ $""",
    re.VERBOSE,
)


def is_same_model(asked: str, answered: str) -> bool:
    """Compares names only, because what a server really runs cannot be observed.

    Providers may add a date to the name or drop the owner: `gpt-x` becomes `gpt-x-2026-01-31`, `owner/small`
    becomes `small`. Any other difference means a different model, perhaps substituted by a proxy. An endpoint
    that names no model is trusted.
    """
    return not answered.strip() or _family(asked) == _family(answered)


def _family(name: str) -> str:
    return VERSION.sub("", name.strip().lower().rsplit("/", 1)[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedCall:
    """A call with everything needed to answer it; `key` names its record."""

    call: ChatCall
    to: RoleModel
    request: ChatRequest
    key: str

    @property
    def role(self) -> str:
        return self.call.role

    @property
    def control(self) -> ChatRequest:
        """The control question for the role when `request` fails."""
        seed = derive_seed("control", self.call.seed)
        return self.to.resolve(ChatCall(role=self.role, messages=self.call.control, seed=seed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Since when there has been no usable answer: on a monotonic clock, and as time of day for the user."""

    began: float
    since: datetime


class Health:
    """Since when one model at one endpoint has not answered, and whether it ever did. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._silence: Silence | None = None
        self.has_answered = False

    def answered(self) -> Silence | None:
        """Records an answer of any kind; returns the silence that it ended."""
        with self._lock:
            ended, self._silence, self.has_answered = self._silence, None, True
            return ended

    def failed(self, began: float, since: datetime) -> Silence:
        """Records a failure; the first one after an answer starts a silence."""
        with self._lock:
            if self._silence is None:
                self._silence = Silence(began=began, since=since)
            return self._silence


class EndpointPool:
    """Thread-safe. `clock` counts seconds."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        roles: Iterable[RoleModel],
        *,
        strict_models: bool,
        on_notice: OnNotice,
        clock: Callable[[], float],
    ) -> None:
        self.clock = clock
        self._endpoints = dict(endpoints)
        self._slots = {name: Slots(endpoint.max_concurrent, clock) for name, endpoint in endpoints.items()}
        self._health = {(to.endpoint, to.model): Health() for to in roles}
        self._strict_models = strict_models
        self._on_notice = on_notice
        self._reported_models: set[tuple[str, str, str]] = set()
        self._lock = Lock()

    def send(
        self,
        call: ResolvedCall,
        request: ChatRequest,
        begin: Callable[[float], object],
        use: Callable[[ChatReply], T],
    ) -> T:
        """One attempt: what `use` makes of the reply. Raises ModelUnavailable, RequestRefused, ModelRejected.

        `begin` is called once a slot is free, with the seconds that the endpoint asked for silence, by its
        last Retry-After: it should wait so long. The slot is held until `use` returns. A reply that `use`
        finds broken off is no answer: an endpoint that gives nothing else is silent.
        """
        slots = self._slots[call.to.endpoint]
        with slots.hold() as slowdowns:
            begin(slots.pause_seconds)
            try:
                reply = self._complete(call, request, slots, slowdowns)
                slots.answered()
                used = use(self._checked(call, reply))
            except RequestRefused:
                self._answered(call)
                raise
            self._answered(call)
            return used

    def _checked(self, call: ResolvedCall, reply: ChatReply) -> ChatReply:
        self._check_model(call, reply)
        calls = tuple(
            ToolCall(name=valid_text(call.name), arguments=valid_text(call.arguments))
            for call in reply.tool_calls
        )
        return replace(reply, text=valid_text(reply.text), tool_calls=calls, recorded=False)

    def _complete(self, call: ResolvedCall, request: ChatRequest, slots: Slots, slowdowns: int) -> ChatReply:
        try:
            return self._endpoints[call.to.endpoint].backend.complete(request)
        except ModelUnavailable as error:
            if error.cause is Cause.LIMITED:
                slowdown = slots.limited(slowdowns, error.retry_after_seconds)
                if slowdown is not None and slowdown.is_first:
                    self.notify(NoticeKind.SLOWED, call, _in_words(slowdown))
            raise

    def failed(self, to: RoleModel, now: float) -> Silence:
        """Records an attempt without usable answer at `now` (of `clock`); returns the current silence."""
        return self._health[to.endpoint, to.model].failed(now, datetime.now(UTC))

    def has_answered(self, endpoint: str) -> bool:
        """Whether any model at the endpoint has answered since this client was created."""
        return any(health.has_answered for (name, _), health in self._health.items() if name == endpoint)

    def notify(
        self, kind: NoticeKind, call: ResolvedCall, message: str, *, attempt: int = 1, wait: float = 0.0
    ) -> None:
        notice = ModelNotice(
            kind=kind,
            role=call.role,
            endpoint=call.to.endpoint,
            model=call.to.model,
            key=call.key,
            attempt=attempt,
            wait_seconds=wait,
            message=message,
        )
        self._on_notice(notice)

    def _answered(self, call: ResolvedCall) -> None:
        ended = self._health[call.to.endpoint, call.to.model].answered()
        if ended is not None and (seconds := self.clock() - ended.began) >= SHORTEST_REPORTED_OUTAGE_SECONDS:
            self.notify(NoticeKind.RECOVERED, call, f"answers again after {seconds:.0f} s")

    def _check_model(self, call: ResolvedCall, reply: ChatReply) -> None:
        """Reports a reply from a different model once; raises ModelUnavailable if model names are strict."""
        if is_same_model(call.to.model, reply.model):
            return
        name = " ".join(valid_text(reply.model).split())[:100]
        message = (
            f"the reply says it is of model {name!r}, and {call.to.model!r} was asked for\n"
            f"endpoint {call.to.endpoint!r}\n"
            "a proxy may put in another model: name the one that answers, or another endpoint"
        )
        if self._strict_models:
            raise ModelUnavailable(message)
        other = (call.to.endpoint, call.to.model, name)
        with self._lock:
            is_new = other not in self._reported_models
            self._reported_models.add(other)
        if is_new:
            self.notify(NoticeKind.OTHER_MODEL, call, message)


def _in_words(slowdown: Slowdown) -> str:
    return (
        f"the endpoint limits the rate: {slowdown.now} instead of {slowdown.before} requests at once\n"
        "raised again as the endpoint allows; results do not depend on it"
    )


QUESTION = "What is 2 + 2? Answer with one short sentence."
PROBE_TOKENS = 512
FEWEST_PRINTABLE = 0.8
NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffd]")
"""Control and undecodable characters, which no model writes on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """`text` is one line if healthy, else three: what, where, what to do next."""

    role: str
    model: str
    is_healthy: bool
    text: str


def probe(role: str, to: RoleModel, backend: Backend) -> ProbeResult:
    """Makes one call, without retries."""
    call = ChatCall(
        role=role,
        messages=(Message(role="user", content=QUESTION),),
        seed=0,
        max_tokens=min(PROBE_TOKENS, to.max_tokens),
    )
    try:
        reply = backend.complete(to.resolve(call))
    except ModelError as error:
        return ProbeResult(role=role, model=to.model, is_healthy=False, text=str(error))
    text, thoughts = split_thoughts(reply.text)
    fault = _fault_of(replace(reply, text=text))
    if fault:
        where = f"endpoint {to.endpoint!r}, model {to.model!r}"
        return ProbeResult(
            role=role, model=to.model, is_healthy=False, text=f"{fault[0]}\n{where}\n{fault[1]}"
        )
    used = f"{reply.usage.prompt_tokens} + {reply.usage.completion_tokens} tokens"
    aloud = "; it thinks aloud, and its thoughts are removed from every reply" if thoughts else ""
    return ProbeResult(role=role, model=to.model, is_healthy=True, text=f"{to.model} answers ({used}){aloud}")


def _fault_of(reply: ChatReply) -> tuple[str, str] | None:
    """What is wrong with an answer, and what to do; None if it is readable text."""
    if not reply.text.strip():
        return (
            f"the model answered with an empty text (finish_reason {reply.finish_reason!r})",
            "raise max_tokens for this role (reasoning may have used them up), or take another model",
        )
    readable = sum(character.isprintable() or character.isspace() for character in reply.text)
    if readable < FEWEST_PRINTABLE * len(reply.text) or NO_TEXT.search(reply.text):
        return (
            f"the model answered with garbage: {reply.text[:60]!r}",
            "check the model's name, its chat template and its weights, or take another model",
        )
    return None
