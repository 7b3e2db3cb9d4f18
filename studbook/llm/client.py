"""The only way to the models: every call of every role is looked up, limited, retried, metered and recorded.

Equal concurrent calls are made once, and all callers get the same outcome. Finished calls are stored by the
records, not here. Knows nothing about harnesses, papers or HTTP: an endpoint is a `Backend`.

A `RetryingCall` runs one call until it has an outcome. Attempts fail for two reasons that look alike: the
endpoint is down, or it cannot answer this request. An outage must never become a score, and a single request
must not stop a run. So after enough failures of a request, its role is asked a control question. If that gets
no answer either, it is an outage, and the call waits as long as the policy's patience lasts. Once the control
question is answered, the request is tried as often again; only if it fails again is the request to blame
(RequestFailed). A rate limit or a missing connection never counts against a request.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import TypeVar

from studbook.errors import (
    Cause,
    ModelError,
    ModelRejected,
    ModelUnavailable,
    Outage,
    ReplayDifference,
    RequestFailed,
    RequestRefused,
    SpecError,
    StorageError,
    StudbookError,
)
from studbook.identity import derive_seed
from studbook.llm.answers import FILTERED, LENGTH, STOP, is_cut
from studbook.llm.complaints import FLAGGED_STEP, SERVER_ERROR, is_too_large
from studbook.llm.contracts import (
    ChatCall,
    ChatReply,
    ChatRequest,
    Endpoint,
    FailureKind,
    NoticeKind,
    OnNotice,
    RoleModel,
    ignore_notice,
)
from studbook.llm.endpoints import EndpointPool, ResolvedCall, Silence
from studbook.llm.meter import NO_LIMIT, Budget, BudgetGate, Meter, Totals, sum_totals
from studbook.llm.records import CallRecords, record_key
from studbook.llm.slots import LONGEST_PAUSE_SECONDS
from studbook.llm.thoughts import split_thoughts

T = TypeVar("T")

SEED_RANGE = 2**31
FORBIDDEN = 403
"""The key may not use the model, or moderation flagged one request: a control question tells which."""

TIMEOUT_WEIGHT = 3
"""A timeout counts more, because it takes as long as several refused connections."""

FEWEST_FOR_BLAME = 6
"""With fewer attempts, chance failures could not be distinguished from a request that never works."""

NEVER_SPOKE = {Cause.UNREACHED, Cause.GARBLED}
"""Typical of a wrong address; tried only a few times as long as the endpoint has never answered."""

NOT_HEARD = {Cause.LIMITED, Cause.UNREACHED}
"""A rate limit or a missing connection says nothing about the request, which was never read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long a call is retried: exponential waits with jitter.

    The jitter is derived from the call's key, so a repeated run waits equally long, but calls of different
    papers do not retry in lockstep.

    After `attempts` (including the first) the role is asked a control question. `patience_seconds` (None:
    forever) is how long an endpoint may give no usable answer before the run pauses. `same_answer` is how
    often a request must get the same unusable answer (refused, empty, truncated) before that counts as its
    outcome. An endpoint that was never reached gets only `first_attempts`, because a wrong address does not
    fix itself. A Retry-After is honored up to `longest_wait_seconds`.
    """

    attempts: int = 12
    first_attempts: int = 3
    same_answer: int = 3
    other_seeds: int = 2
    patience_seconds: float | None = 0.0
    first_wait_seconds: float = 1.0
    longest_backoff_seconds: float = 30.0
    longest_wait_seconds: float = LONGEST_PAUSE_SECONDS

    @property
    def may_blame(self) -> bool:
        """Whether this many attempts can show that a request never works."""
        return self.attempts >= FEWEST_FOR_BLAME

    def is_over(self, outage_seconds: float) -> bool:
        return self.patience_seconds is not None and outage_seconds >= self.patience_seconds

    def wait_seconds(self, key: str, attempt: int, retry_after_seconds: float | None = None) -> float:
        """The wait after failed attempt number `attempt` (from 1): half fixed, half jitter."""
        full = min(self.longest_backoff_seconds, self.first_wait_seconds * 2.0 ** min(attempt - 1, 32))
        jitter = derive_seed("retry", key, attempt) / SEED_RANGE
        backoff = full * (0.5 + 0.5 * jitter)
        return min(self.longest_wait_seconds, max(backoff, retry_after_seconds or 0.0))


PATIENT = RetryPolicy()


class ModelClient:
    """Implements `studbook.llm.contracts.Chat`. Thread-safe.

    With `replay_only` a call without a record raises ReplayDifference, and endpoints are never used. The
    budget includes earlier costs in the records, so it spans interruptions of a run; it is exceeded by at
    most one call per worker. `sleep` may raise an exception to stop a waiting call.
    """

    def __init__(
        self,
        *,
        roles: Mapping[str, RoleModel],
        endpoints: Mapping[str, Endpoint],
        records: CallRecords,
        retry: RetryPolicy = PATIENT,
        budget: Budget = NO_LIMIT,
        replay_only: bool = False,
        strict_models: bool = False,
        workers: int = 1,
        on_notice: OnNotice = ignore_notice,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.meter = Meter()
        self._roles = dict(roles)
        self._gate = BudgetGate(budget, sum_totals(records.totals()), workers=workers, clock=clock)
        self._retry = retry
        self._sleep_on = sleep
        self._pool = EndpointPool(
            {} if replay_only else _checked(roles, endpoints),
            roles.values(),
            strict_models=strict_models,
            on_notice=on_notice,
            clock=clock,
        )
        self._records = records
        self._replay_only = replay_only
        self._lock = Lock()
        self._in_flight: dict[str, Future[ChatReply]] = {}
        self._unrecorded: StorageError | None = None

    @property
    def budget_left(self) -> float:
        """The share of the budget that is left, from 0 to 1: of the limit that is nearest."""
        return self._gate.share_left

    def chat(self, call: ChatCall) -> ChatReply:
        resolved = self._resolve(call)
        with self._lock:
            equal = self._in_flight.get(resolved.key)
            if equal is None:
                own = self._in_flight[resolved.key] = Future()
        if equal is not None:
            reply = equal.result()
        else:
            try:
                reply = self._find_record(resolved) or self._pay(resolved)
            except BaseException as error:  # passed to the waiting callers, then re-raised
                self._land(resolved.key)
                own.set_exception(error)
                raise
            self._land(resolved.key)
            own.set_result(reply)
        recorded = reply.recorded or equal is not None  # each answer is paid for once
        if recorded:
            self.meter.add(call.role, Totals(recorded_calls=1))
        return replace(reply, key=resolved.key, recorded=recorded)

    def _resolve(self, call: ChatCall) -> ResolvedCall:
        to = self._roles.get(call.role)
        if to is None:
            known = ", ".join(sorted(self._roles)) or "none"
            raise SpecError(
                f"role {call.role!r} is mapped to no model (mapped roles: {known})\n"
                "add it under `models:` in the spec"
            )
        request = to.resolve(call)
        return ResolvedCall(call=call, to=to, request=request, key=record_key(call.role, request))

    def _land(self, key: str) -> None:
        with self._lock:
            del self._in_flight[key]

    def _find_record(self, call: ResolvedCall) -> ChatReply | None:
        """The recorded reply. Raises the recorded failure, or ReplayDifference if calls may not be made."""
        recorded = self._records.find(call.key)
        if recorded is not None:
            return recorded
        failure = self._records.find_failure(call.key)
        if failure is not None:
            raise failure
        if self._replay_only:
            raise ReplayDifference(
                f"no record of a call of role {call.role!r} to {call.to.model!r}: key {call.key}\n"
                "the replay asks what the recorded run did not ask: code, prompts, papers or seeds differ"
            )
        return None

    def _pay(self, call: ResolvedCall) -> ChatReply:
        usage = call.to.most_tokens(call.request) if self._gate.weighs_calls else None
        most = Totals() if usage is None else Totals(usage=usage, dollars=call.to.cost_dollars(usage))
        with self._gate.admit(most):
            retrying = RetryingCall(
                call,
                self._pool,
                policy=self._retry,
                sleep=self._sleep,
                on_send=self._check_records,
                on_answer=lambda answer: self._record(call, answer),
                on_waste=lambda reply: self._waste(call, reply),
                on_retry=lambda: self.meter.add(call.role, Totals(retries=1)),
            )
            try:
                return retrying.run().reply
            except StudbookError as error:  # from the model, or raised by `sleep`
                self.meter.add(call.role, Totals(failures=1))
                if isinstance(error, RequestFailed):
                    with self._recording():
                        self._records.put_failure(call.key, role=call.role, failure=error)
                raise

    def _record(self, call: ResolvedCall, answer: "Answer") -> None:
        reply, dollars = answer.reply, call.to.cost_dollars(answer.reply.usage)
        self._gate.paid(reply.usage, dollars)
        paid = Totals(calls=1, usage=reply.usage, dollars=dollars, seconds=answer.seconds)
        self.meter.add(call.role, paid)
        with self._recording():
            self._records.put(call.key, role=call.role, reply=reply, dollars=dollars)

    @contextmanager
    def _recording(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            self._unrecorded = error
            raise

    def _check_records(self) -> None:
        """Raises the StorageError of a record that could not be written: no more is paid for."""
        if self._unrecorded is not None:
            raise StorageError(str(self._unrecorded)) from self._unrecorded

    def _sleep(self, seconds: float) -> None:
        """Waits between attempts, at most until the budget's hours end; then raises BudgetExceeded."""
        self._sleep_on(min(seconds, self._gate.seconds_left))
        self._gate.check_hours()

    def _waste(self, call: ResolvedCall, reply: ChatReply) -> None:
        """Counts an unusable reply that was paid for. Raises BudgetExceeded."""
        dollars = call.to.cost_dollars(reply.usage)
        self._gate.paid(reply.usage, dollars)
        self.meter.add(call.role, Totals(usage=reply.usage, dollars=dollars))
        with self._recording():
            self._records.put_wasted(role=call.role, usage=reply.usage, dollars=dollars)
        self._gate.check()


