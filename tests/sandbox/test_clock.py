"""The box's clock: it runs while the box works, and stands still while the box waits."""

from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.sandbox.session import BoxClock


def test_time_spent_waiting_does_not_count():
    clock = BoxClock(10.0, now=100.0)
    clock.pause(103.0)
    assert clock.is_paused
    assert clock.remaining(1000.0) == 7.0
    clock.go_on(1000.0)
    assert clock.remaining(1002.0) == 5.0


def test_pausing_twice_and_going_on_twice_count_once():
    clock = BoxClock(10.0, now=0.0)
    clock.pause(1.0)
    clock.pause(5.0)
    clock.go_on(6.0)
    clock.go_on(8.0)
    assert clock.remaining(9.0) == 6.0


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=20))
def test_what_remains_is_the_limit_less_all_working_time(turns: list[tuple[int, int]]):
    clock, now = BoxClock(10_000.0, now=0.0), 0.0
    for working, waiting in turns:
        now += working
        clock.pause(now)
        now += waiting
        clock.go_on(now)
    assert clock.remaining(now) == 10_000.0 - sum(working for working, _ in turns)
