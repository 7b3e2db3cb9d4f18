"""How many requests run at one endpoint at once: fewer after a rate limit, more again while it answers.

Additive increase, multiplicative decrease, as networks do it: a rate limit halves the number, every answer
raises it a little, up to the spec's concurrency. Requests that were already under way when the number fell
do not make it fall again. At least one request may always run, so nobody waits for ever. Which results come
out does not depend on any of this. Sleeps nowhere: `pause_seconds` says how long the endpoint asked everyone
to wait.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition

LONGEST_PAUSE_SECONDS = 120.0
"""However long an endpoint asks to wait, it is asked again after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """How many requests could run before, and how many can from now on."""

    before: int
    now: int
    is_first: bool


class Slots:
    """Thread-safe. `clock` counts seconds."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._limit = float(most)
        self._running = 0
        self._slowdowns = 0
        self._free_at: float | None = None
        self._changed = Condition()

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Waits for a slot and frees it at the end of the block; gives the number of slowdowns so far."""
        with self._changed:
            while self._running >= self.limit:
                self._changed.wait()
            self._running += 1
            slowdowns = self._slowdowns
        try:
            yield slowdowns
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @property
    def limit(self) -> int:
        return int(self._limit)

    @property
    def pause_seconds(self) -> float:
        """How long nothing should be sent, by the endpoint's last Retry-After."""
        return 0.0 if self._free_at is None else max(0.0, self._free_at - self._clock())

    def answered(self) -> None:
        with self._changed:
            self._limit = min(float(self._most), self._limit + 1.0 / self._limit)
            self._changed.notify_all()

    def limited(self, slowdowns: int, retry_after_seconds: float | None) -> Slowdown | None:
        """Records a rate limit, within `hold`, which gave `slowdowns`; None if there was one more since."""
        with self._changed:
            if retry_after_seconds is not None:
                pause = min(retry_after_seconds, LONGEST_PAUSE_SECONDS)
                self._free_at = max(self._free_at or 0.0, self._clock() + pause)
            if slowdowns != self._slowdowns:
                return None
            before = self.limit
            self._limit = max(1.0, min(self._limit, float(self._running)) / 2)
            self._slowdowns += 1
            return Slowdown(before=before, now=self.limit, is_first=slowdowns == 0)
