"""The arithmetic of benchmarks/parallel.py and utilization.py, on cases that can be worked out by hand."""

from random import Random
from statistics import fmean

import pytest

from benchmarks.scheduling import (
    Latency,
    busy_seconds,
    efficiency,
    in_order,
    in_order_efficiency,
    lost_seconds,
    many_durations,
)


def test_only_work_between_the_two_moments_counts():
    assert busy_seconds([(0.0, 2.0), (1.0, 4.0), (6.0, 7.0)], begin=1.0, end=5.0) == 4.0


def test_efficiency_is_work_divided_by_what_the_workers_could_have_done():
    assert efficiency([(0.0, 4.0), (0.0, 2.0)], workers=2, begin=0.0, end=4.0) == 0.75


def test_with_lag_one_iterations_run_one_after_the_other_however_many_workers_there_are():
    assert in_order([1.0, 2.0, 1.0], workers=3, lag=1) == [(0.0, 1.0), (1.0, 3.0), (3.0, 4.0)]


def test_a_slow_iteration_holds_up_the_one_that_waits_for_its_commit():
    runs = in_order([4.0, 1.0, 1.0, 1.0], workers=2, lag=2)
    assert runs == [(0.0, 4.0), (0.0, 1.0), (4.0, 5.0), (4.0, 5.0)]


def test_a_larger_lag_lets_the_free_worker_go_on():
    runs = in_order([4.0, 1.0, 1.0, 1.0], workers=2, lag=4)
    assert runs == [(0.0, 4.0), (0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]


def test_equal_iterations_keep_everyone_busy_with_a_lag_of_as_many_as_the_workers():
    assert in_order_efficiency([2.0] * 40, workers=4, lag=4) == 1.0
    assert in_order_efficiency([2.0] * 40, workers=4, lag=2) == pytest.approx(0.5)


def test_a_constant_latency_is_what_it_says():
    assert Latency().draw(Random(1)) == 1.0
    assert Latency(mean_seconds=0.25).draw(Random(1)) == 0.25


def test_a_heavy_tail_has_the_same_mean_a_smaller_median_and_few_long_waits():
    luck = Random(1)
    drawn = sorted(Latency(sigma=1.0).draw(luck) for _ in range(100_000))
    assert fmean(drawn) == pytest.approx(1.0, rel=0.02)
    assert drawn[50_000] == pytest.approx(0.607, rel=0.02)
    assert drawn[99_000] == pytest.approx(6.2, rel=0.05)


def test_the_same_seed_gives_the_same_iterations():
    first = many_durations([3, 6], Latency(), 50, seed=1)
    assert first == many_durations([3, 6], Latency(), 50, seed=1)
    assert set(first) == {3.0, 6.0}


def test_free_slots_are_laid_to_the_first_cause_that_holds_at_the_time():
    causes = {
        "dialogue": ([(0.0, 2.0)], bool),
        "few papers": ([(1.0, 6.0), (4.0, 6.0)], lambda running: running < 2),
    }
    lost = lost_seconds([(0.0, 1.0), (3.0, 6.0), (4.0, 9.0)], 3, (0.0, 6.0), causes, otherwise="one call")
    assert lost == {"dialogue": 2.0 + 3.0, "few papers": 3.0 + 2.0, "one call": 1.0 + 1.0}


def test_slots_that_are_all_used_are_not_lost():
    assert lost_seconds([(0.0, 4.0)] * 2, 2, (1.0, 3.0), {}, otherwise="one call") == {"one call": 0.0}
