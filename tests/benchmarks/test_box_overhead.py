"""The arithmetic of benchmarks/in_flight.py, on calls that can be counted by hand."""

import pytest

from benchmarks.box_overhead import Call, all_under_way, read_calls, summarize


def call(paper, begin, seconds, backend):
    return Call(paper=paper, begin=begin, seconds=seconds, backend=backend)


def test_what_a_harness_wrote_down_is_read_back():
    assert read_calls("p1", "10.5000 1.00300 1.00000\n11.6000 0.50400 0.50000") == [
        call("p1", 10.5, 1.003, 1.0),
        call("p1", 11.6, 0.504, 0.5),
    ]


def test_overhead_is_what_the_backend_does_not_account_for():
    assert call("p1", 0.0, 1.25, 1.0).overhead == 0.25


def test_all_are_under_way_from_the_last_first_call_to_the_first_last_one():
    calls = [
        call("a", 0.0, 1.0, 1.0),
        call("a", 4.0, 1.0, 1.0),
        call("b", 2.0, 1.0, 1.0),
        call("b", 8.0, 1.0, 1.0),
    ]
    assert all_under_way(calls) == (2.0, 5.0)


def test_papers_that_never_meet_have_no_figure():
    calls = [call("a", 0.0, 1.0, 1.0), call("b", 2.0, 1.0, 1.0)]
    assert all_under_way(calls) is None
    assert summarize(calls) is None


def test_a_way_without_overhead_has_the_whole_throughput():
    calls = [call(paper, float(second), 1.0, 1.0) for paper in "ab" for second in range(10)]
    found = summarize(calls)
    assert (found.calls, found.seconds, found.share) == (20, 10.0, 1.0)
    assert (found.median_ms, found.p95_ms) == (0.0, 0.0)


def test_a_call_that_began_while_boxes_were_started_counts_but_is_not_timed():
    calls = [call(paper, float(second), 1.0, 1.0) for paper in "ab" for second in range(5)]
    calls[0] = call("a", -9.0, 9.5, 1.0)
    found = summarize(calls)
    assert found.calls == 10
    assert found.p95_ms == 0.0


def test_calls_that_take_twice_what_the_backend_took_have_half_the_throughput():
    calls = [call(paper, 2.0 * second, 2.0, 1.0) for paper in "ab" for second in range(10)]
    found = summarize(calls)
    assert found.share == 0.5
    assert found.median_ms == pytest.approx(1000.0)
