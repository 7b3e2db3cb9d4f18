"""One call until it has an outcome: tried again, waited for, and told apart from the weather.

Attempts fail for two reasons that look alike: the endpoint is ill, or this request is one it cannot answer.
An outage must never become a score, and a request must not be able to stop a run. So when a request has
failed often enough, its role is asked a control question. While that gets no answer either, the world is at
fault, and is waited for as long as patience lasts. Once it is answered, the request is tried as often again;
only if it fails again is it to blame (RequestFailed). A rate limit or a missing connection never counts
against a request. Records nothing.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from studbook.errors import Cause, ModelError, ModelUnavailable, Outage, RequestFailed, RequestRefused
from studbook.identity import derive_seed
from studbook.llm.contracts import ChatReply, ChatRequest, FailureKind, NoticeKind
from studbook.llm.endpoint_pool import Desk, ResolvedCall, Silence
from studbook.llm.retry import may_lie_in_request, weight_of

NEVER_SPOKE = {Cause.UNREACHED, Cause.GARBLED}
"""How a wrong address looks; tried only a few times as long as nothing there has ever answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A reply, and the seconds that its attempt took."""

    reply: ChatReply
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Why a request may be the one to blame: how it failed, and the last error in full.

    `is_certain`: another try would only cost the same again. `asked`: a poor answer, but one, when nothing
    better can be had.
    """

    kind: FailureKind
    error: ModelError
    is_certain: bool = False
    asked: Asked | None = None


