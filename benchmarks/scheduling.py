"""The arithmetic of `parallel.py` and `utilization.py`: how busy workers or slots were, and why not more.

Pure functions of times in seconds. Runs and measures nothing.
"""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long a model call or an evaluation takes: 1 s on average by default.

    `sigma` 0: constant. Otherwise lognormal: the larger, the heavier the tail. With 1.0 the median is 0.61 of
    the mean, and one call in a hundred takes more than 6.2 times the mean.
    """

    sigma: float = 0.0
    mean_seconds: float = 1.0

    def draw(self, luck: Random) -> float:
        spread = luck.lognormvariate(-self.sigma * self.sigma / 2, self.sigma) if self.sigma else 1.0
        return self.mean_seconds * spread


def busy_seconds(intervals: Iterable[Interval], begin: float, end: float) -> float:
    """The seconds of work between `begin` and `end`."""
    return sum(max(0.0, min(end, last) - max(begin, first)) for first, last in intervals)


def efficiency(intervals: Iterable[Interval], workers: int, begin: float, end: float) -> float:
    """Work done between `begin` and `end`, divided by what `workers` that never wait would have done."""
    return busy_seconds(intervals, begin, end) / (workers * (end - begin))


Cause = tuple[Sequence[Interval], Callable[[int], bool]]
"""Intervals, and whether the cause holds while so many of them are open."""


def lost_seconds(
    calls: Sequence[Interval], slots: int, window: Interval, causes: Mapping[str, Cause], otherwise: str
) -> dict[str, float]:
    """The seconds for which slots were free in the window, by what was going on at the time.

    Each moment belongs to the first of `causes` that holds, else to `otherwise`.
    """
    open_calls = _Counted(calls)
    counted = {name: (_Counted(intervals), holds) for name, (intervals, holds) in causes.items()}
    moments = {
        moment for each in (open_calls, *(one for one, _ in counted.values())) for moment in each.moments
    }
    inside = [window[0], *sorted(moment for moment in moments if window[0] < moment < window[1]), window[1]]
    lost = dict.fromkeys([*causes, otherwise], 0.0)
    for first, last in pairwise(inside):
        free = max(0, slots - open_calls.at(first))
        holding = (name for name, (intervals, holds) in counted.items() if holds(intervals.at(first)))
        lost[next(holding, otherwise)] += free * (last - first)
    return lost


class _Counted:
    """How many of some intervals are open at a time; ends are excluded."""

    def __init__(self, intervals: Iterable[Interval]) -> None:
        changes: dict[float, int] = {}
        for first, last in intervals:
            changes[first] = changes.get(first, 0) + 1
            changes[last] = changes.get(last, 0) - 1
        self.moments = sorted(changes)
        self._open = [0]
        for moment in self.moments:
            self._open.append(self._open[-1] + changes[moment])

    def at(self, moment: float) -> int:
        return self._open[bisect_right(self.moments, moment)]


def in_order(durations: Sequence[float], workers: int, lag: int) -> list[Interval]:
    """When each iteration runs if the framework takes no time.

    Iteration i may start when i - lag is committed and a worker is free; iterations start and are committed
    in order. So this is only the cost of the rule that makes lineages reproducible.
    """
    free = [0.0] * workers
    committed = [0.0]
    runs = []
    for number, duration in enumerate(durations, 1):
        start = max(heapq.heappop(free), committed[max(0, number - lag)])
        runs.append((start, start + duration))
        heapq.heappush(free, start + duration)
        committed.append(max(committed[-1], start + duration))
    return runs


def in_order_efficiency(durations: Sequence[float], workers: int, lag: int) -> float:
    """The efficiency of `in_order` until the last iteration starts, without the end of the run."""
    runs = in_order(durations, workers, lag)
    return efficiency(runs, workers, 0.0, runs[-1][0])


def many_durations(steps: Sequence[int], latency: Latency, count: int, seed: int) -> list[float]:
    """Samples iterations like the observed ones: the steps of a random one, with fresh latencies."""
    luck = Random(seed)
    return [sum(latency.draw(luck) for _ in range(luck.choice(steps))) for _ in range(count)]
