"""The one choke point: every call of every role is looked up, limited, retried, metered and recorded here.

Does not know harnesses, papers or HTTP: an endpoint is a `Backend`. How often a call is tried and whom a
failure is laid to is `asking.py`.

Equal calls that are made at the same time are made once; everyone who asked gets the one outcome.

Remembers nothing once a call has ended: that is the records' job.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock

from studbook.errors import ReplayDifference, RequestFailed, SpecError, StudbookError
from studbook.identity import derive_seed
from studbook.llm.contracts import ChatCall, ChatReply, Endpoint, OnNotice, RoleModel, ignore_notice
from studbook.llm.endpoint_pool import Desk, ResolvedCall, Surroundings
from studbook.llm.meter import NO_LIMIT, Budget, BudgetGate, Meter, Totals, sum_totals
from studbook.llm.records import CallRecords, record_key
from studbook.llm.retry import PATIENT, RetryPolicy
from studbook.llm.retrying import Asked, Asking


class SingleFlight:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._under_way: dict[str, Future[ChatReply]] = {}

    def do(self, key: str, work: Callable[[], ChatReply]) -> ChatReply:
        """`work()`, or the outcome of the equal work under way (then `recorded`: nobody paid twice)."""
        with self._lock:
            others = self._under_way.get(key)
            if others is None:
                own = self._under_way[key] = Future[ChatReply]()
        if others is not None:
            return replace(others.result(), recorded=True)
        try:
            reply = work()
        except BaseException as error:  # handed to those who wait, whatever it is, and raised again
            self._finish(key)
            own.set_exception(error)
            raise
        self._finish(key)
        own.set_result(reply)
        return reply

    def _finish(self, key: str) -> None:
        with self._lock:
            del self._under_way[key]


class ModelClient:
    """Implements `studbook.llm.contracts.Chat`. Thread-safe.

    With `replay_only` a call that is not recorded raises ReplayDifference and endpoints are never used.
    The budget counts what the records say was paid before, so it spans interruptions of one run; it is passed
    by at most one call for each of `workers`. `sleep` may
    raise what the caller wants to be stopped by.
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
        self._sleep_on = sleep
        around = Surroundings(
            retry=retry, on_notice=on_notice, sleep=self._sleep, clock=clock, strict_models=strict_models
        )
        self._desk = Desk({} if replay_only else _checked(roles, endpoints), roles.values(), around)
        self._records = records
        self._replay_only = replay_only
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
        control = ChatCall(role=call.role, messages=call.control, seed=derive_seed("control", call.seed))
        return ResolvedCall(
            role=call.role,
            to=to,
            request=request,
            control=to.resolve(control),
            key=record_key(call.role, request),
        )

    def _sleep(self, seconds: float) -> None:
        """Between two tries, as long as the hours of the budget last; raises BudgetExceeded at their end."""
        self._sleep_on(min(seconds, self._gate.seconds_left))
        self._gate.check_hours()

    def _answer(self, call: ResolvedCall) -> ChatReply:
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
        return self._pay(call)

    def _pay(self, call: ResolvedCall) -> ChatReply:
        most = self._most(call) if self._gate.weighs_calls else Totals()
        self._gate.enter(most)
        answered = False
        try:
            reply = self._paid(call)
            answered = True
        finally:
            self._gate.leave(most, answered=answered)
        return reply

    @staticmethod
    def _most(call: ResolvedCall) -> Totals:
        """What it may cost, whatever is answered."""
        usage = call.to.most_tokens(call.request)
        return Totals(usage=usage, dollars=call.to.cost_dollars(usage))

    def _paid(self, call: ResolvedCall) -> ChatReply:
        try:
            asked = self._ask(call)
        except StudbookError as error:  # of the model, or whatever `sleep` was stopped by
            self.meter.add(call.role, Totals(failures=1))
            if isinstance(error, RequestFailed):
                self._records.put_failure(call.key, role=call.role, failure=error)
            raise
        reply, dollars = asked.reply, call.to.cost_dollars(asked.reply.usage)
        self._gate.paid(reply.usage, dollars)
        paid = Totals(calls=1, usage=reply.usage, dollars=dollars, seconds=asked.seconds)
        self.meter.add(call.role, paid)
        self._records.put(call.key, role=call.role, reply=reply, dollars=dollars)
        return reply

    def _ask(self, call: ResolvedCall) -> Asked:
        asking = Asking(
            self._desk,
            call,
            wasted=lambda reply: self._waste(call, reply),
            retried=lambda: self.meter.add(call.role, Totals(retries=1)),
        )
        return asking.ask()

    def _waste(self, call: ResolvedCall, reply: ChatReply) -> None:
        """A reply that is nobody's answer was paid for all the same. Raises BudgetExceeded."""
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
