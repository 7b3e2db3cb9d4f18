"""The watch on the engine counts its ends, waits for it, and is no obstacle where nobody tells."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from docker.errors import APIError

from studbook.sandbox.engine import EngineWatch


class Events:
    """The SDK's events: a stream without any, until `end` or `close`. `away` and `refused` are raised."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self._ended = threading.Event()
        self.asked = 0

    def __call__(self, *, filters: object) -> "Events":
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        self._ended.clear()
        return self

    def __iter__(self) -> Iterator[object]:
        self._ended.wait()
        return iter(())

    def close(self) -> None:
        self._ended.set()

    end = close


def refused(status: int) -> APIError:
    return APIError("no", response=SimpleNamespace(status_code=status, reason="no", url="-"))


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def watch(events: Events) -> Iterator[EngineWatch]:
    before = threading.enumerate()
    watch = EngineWatch(events)
    yield watch
    watch.close()
    assert set(threading.enumerate()) <= set(before), "the watch did not end its thread"


def test_an_end_is_heard_of_and_only_by_those_who_looked_before(watch, events):
    before = watch.look()
    assert not watch.has_ended_since(before, 0.01)
    events.end()
    assert watch.has_ended_since(before, 5)
    after = watch.look()
    assert after == before + 1
    assert not watch.has_ended_since(after, 0.01)


def test_an_engine_that_is_away_is_waited_for(watch, events):
    events.failures = [ConnectionRefusedError("away"), refused(503)]
    assert watch.look() == 0
    assert events.asked == 3


def test_where_nobody_tells_nothing_is_known(watch, events):
    events.failures = [refused(403)]
    assert watch.look() == watch.look() == 0
    assert not watch.has_ended_since(0, 0.01)
    assert events.asked == 1


def test_one_that_never_looked_needs_no_thread_and_closes(events):
    EngineWatch(events).close()
    assert events.asked == 0
