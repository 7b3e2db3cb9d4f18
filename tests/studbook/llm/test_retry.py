"""How long to wait."""

from hypothesis import given
from hypothesis import strategies as st

from studbook.llm.retry import RetryPolicy

POLICY = RetryPolicy(first_wait_seconds=1.0, longest_backoff_seconds=30.0, longest_wait_seconds=120.0)


def test_the_same_call_waits_the_same_and_others_do_not() -> None:
    assert POLICY.wait_seconds("a", 1) == POLICY.wait_seconds("a", 1)
    assert POLICY.wait_seconds("a", 1) != POLICY.wait_seconds("b", 1)


@given(st.text(max_size=8), st.integers(1, 10_000))
def test_a_backoff_lies_between_half_and_all_of_its_step(key: str, attempt: int) -> None:
    full = min(30.0, 2.0 ** (min(attempt, 20) - 1))
    assert full / 2 <= POLICY.wait_seconds(key, attempt) <= full


def test_retry_after_lengthens_a_wait_and_never_shortens_it() -> None:
    assert POLICY.wait_seconds("a", 1, 60.0) == 60.0
    assert POLICY.wait_seconds("a", 6, 0.001) >= 15.0


def test_no_endpoint_makes_us_wait_for_hours() -> None:
    assert POLICY.wait_seconds("a", 1, 86_400.0) == 120.0
