"""What all calls of one client share: endpoints and their slots, their health, time, and whom to tell.

Sends one request once. Does not try again and keeps no records.

Whether an endpoint's model answers at present: since when it does not, and whether it ever did.

Remembers times it is told, reads no clock, judges nothing.

Is the model that answered the one that was asked? Names only; what a server really runs nobody can see.

Providers answer with a dated name, or without the owner's: `gpt-x` becomes `gpt-x-2026-01-31`, `owner/small`
becomes `small`. A name that differs otherwise is another model, perhaps put in silently by a proxy.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import BoundedSemaphore, Lock

from studbook.errors import ModelUnavailable, RequestRefused
from studbook.llm.contracts import (
    ChatReply,
    ChatRequest,
    Endpoint,
    ModelNotice,
    NoticeKind,
    OnNotice,
    RoleModel,
    valid_text,
)
from studbook.llm.retry import RetryPolicy

VERSION = re.compile(
    r"""(?: [-@:._] (?: latest | preview | v?\d{3,8} | \d{4}-\d{2}-\d{2} | \d{2}-\d{2} | v\d{1,2} ) )+ $""",
    re.VERBOSE,
)


def is_same_model(asked: str, answered: str) -> bool:
    """An endpoint that names no model is believed."""
    return not answered.strip() or _family(asked) == _family(answered)


def _family(name: str) -> str:
    return VERSION.sub("", name.strip().lower().rsplit("/", 1)[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """No usable answer from then on: seconds of a steady clock, and the time of day for people."""

    began: float
    since: datetime


class Health:
    """Of one model at one endpoint. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._silence: Silence | None = None
        self._has_answered = False

    @property
    def has_answered(self) -> bool:
        return self._has_answered

    def answered(self) -> Silence | None:
        """An answer came, of whatever kind; returns the silence that it ended."""
        with self._lock:
            ended, self._silence, self._has_answered = self._silence, None, True
            return ended

    def failed(self, began: float, since: datetime) -> Silence:
        """No usable answer; the first one after an answer begins the silence."""
        with self._lock:
            if self._silence is None:
                self._silence = Silence(began=began, since=since)
            return self._silence


WORTH_TELLING_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedCall:
    """A call with all that is needed to answer it; `control` is what its role is asked when it fails."""

    role: str
    to: RoleModel
    request: ChatRequest
    control: ChatRequest
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a client is given. `clock` counts seconds, `now` tells the time of day."""

    retry: RetryPolicy
    on_notice: OnNotice
    sleep: Callable[[float], object]
    clock: Callable[[], float]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    strict_models: bool = False


class Desk:
    """Thread-safe."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        roles: Iterable[RoleModel],
        around: Surroundings,
    ) -> None:
        self.around = around
        self._endpoints = dict(endpoints)
        self._slots = {name: BoundedSemaphore(e.max_concurrent) for name, e in endpoints.items()}
        self._health = {(to.endpoint, to.model): Health() for to in roles}
        self._strangers: set[tuple[str, str, str]] = set()
        self._lock = Lock()

    def health_of(self, to: RoleModel) -> Health:
        return self._health[to.endpoint, to.model]

    def has_answered(self, endpoint: str) -> bool:
        """Has any model there answered anything since this client was made?"""
        return any(health.has_answered for (name, _), health in self._health.items() if name == endpoint)

    def send(self, call: ResolvedCall, request: ChatRequest) -> ChatReply:
        """One attempt; raises ModelUnavailable, RequestRefused, ModelRejected."""
        try:
            with self._slots[call.to.endpoint]:
                reply = self._endpoints[call.to.endpoint].backend.complete(request)
        except RequestRefused:
            self._answered(call)
            raise
        self._check_model(call, reply)
        self._answered(call)
        return replace(reply, text=valid_text(reply.text), recorded=False)

    def tell(
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
        self.around.on_notice(notice)

    def _answered(self, call: ResolvedCall) -> None:
        ended = self.health_of(call.to).answered()
        if ended is not None and (seconds := self.around.clock() - ended.began) >= WORTH_TELLING_SECONDS:
            self.tell(NoticeKind.RECOVERED, call, f"answers again after {seconds:.0f} s")

    def _check_model(self, call: ResolvedCall, reply: ChatReply) -> None:
        """Tells once of a model that was not asked for; raises ModelUnavailable where that is not wanted."""
        if is_same_model(call.to.model, reply.model):
            return
        name = " ".join(valid_text(reply.model).split())[:100]
        message = (
            f"the reply says it is of model {name!r}, and {call.to.model!r} was asked for\n"
            f"endpoint {call.to.endpoint!r}\n"
            "a proxy may put in another model: name the one that answers, or another endpoint"
        )
        if self.around.strict_models:
            raise ModelUnavailable(message)
        stranger = (call.to.endpoint, call.to.model, name)
        with self._lock:
            is_new = stranger not in self._strangers
            self._strangers.add(stranger)
        if is_new:
            self.tell(NoticeKind.OTHER_MODEL, call, message)
