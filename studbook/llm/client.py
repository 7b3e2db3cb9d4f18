"""The one choke point: every call of every role is looked up, limited, retried, metered and recorded here.

Does not know harnesses, papers or HTTP: an endpoint is a `Backend`, and what failed there arrives as
ModelUnavailable (worth another try) or ModelRejected (not).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import BoundedSemaphore

from studbook.errors import ModelError, ModelUnavailable, ReplayDifference, RequestRefused, SpecError
from studbook.identity import derive_seed
from studbook.llm.contracts import ChatCall, ChatReply, ChatRequest
from studbook.llm.meter import NO_LIMIT, Budget, BudgetGate, Meter, Totals, sum_totals
from studbook.llm.notices import ModelNotice, NoticeKind, OnNotice, ignore_notice
from studbook.llm.records import CallRecords, record_key
from studbook.llm.retry import PATIENT, RetryPolicy
from studbook.llm.roles import Endpoint, RoleModel, valid_text
from studbook.llm.single_flight import SingleFlight


class EmptyReply(ModelUnavailable):
    """The model answered without a word; another sample may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedCall:
    """A call with all that is needed to answer it: the role's model, the request, its key in the records."""

    role: str
    to: RoleModel
    request: ChatRequest
    key: str


class ModelClient:
    """Implements `studbook.llm.contracts.Chat`. Thread-safe.

    With `replay_only` a call that is not recorded raises ReplayDifference and endpoints are never used.
    The budget counts what the records say was paid before, so it spans interruptions of one run.
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
        on_notice: OnNotice = ignore_notice,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.meter = Meter()
        self._roles = dict(roles)
        self._endpoints = {} if replay_only else _checked(roles, endpoints)
        self._slots = {name: BoundedSemaphore(e.max_concurrent) for name, e in self._endpoints.items()}
        self._records = records
        self._retry = retry
        self._gate = BudgetGate(budget, sum_totals(records.totals()))
        self._replay_only = replay_only
        self._on_notice = on_notice
        self._sleep = sleep
        self._clock = clock
        self._flights = SingleFlight()

    def chat(self, call: ChatCall) -> ChatReply:
        resolved = self._resolve(call)
        reply = self._flights.do(resolved.key, lambda: self._answer(resolved))
        reply = replace(reply, key=resolved.key)
        if reply.recorded:
            self.meter.add(call.role, Totals(recorded_calls=1))
        return reply

    def _resolve(self, call: ChatCall) -> ResolvedCall:
        to = self._roles.get(call.role)
        if to is None:
            known = ", ".join(sorted(self._roles)) or "none"
            raise SpecError(
                f"role {call.role!r} is mapped to no model (mapped roles: {known})\n"
                "add it under `models:` in the spec"
            )
        request = to.resolve(call)
        return ResolvedCall(role=call.role, to=to, request=request, key=record_key(call.role, request))

    def _answer(self, call: ResolvedCall) -> ChatReply:
        recorded = self._records.find(call.key)
        if recorded is not None:
            return recorded
        if self._replay_only:
            raise ReplayDifference(
                f"no record of a call of role {call.role!r} to {call.to.model!r}: key {call.key}\n"
                "the replay asks what the recorded run did not ask: code, prompts, papers or seeds differ"
            )
        return self._pay(call)

    def _pay(self, call: ResolvedCall) -> ChatReply:
        self._gate.enter()
        try:
            reply, seconds = self._try_until_answered(call)
        except ModelError:
            self._gate.failed()
            self.meter.add(call.role, Totals(failures=1))
            raise
        dollars = call.to.cost_dollars(reply.usage)
        self._gate.paid(reply.usage, dollars)
        self.meter.add(call.role, Totals(calls=1, usage=reply.usage, dollars=dollars, seconds=seconds))
        self._records.put(call.key, role=call.role, reply=reply, dollars=dollars)
        return reply

    def _try_until_answered(self, call: ResolvedCall) -> tuple[ChatReply, float]:
        request, attempt = call.request, 1
        while True:
            started = self._clock()
            try:
                return self._try_once(call.to, request), self._clock() - started
            except ModelError as error:
                wait = self._wait_after(call, attempt, error)
                if isinstance(error, EmptyReply):  # an endpoint that honours seeds would be silent again
                    request = replace(request, seed=derive_seed("empty reply", call.request.seed, attempt))
            self._sleep(wait)
            attempt += 1

    def _try_once(self, to: RoleModel, request: ChatRequest) -> ChatReply:
        with self._slots[to.endpoint]:
            reply = self._endpoints[to.endpoint].backend.complete(request)
        if not reply.text.strip():
            raise _silence(to, request, reply)
        return replace(reply, text=valid_text(reply.text), recorded=False)

    def _wait_after(self, call: ResolvedCall, attempt: int, error: ModelError) -> float:
        """Seconds until the next attempt; raises `error` when there is none."""
        if not isinstance(error, ModelUnavailable) or attempt >= self._retry.attempts:
            self._tell(NoticeKind.FAILURE, call, attempt, 0.0, error)
            raise error
        wait = self._retry.wait_seconds(call.key, attempt, error.retry_after_seconds)
        self._tell(NoticeKind.RETRY, call, attempt, wait, error)
        self.meter.add(call.role, Totals(retries=1))
        return wait

    def _tell(
        self, kind: NoticeKind, call: ResolvedCall, attempt: int, wait_seconds: float, error: ModelError
    ) -> None:
        notice = ModelNotice(
            kind=kind,
            role=call.role,
            endpoint=call.to.endpoint,
            model=call.to.model,
            key=call.key,
            attempt=attempt,
            wait_seconds=wait_seconds,
            message=str(error),
        )
        self._on_notice(notice)


def _silence(to: RoleModel, request: ChatRequest, reply: ChatReply) -> ModelError:
    """An empty reply: the request's own doing when it was cut or filtered, else worth another sample."""
    text = (
        f"the model answered with an empty text (finish_reason {reply.finish_reason!r})\n"
        f"endpoint {to.endpoint!r}, model {to.model!r}, max_tokens {request.max_tokens}\n"
        "raise max_tokens for this role (reasoning may have used them up), or take another model"
    )
    return RequestRefused(text) if reply.finish_reason in {"length", "content_filter"} else EmptyReply(text)


def _checked(roles: Mapping[str, RoleModel], endpoints: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
    for role, to in roles.items():
        if to.endpoint not in endpoints:
            known = ", ".join(sorted(endpoints)) or "none"
            raise SpecError(f"role {role!r} names endpoint {to.endpoint!r}; there is none (defined: {known})")
    return dict(endpoints)
