"""The deadline of a box, which does not run while the box waits for the host.

A slow model or a slow judge must never read as a slow harness. Time comes in as an argument.
"""


class BoxClock:
    """Counts the seconds in which no request of the box was being answered."""

    def __init__(self, limit_seconds: float, now: float) -> None:
        self._limit = limit_seconds
        self._spent = 0.0
        self._since: float | None = now

    def remaining(self, now: float) -> float:
        running = now - self._since if self._since is not None else 0.0
        return self._limit - self._spent - running

    @property
    def is_paused(self) -> bool:
        return self._since is None

    def pause(self, now: float) -> None:
        if self._since is not None:
            self._spent += now - self._since
            self._since = None

    def go_on(self, now: float) -> None:
        if self._since is None:
            self._since = now
