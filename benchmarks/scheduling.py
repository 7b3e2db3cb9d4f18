"""The arithmetic of `parallel.py`: how busy workers were, and the most that the order of commits allows.

Pure functions of times in seconds. Runs and measures nothing.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
