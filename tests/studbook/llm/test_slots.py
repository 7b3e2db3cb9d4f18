"""Concurrency that follows rate limits: falls at once, rises slowly, never blocks."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock

from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import Cause, ModelUnavailable
from studbook.llm.client import ModelClient, RetryPolicy
from studbook.llm.contracts import (
    ChatCall,
    ChatReply,
    ChatRequest,
    Endpoint,
    Message,
    ModelNotice,
    NoticeKind,
    RoleModel,
    Usage,
)
from studbook.llm.meter import sum_totals
from studbook.llm.records import CallRecords
from studbook.llm.slots import Slots


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_limit_halves_the_slots_and_answers_bring_them_back():
    slots = Slots(8, Clock())
    with slots.hold(), slots.hold(), slots.hold(), slots.hold() as slowdowns:
        slowdown = slots.limited(slowdowns, None)
    assert (slowdown.before, slowdown.now, slowdown.is_first) == (8, 2, True)
    for _ in range(60):
        slots.answered()
    assert slots.limit == 8


def test_requests_under_way_when_it_fell_do_not_make_it_fall_again():
    slots = Slots(8, Clock())
    with slots.hold() as first, slots.hold() as second:
        assert slots.limited(first, None) is not None
        assert slots.limited(second, None) is None
    with slots.hold() as third:
        assert slots.limited(third, None).is_first is False
    assert slots.limit == 1


def test_a_retry_after_pauses_everyone():
    clock = Clock()
    slots = Slots(2, clock)
    slots.limited(0, 7.0)
    assert slots.pause_seconds == 7.0
    clock.now = 8.0
    assert slots.pause_seconds == 0.0


@given(st.lists(st.booleans(), max_size=100))
def test_the_limit_stays_between_one_and_the_spec_s(is_limited):
    clock = Clock()
    slots = Slots(16, clock)
    for limited in is_limited:
        clock.now += 1.0
        with slots.hold() as slowdowns:
            if limited:
                slots.limited(slowdowns, None)
        if not limited:
            slots.answered()
        assert 1 <= slots.limit <= 16


class Limited:
    """A backend that refuses with 429 whatever exceeds `most` at once."""

    def __init__(self, most: int, barrier: Barrier) -> None:
        self.most = most
        self.running = 0
        self.asked = 0
        self.lock = Lock()
        self.barrier = barrier

    def complete(self, request: ChatRequest) -> ChatReply:
        with self.lock:
            self.running += 1
            self.asked += 1
            is_first_crowd = self.asked <= self.barrier.parties
            is_refused = self.running > self.most
        if is_first_crowd:  # all of it is there before anyone is answered
            self.barrier.wait(30.0)
        with self.lock:
            self.running -= 1
        if is_refused:
            raise ModelUnavailable("429", cause=Cause.LIMITED, retry_after_seconds=0.0)
        return ChatReply(text=f"answer {request.seed}", usage=Usage(prompt_tokens=1, completion_tokens=1))


def test_a_crowd_meets_a_rate_limit_and_all_are_answered_with_one_notice():
    backend = Limited(4, Barrier(16))
    notices: list[ModelNotice] = []
    client = ModelClient(
        roles={"weak": RoleModel(endpoint="main", model="m")},
        endpoints={"main": Endpoint(name="main", backend=backend, max_concurrent=16)},
        records=CallRecords.in_memory(),
        retry=RetryPolicy(first_wait_seconds=0.001, longest_backoff_seconds=0.01, patience_seconds=None),
        workers=16,
        on_notice=notices.append,
    )
    calls = [
        ChatCall(role="weak", messages=(Message(role="user", content="hi"),), seed=seed) for seed in range(64)
    ]
    with ThreadPoolExecutor(16) as threads:
        replies = list(threads.map(client.chat, calls))
    assert [reply.text for reply in replies] == [f"answer {seed}" for seed in range(64)]
    slowed = [notice.message for notice in notices if notice.kind is NoticeKind.SLOWED]
    assert len(slowed) == 1
    assert "instead of 16 requests at once" in slowed[0]


def test_a_call_that_waited_for_its_slot_keeps_to_a_fresh_retry_after_and_is_timed_without_waits():
    clock, sent = Clock(), list[float]()
    is_asked = Event()

    class Busy:
        def complete(self, request: ChatRequest) -> ChatReply:
            sent.append(clock.now)
            clock.now += 2.0
            if len(sent) == 1:
                is_asked.set()
                Event().wait(0.3)  # meanwhile the other call queues
                raise ModelUnavailable("429", cause=Cause.LIMITED, retry_after_seconds=10.0)
            return ChatReply(text="a", usage=Usage(prompt_tokens=1, completion_tokens=1))

    def sleep(seconds: float) -> None:
        clock.now += seconds

    client = ModelClient(
        roles={"weak": RoleModel(endpoint="main", model="m")},
        endpoints={"main": Endpoint(name="main", backend=Busy(), max_concurrent=1)},
        records=CallRecords.in_memory(),
        retry=RetryPolicy(patience_seconds=None),
        workers=2,
        sleep=sleep,
        clock=clock,
    )
    message = (Message(role="user", content="hi"),)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(client.chat, ChatCall(role="weak", messages=message, seed=1))
        is_asked.wait(10.0)
        threads.submit(client.chat, ChatCall(role="weak", messages=message, seed=2)).result()
        first.result()
    assert min(sent[1:]) >= 12.0
    assert sum_totals(client.meter.snapshot()).seconds == 4.0
