from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.rate import NO_RATE, Rate

rates = st.integers(1, 400).flatmap(lambda n: st.integers(0, n).map(lambda passed: Rate(passed, n)))


def test_a_rate_prints_with_n_and_its_wilson_interval():
    assert str(Rate(3, 25)) == "12.0% (3/25, 95% CI 4.2–30.0)"


def test_nothing_measured_prints_as_nothing_and_not_as_zero():
    assert str(NO_RATE) == "– (n=0)"


def test_rates_pool_by_adding_counts():
    assert Rate(1, 10) + Rate(4, 5) == Rate(5, 15)
    assert (Rate(1, 10) + Rate(4, 5)).fraction == Fraction(1, 3)


@pytest.mark.parametrize(("passed", "n"), [(-1, 3), (4, 3), (1, 0)])
def test_impossible_counts_are_refused(passed: int, n: int):
    with pytest.raises(ValueError, match="0 <= passed <= n"):
        Rate(passed, n)


@given(rates)
def test_the_interval_holds_the_rate_and_stays_within_zero_and_one(rate: Rate):
    low, high = rate.interval()
    assert 0 <= low <= float(rate.fraction) + 1e-12
    assert float(rate.fraction) - 1e-12 <= high <= 1


@given(rates)
def test_ten_times_the_papers_give_a_narrower_interval(rate: Rate):
    low, high = rate.interval()
    lower, higher = Rate(10 * rate.passed, 10 * rate.n).interval()
    assert higher - lower < high - low
