"""The arithmetic of `parallel.py`: how busy workers were, and how busy the order of commits lets them be.

Pure functions of times in seconds. Nothing is run and nothing is measured here.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long a model call or an evaluation takes: 1 s on average, if nothing else is said.

    `sigma` 0: always the same. Else lognormal: the larger, the heavier the tail. With 1.0 the median is 0.61
    of the mean, and one call in a hundred takes more than 6.2 times the mean.
    """

    sigma: float = 0.0
    mean_seconds: float = 1.0

    def draw(self, luck: Random) -> float:
        spread = luck.lognormvariate(-self.sigma * self.sigma / 2, self.sigma) if self.sigma else 1.0
        return self.mean_seconds * spread


def busy_seconds(intervals: Iterable[Interval], begin: float, end: float) -> float:
    """The seconds of work that fall between `begin` and `end`."""
    return sum(max(0.0, min(end, last) - max(begin, first)) for first, last in intervals)


def efficiency(intervals: Iterable[Interval], workers: int, begin: float, end: float) -> float:
    """Work done, divided by what `workers` that never wait would have done between `begin` and `end`."""
    return busy_seconds(intervals, begin, end) / (workers * (end - begin))


def in_order(durations: Sequence[float], workers: int, lag: int) -> list[Interval]:
    """When each iteration runs if the framework takes no time at all.

    Iteration i may start when i - lag is committed and a worker is free; iterations start and are committed
    in order. So this is what the rule that makes lineages repeatable costs, and nothing else.
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
    """Of `in_order`, until the last iteration starts: what follows is the end of a run, not its course."""
    runs = in_order(durations, workers, lag)
    return efficiency(runs, workers, 0.0, runs[-1][0])


def many_durations(steps: Sequence[int], latency: Latency, count: int, seed: int) -> list[float]:
    """Iterations like those seen: each with as many steps as one of them, each step with fresh luck."""
    luck = Random(seed)
    return [sum(latency.draw(luck) for _ in range(luck.choice(steps))) for _ in range(count)]
