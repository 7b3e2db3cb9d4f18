"""The arithmetic of `in_flight.py`: the overhead of a call beyond its backend, and how many were in flight.

Pure functions of times in seconds, from the machine's monotonic clock, which is the same inside a box.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median, quantiles

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as the harness saw it; `backend` is how long its backend says it took."""

    paper: str
    begin: float
    seconds: float
    backend: float

    @property
    def end(self) -> float:
        return self.begin + self.seconds

    @property
    def overhead(self) -> float:
        return self.seconds - self.backend


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The period in which all papers ran. `calls` ended in it; `share` is their throughput relative to
    that without any overhead. The times are of calls that also began in it: earlier calls waited for boxes
    that were still starting.
    """

    calls: int
    seconds: float
    share: float
    median_ms: float
    p95_ms: float


def read_calls(paper: str, log: str) -> list[Call]:
    """Parses the log of the harness: one line per call, `begin seconds backend`."""
    rows = [[float(word) for word in line.split()] for line in log.splitlines()]
    return [
        Call(paper=paper, begin=begin, seconds=seconds, backend=backend) for begin, seconds, backend in rows
    ]


def all_under_way(calls: Iterable[Call]) -> Interval | None:
    """From the last paper's first call to the first paper's last one; None if they never overlapped."""
    papers: dict[str, Interval] = {}
    for call in calls:
        first, last = papers.get(call.paper, (call.begin, call.end))
        papers[call.paper] = (min(first, call.begin), max(last, call.end))
    begin, end = max(first for first, _ in papers.values()), min(last for _, last in papers.values())
    return (begin, end) if begin < end else None


def summarize(calls: Sequence[Call]) -> Summary | None:
    """None if all papers were never, or hardly, running at the same time."""
    window = all_under_way(calls)
    if window is None:
        return None
    begin, end = window
    inside = [call for call in calls if begin < call.end <= end]
    overheads = [1000 * call.overhead for call in inside if call.begin >= begin]
    if len(overheads) < 2:
        return None
    papers = len({call.paper for call in calls})
    return Summary(
        calls=len(inside),
        seconds=end - begin,
        share=len(inside) * fmean(call.backend for call in calls) / ((end - begin) * papers),
        median_ms=median(overheads),
        p95_ms=quantiles(overheads, n=20)[18],
    )