def _checked(roles: Mapping[str, RoleModel], endpoints: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
    for role, to in roles.items():
        if to.endpoint not in endpoints:
            known = ", ".join(sorted(endpoints)) or "none"
            raise SpecError(f"role {role!r} names endpoint {to.endpoint!r}; there is none (defined: {known})")
    return dict(endpoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply and the duration of its attempt in seconds, without waits for a slot or a Retry-After."""

    reply: ChatReply
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Why a request may be to blame: how it failed, and the last error in full.

    `is_certain`: another attempt would only cost the same again. `fallback`: a poor answer, used if there is
    no better one.
    """

    kind: FailureKind
    error: ModelError
    is_certain: bool = False
    fallback: Answer | None = None


class RetryingCall:
    """Runs one call.

    `on_send` is called before every attempt, once it has a slot; it may raise an exception to stop the call.
    `on_answer` is called with the outcome and `on_waste` for every unusable reply that was paid for, before
    another call gets the slot: no more replies are paid for and unrecorded than the endpoint has slots. (A
    reply that was cut short, and is the best there is after several attempts, is recorded a moment later.)
    """

    def __init__(
        self,
        call: ResolvedCall,
        pool: EndpointPool,
        *,
        policy: RetryPolicy,
        sleep: Callable[[float], object],
        on_send: Callable[[], object],
        on_answer: Callable[[Answer], object],
        on_waste: Callable[[ChatReply], None],
        on_retry: Callable[[], None],
    ) -> None:
        self._call = call
        self._pool = pool
        self._policy = policy
        self._sleep = sleep
        self._on_send = on_send
        self._on_answer = on_answer
        self._on_waste = on_waste
        self._on_retry = on_retry
        self._attempts = 0
        self._failures = 0
        self._first_failure: float | None = None
        self._began = 0.0  # when the last attempt was sent

    def run(self) -> Answer:
        """Raises RequestFailed if the request is to blame, else Outage, ModelUnavailable, ModelRejected."""
        try:
            first = self._try_often()
            if isinstance(first, Answer):
                return first
            self._ask_control(first)
            second = self._try_often()
            if isinstance(second, Answer):
                return second
            raise RequestFailed(second.kind, str(second.error), key=self._call.key) from second.error
        except ModelError as error:
            self._pool.notify(NoticeKind.FAILURE, self._call, str(error), attempt=self._attempts)
            raise

    def _try_often(self) -> Answer | Suspicion:
        """Tries until there is a reply, or enough failures of one kind to suspect the request."""
        request, weight = self._call.request, 0
        seen: Counter[FailureKind] = Counter()
        while True:
            try:
                found = self._send(request, partial(self._settle, request))
            except RequestRefused as error:
                is_certain = error.status == FORBIDDEN or is_too_large(str(error), error.status)
                found = Suspicion(kind=FailureKind.REFUSED, error=error, is_certain=is_certain)
            except ModelUnavailable as error:
                if error.cause not in NOT_HEARD:
                    weight += TIMEOUT_WEIGHT if error.cause is Cause.TIMEOUT else 1
                if weight >= self._policy.attempts:
                    self._failed()
                    return Suspicion(kind=FailureKind.STUCK, error=error)
                self._wait_for_endpoint(error)
                continue
            if isinstance(found, Answer):
                return found
            seen[found.kind] += 1
            if self._is_believed(found, seen[found.kind]):
                if found.fallback is not None:
                    self._on_answer(found.fallback)
                return found.fallback or found
            if found.fallback is not None:
                self._on_waste(found.fallback.reply)
            if found.kind is FailureKind.SILENT and seen[found.kind] >= self._policy.same_answer:
                seed = derive_seed("empty reply", self._call.request.seed, seen[found.kind])
                request = replace(request, seed=seed)  # an endpoint that honors seeds would be silent again
            self._wait(NoticeKind.RETRY, found.error)

    def _begin(self, pause_seconds: float) -> None:
        if pause_seconds > 0:  # another call was told to wait
            self._sleep(min(pause_seconds, self._policy.longest_wait_seconds))
        self._on_send()
        self._began = self._pool.clock()

    def _send(self, request: ChatRequest, use: Callable[[ChatReply], T]) -> T:
        """One attempt: what `use` makes of a whole reply, while its slot is held.

        Raises ModelUnavailable, RequestRefused, ModelRejected.
        """
        self._attempts += 1
        if self._attempts > 1:
            self._on_retry()
        try:
            return self._pool.send(
                self._call, request, self._begin, lambda reply: use(self._whole(request, reply))
            )
        except RequestRefused:
            raise
        except ModelRejected as error:
            if error.status == FORBIDDEN:
                raise RequestRefused(str(error), status=FORBIDDEN) from error
            raise

    def _whole(self, request: ChatRequest, reply: ChatReply) -> ChatReply:
        """The reply without thoughts. Raises ModelError for one that is only a part."""
        if is_cut(request, reply):
            self._on_waste(reply)
            raise ModelRejected(
                f"the server truncated the prompt: it counted {reply.usage.prompt_tokens:,} prompt tokens "
                f"for {sum(len(message.content) for message in request.messages):,} characters\n"
                f"endpoint {self._call.to.endpoint!r}, model {self._call.to.model!r}\n"
                "raise the server's context length (num_ctx, n_ctx, --max-model-len), or shorten the papers"
            )
        if reply.finish_reason == FILTERED:
            self._on_waste(reply)
            what = "a content filter withheld the answer"
            raise RequestRefused(_sentence(what, self._call, reply, FLAGGED_STEP))
        if reply.finish_reason not in {STOP, LENGTH}:
            self._on_waste(reply)
            what = f"the answer broke off (finish_reason {reply.finish_reason!r})"
            raise ModelUnavailable(_sentence(what, self._call, reply, SERVER_ERROR))
        text, thoughts = split_thoughts(reply.text)
        if thoughts:
            reply = replace(reply, text=text, thoughts="\n".join(filter(None, [reply.thoughts, thoughts])))
        return reply

    def _settle(self, request: ChatRequest, reply: ChatReply) -> Answer | Suspicion:
        found = self._judge(reply, request, self._pool.clock() - self._began)
        if isinstance(found, Answer):
            self._on_answer(found)
        return found

    def _judge(self, reply: ChatReply, request: ChatRequest, seconds: float) -> Answer | Suspicion:
        """Whether the reply is an answer: also if it ends at our limit, but not if it was cut off earlier."""
        answer = Answer(reply=reply, seconds=seconds)
        is_at_limit = reply.is_truncated and _used_up(reply, request, self._call.to.context_tokens)
        if has_content(reply, request):
            if is_at_limit or not reply.is_truncated:
                return answer
            short = ModelUnavailable(_sentence("the answer was cut short of its limit", self._call, reply))
            return Suspicion(kind=FailureKind.TRUNCATED, error=short, fallback=answer)
        self._on_waste(reply)
        kind = FailureKind.TRUNCATED if reply.is_truncated else FailureKind.SILENT
        what = f"the model answered with an empty text (finish_reason {reply.finish_reason!r})"
        silent = ModelUnavailable(_sentence(what, self._call, reply))
        return Suspicion(kind=kind, error=silent, is_certain=is_at_limit)

    def _is_believed(self, found: Suspicion, count: int) -> bool:
        more = self._policy.other_seeds if found.kind is FailureKind.SILENT else 0
        return found.is_certain or count >= self._policy.same_answer + more

    def _ask_control(self, suspicion: Suspicion) -> None:
        """Returns once the role answers a control question; raises if the endpoint is at fault."""
        if suspicion.kind is FailureKind.STUCK and not self._policy.may_blame:
            raise suspicion.error
        useless, control = 0, self._call.control
        while True:
            try:
                if self._send(control, self._is_answered):
                    return
                useless += 1
            except RequestRefused as error:
                if error.status == FORBIDDEN:  # everything is forbidden: it is the key, not the request
                    raise ModelRejected(str(error), status=FORBIDDEN) from error
                useless += 1
            except ModelUnavailable as error:
                silence = self._failed()
                if self._policy.is_over(self._pool.clock() - silence.began):
                    raise self._outage(error, silence) from error
                self._wait(NoticeKind.WAITING, error)
                continue
            if useless >= self._policy.same_answer:
                raise suspicion.error
            self._wait(NoticeKind.RETRY, suspicion.error)

    def _is_answered(self, reply: ChatReply) -> bool:
        self._on_waste(reply)
        return has_content(reply, self._call.control)

    def _wait_for_endpoint(self, error: ModelUnavailable) -> None:
        """Waits before the next attempt; raises if there is to be none."""
        silence = self._failed()
        has_answered = self._pool.has_answered(self._call.to.endpoint)
        if error.cause in NEVER_SPOKE and not has_answered and self._failures >= self._policy.first_attempts:
            raise error
        if error.cause in NOT_HEARD and self._failures >= self._policy.attempts:
            began = min(silence.began, self._first_failure or silence.began)
            if self._policy.is_over(self._pool.clock() - began):
                raise self._outage(error, silence)
        self._wait(NoticeKind.RETRY, error)

    def _failed(self) -> Silence:
        now = self._pool.clock()
        self._failures += 1
        self._first_failure = now if self._first_failure is None else self._first_failure
        return self._pool.failed(self._call.to, now)

    def _wait(self, kind: NoticeKind, error: ModelError) -> None:
        retry_after = error.retry_after_seconds if isinstance(error, ModelUnavailable) else None
        attempt = max(1, self._failures)
        wait = self._policy.wait_seconds(self._call.key, attempt, retry_after)
        self._pool.notify(kind, self._call, str(error), attempt=attempt, wait=wait)
        self._sleep(wait)

    def _outage(self, error: ModelUnavailable, silence: Silence) -> Outage:
        what, *rest = str(error).splitlines()
        where = rest[0] if rest else f"endpoint {self._call.to.endpoint!r}, model {self._call.to.model!r}"
        seconds = self._pool.clock() - silence.began
        since = f"{silence.since:%Y-%m-%d %H:%M:%S} UTC"
        return Outage(
            f"no usable answer for {_duration(seconds)}, since {since}: {what}\n"
            f"role {self._call.role!r}: {where}\n"
            "an outage is never scored; models.patience_minutes sets how long a run waits for an endpoint",
            cause=error.cause,
        )


def has_content(reply: ChatReply, request: ChatRequest) -> bool:
    """Whether a reply says something, or calls a tool that it was offered."""
    offered = {tool.name for tool in request.tools}
    return bool(reply.text.strip()) or any(call.name in offered for call in reply.tool_calls)


def _used_up(reply: ChatReply, request: ChatRequest, context_tokens: int | None) -> bool:
    """Whether the answer ended at our token limit, or at the context's end; assumed if usage is unknown."""
    used, limit = reply.usage, reply.limit_tokens or request.max_tokens
    is_full = context_tokens is not None and used.prompt_tokens + used.completion_tokens >= context_tokens
    return reply.is_estimated or used.completion_tokens >= limit or is_full


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


MORE_TOKENS = "raise max_tokens for this role (reasoning may have used them up), or take another model"


def _sentence(what: str, call: ResolvedCall, reply: ChatReply, next_step: str = MORE_TOKENS) -> str:
    used = f"{reply.usage.completion_tokens} of {call.request.max_tokens} tokens used"
    return f"{what}\nendpoint {call.to.endpoint!r}, model {call.to.model!r}, {used}\n{next_step}"
