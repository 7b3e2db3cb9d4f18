"""Statistics by value: textbook numbers, and what must hold for all counts."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.populations.statistics import Paired, shrunk_rate, sign_test, unpaired_interval
from studbook.rate import NO_RATE, Rate

RATES = st.integers(1, 500).flatmap(lambda n: st.builds(Rate, st.integers(0, n), st.just(n)))
COUNTS = st.integers(0, 200)


def test_the_shrunk_rate_is_the_posterior_mean():
    assert shrunk_rate(Rate(10, 25), Rate(1, 5), 25) == Fraction(15, 50)
    assert shrunk_rate(Rate(4, 4), Rate(1, 4), 12) == Fraction(7, 16)


def test_without_strength_the_rate_is_itself_and_without_results_it_is_the_prior():
    assert shrunk_rate(Rate(3, 7), Rate(1, 5), 0) == Fraction(3, 7)
    assert shrunk_rate(NO_RATE, Rate(1, 5), 25) == Fraction(1, 5)
    assert shrunk_rate(NO_RATE, Rate(1, 5), 0) == Fraction(1, 5)
    assert shrunk_rate(Rate(1, 2), NO_RATE, 2) == Fraction(1, 2)


def test_a_negative_strength_is_refused():
    with pytest.raises(ValueError, match="not -1"):
        shrunk_rate(Rate(1, 2), Rate(1, 2), -1)


@given(RATES, RATES, st.integers(0, 1000))
def test_the_shrunk_rate_lies_between_rate_and_prior(rate, prior, strength):
    low, high = sorted((rate.fraction, prior.fraction))
    assert low <= shrunk_rate(rate, prior, strength) <= high


@pytest.mark.parametrize(
    ("wins", "losses", "expected"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (8, 2, 0.109375), (10, 0, 2 / 1024), (3, 3, 1.0)],
)
def test_the_sign_test_is_exact(wins, losses, expected):
    assert sign_test(wins, losses) == expected
    assert sign_test(losses, wins) == expected


def test_mcnemar_of_a_textbook_table():
    """Fagerland, Lydersen and Laake 2013: 1 against 7 discordant pairs of 21, exact p = 0.0703."""
    table = Paired(both=1, only_first=1, only_second=7, neither=12)
    assert table.p_value == pytest.approx(0.0703, abs=5e-5)
    assert table.difference == Fraction(6, 21)
    assert (table.first, table.second) == (Rate(2, 21), Rate(8, 21))


def test_the_paired_interval_adds_a_half_to_each_cell():
    """By hand for the same table: 7.5/23 − 1.5/23 ± 1.96 √((9/23 − (6/23)²)/23)."""
    low, high = Paired(both=1, only_first=1, only_second=7, neither=12).interval()
    assert (low, high) == pytest.approx((0.028513, 0.493226), abs=1e-6)


def test_without_pairs_nothing_is_known():
    assert Paired().interval() == (-1.0, 1.0)
    assert Paired().p_value == 1.0


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_turning_the_table_round_turns_the_interval_round(both, first, second, neither):
    low, high = Paired(both=both, only_first=first, only_second=second, neither=neither).interval()
    back = Paired(both=both, only_first=second, only_second=first, neither=neither).interval()
    assert back == pytest.approx((-high, -low))
    assert -1 <= low <= high <= 1


def test_the_unpaired_interval_is_newcombes():
    """Newcombe 1998, table II, method 10: 56/70 − 48/80 has (0.0524, 0.3339)."""
    assert unpaired_interval(Rate(48, 80), Rate(56, 70)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_unpaired_interval_of_nothing_is_everything():
    assert unpaired_interval(NO_RATE, Rate(1, 2)) == (-1.0, 1.0)


@given(RATES, RATES)
def test_the_unpaired_interval_holds_the_difference(first, second):
    low, high = unpaired_interval(first, second)
    assert low - 1e-9 <= float(second.fraction - first.fraction) <= high + 1e-9
