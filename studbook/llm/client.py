"""The one door to the models: every call of every role is looked up, limited, retried, metered and recorded.

Equal calls made at the same time are made once, and everyone who asked gets the one outcome. A finished call
is remembered by the records, not here. Knows neither harnesses nor papers nor HTTP: an endpoint is a
`Backend`. How often a call is tried, and what its failure means, is decided in `retrying.py`.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock

from studbook.errors import ReplayDifference, RequestFailed, SpecError, StudbookError
from studbook.llm.contracts import ChatCall, ChatReply, Endpoint, OnNotice, RoleModel, ignore_notice
from studbook.llm.endpoint_pool import EndpointPool, ResolvedCall
from studbook.llm.meter import NO_LIMIT, Budget, BudgetGate, Meter, Totals, sum_totals
from studbook.llm.records import CallRecords, record_key
from studbook.llm.retrying import PATIENT, RetryingCall, RetryPolicy


class ModelClient:
    """Implements `studbook.llm.contracts.Chat`. Thread-safe.

    With `replay_only` a call that is not recorded raises ReplayDifference and endpoints are never used.
    The budget counts what the records say was paid before, so it spans interruptions of one run; it is
    exceeded by at most one call for each of `workers`. `sleep` may raise whatever should stop a waiting call.
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
            except BaseException as error:  # handed to those who wait, whatever it is, and raised again
                self._land(resolved.key)
                own.set_exception(error)
                raise
            self._land(resolved.key)
            own.set_result(reply)
        recorded = reply.recorded or equal is not None  # nobody pays twice for one answer
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
            asking = RetryingCall(
                call,
                self._pool,
                policy=self._retry,
                sleep=self._sleep,
                on_waste=lambda reply: self._waste(call, reply),
                on_retry=lambda: self.meter.add(call.role, Totals(retries=1)),
            )
            try:
                answer = asking.run()
            except StudbookError as error:  # of the model, or whatever `sleep` was stopped by
                self.meter.add(call.role, Totals(failures=1))
                if isinstance(error, RequestFailed):
                    self._records.put_failure(call.key, role=call.role, failure=error)
                raise
            reply, dollars = answer.reply, call.to.cost_dollars(answer.reply.usage)
            self._gate.paid(reply.usage, dollars)
            paid = Totals(calls=1, usage=reply.usage, dollars=dollars, seconds=answer.seconds)
            self.meter.add(call.role, paid)
            self._records.put(call.key, role=call.role, reply=reply, dollars=dollars)
            return reply

    def _sleep(self, seconds: float) -> None:
        """Between two attempts, at most until the budget's hours end; raises BudgetExceeded at their end."""
        self._sleep_on(min(seconds, self._gate.seconds_left))
        self._gate.check_hours()

    def _waste(self, call: ResolvedCall, reply: ChatReply) -> None:
        """Counts a reply that answers nothing and was paid for all the same. Raises BudgetExceeded."""
        dollars = call.to.cost_dollars(reply.usage)
        self._gate.paid(reply.usage, dollars)
        self.meter.add(call.role, Totals(usage=reply.usage, dollars=dollars))
        self._records.put_wasted(role=call.role, usage=reply.usage, dollars=dollars)
        self._gate.check()


def _checked(roles: Mapping[str, RoleModel], endpoints: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
    for role, to in roles.items():
        if to.endpoint not in endpoints:
            known = ", ".join(sorted(endpoints)) or "none"
            raise SpecError(f"role {role!r} names endpoint {to.endpoint!r}; there is none (defined: {known})")
    return dict(endpoints)