class Asking:
    """Asks one call. `wasted` is told of every reply that was paid for and answers nothing."""

    def __init__(
        self,
        desk: Desk,
        call: ResolvedCall,
        *,
        wasted: Callable[[ChatReply], None],
        retried: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._around = desk.around
        self._policy = desk.around.retry
        self._call = call
        self._wasted = wasted
        self._retried = retried
        self._tries = 0
        self._failures = 0
        self._first_failure: float | None = None

    def ask(self) -> Asked:
        """Raises RequestFailed for the request's own fault; Outage, ModelUnavailable, ModelRejected else."""
        try:
            first = self._try_often()
            if isinstance(first, Asked):
                return first
            self._ask_control(first)
            second = self._try_often()
            if isinstance(second, Asked):
                return second
            raise RequestFailed(second.kind, str(second.error), key=self._call.key) from second.error
        except ModelError as error:
            self._desk.tell(NoticeKind.FAILURE, self._call, str(error), attempt=self._tries)
            raise

    def _try_often(self) -> Asked | Suspicion:
        """Until there is a reply, or enough of one kind of failure to suspect the request."""
        request, weight = self._call.request, 0
        seen: Counter[FailureKind] = Counter()
        while True:
            try:
                found = self._try_once(request)
            except ModelUnavailable as error:
                weight += weight_of(error) if may_lie_in_request(error) else 0
                if weight >= self._policy.attempts:
                    self._failed()
                    return Suspicion(kind=FailureKind.STUCK, error=error)
                self._wait_for_world(error)
                continue
            if isinstance(found, Asked):
                return found
            seen[found.kind] += 1
            if self._is_believed(found, seen[found.kind]):
                return found.asked or found
            if found.asked is not None:
                self._wasted(found.asked.reply)
            if found.kind is FailureKind.SILENT and seen[found.kind] >= self._policy.same_answer:
                seed = derive_seed("empty reply", self._call.request.seed, seen[found.kind])
                request = replace(request, seed=seed)  # one that honours seeds would be silent again
            self._wait(NoticeKind.RETRY, found.error)

    def _try_once(self, request: ChatRequest) -> Asked | Suspicion:
        """Raises ModelUnavailable, ModelRejected."""
        began = self._around.clock()
        try:
            reply = self._send(request)
        except RequestRefused as error:
            return Suspicion(kind=FailureKind.REFUSED, error=error)
        asked = Asked(reply=reply, seconds=self._around.clock() - began)
        is_at_limit = reply.is_truncated and _used_up(reply, request)
        if reply.text.strip():
            if is_at_limit or not reply.is_truncated:
                return asked
            short = ModelUnavailable(_sentence("the answer was cut short of its limit", self._call, reply))
            return Suspicion(kind=FailureKind.TRUNCATED, error=short, asked=asked)
        self._wasted(reply)
        kind = FailureKind.TRUNCATED if reply.is_truncated else FailureKind.SILENT
        what = f"the model answered with an empty text (finish_reason {reply.finish_reason!r})"
        silent = ModelUnavailable(_sentence(what, self._call, reply))
        return Suspicion(kind=kind, error=silent, is_certain=is_at_limit)

    def _send(self, request: ChatRequest) -> ChatReply:
        self._tries += 1
        if self._tries > 1:
            self._retried()
        reply = self._desk.send(self._call, request)
        if reply.finish_reason == "content_filter":
            self._wasted(reply)
            raise RequestRefused(_sentence("a content filter withheld the answer", self._call, reply))
        return reply

    def _is_believed(self, found: Suspicion, count: int) -> bool:
        more = self._policy.other_seeds if found.kind is FailureKind.SILENT else 0
        return found.is_certain or count >= self._policy.same_answer + more

    def _ask_control(self, suspicion: Suspicion) -> None:
        """Returns when the role answers a control question; raises when the world is at fault."""
        if suspicion.kind is FailureKind.STUCK and not self._policy.may_blame:
            raise suspicion.error
        useless = 0
        while True:
            try:
                reply = self._send(self._call.control)
                self._wasted(reply)
                if reply.text.strip():
                    return
                useless += 1
            except RequestRefused:
                useless += 1
            except ModelUnavailable as error:
                silence = self._failed()
                if self._policy.is_over(self._around.clock() - silence.began):
                    raise self._outage(error, silence) from error
                self._wait(NoticeKind.WAITING, error)
                continue
            if useless >= self._policy.same_answer:
                raise suspicion.error
            self._wait(NoticeKind.RETRY, suspicion.error)

    def _wait_for_world(self, error: ModelUnavailable) -> None:
        """Before the next attempt; raises when there is to be none."""
        silence = self._failed()
        has_answered = self._desk.has_answered(self._call.to.endpoint)
        if error.cause in NEVER_SPOKE and not has_answered and self._failures >= self._policy.first_attempts:
            raise error
        if not may_lie_in_request(error) and self._failures >= self._policy.attempts:
            began = min(silence.began, self._first_failure or silence.began)
            if self._policy.is_over(self._around.clock() - began):
                raise self._outage(error, silence)
        self._wait(NoticeKind.RETRY, error)

    def _failed(self) -> Silence:
        now = self._around.clock()
        self._failures += 1
        self._first_failure = now if self._first_failure is None else self._first_failure
        return self._desk.health_of(self._call.to).failed(now, self._around.now())

    def _wait(self, kind: NoticeKind, error: ModelError) -> None:
        retry_after = error.retry_after_seconds if isinstance(error, ModelUnavailable) else None
        attempt = max(1, self._failures)
        wait = self._policy.wait_seconds(self._call.key, attempt, retry_after)
        self._desk.tell(kind, self._call, str(error), attempt=attempt, wait=wait)
        self._around.sleep(wait)

    def _outage(self, error: ModelUnavailable, silence: Silence) -> Outage:
        what, *rest = str(error).splitlines()
        where = rest[0] if rest else f"endpoint {self._call.to.endpoint!r}, model {self._call.to.model!r}"
        seconds = self._around.clock() - silence.began
        since = f"{silence.since:%Y-%m-%d %H:%M:%S} UTC"
        return Outage(
            f"no usable answer for {_duration(seconds)}, since {since}: {what}\n"
            f"role {self._call.role!r}: {where}\n"
            "an outage is never scored; models.patience_minutes sets how long a run waits for an endpoint",
            cause=error.cause,
        )


def _used_up(reply: ChatReply, request: ChatRequest) -> bool:
    """Did the answer end at the limit we set? Where that is not known it is believed."""
    return reply.is_estimated or reply.usage.completion_tokens >= request.max_tokens


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _sentence(what: str, call: ResolvedCall, reply: ChatReply) -> str:
    used = f"{reply.usage.completion_tokens} of {call.request.max_tokens} tokens used"
    return (
        f"{what}\nendpoint {call.to.endpoint!r}, model {call.to.model!r}, {used}\n"
        "raise max_tokens for this role (reasoning may have used them up), or take another model"
    )
