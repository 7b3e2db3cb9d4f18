"""Stopping in order: one place that says whether new work may begin.

Set by the user's stop request or by the first failure of any iteration; looked at between steps and before
every paper, so that what is running is finished and nothing new is begun.
"""

import threading

from evolve.seams import StopRequested


class Brake:
    """Thread-safe. `stop` belongs to the caller; pulling the brake does not set it."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._pulled = threading.Event()

    def pull(self) -> None:
        self._pulled.set()

    def check(self) -> None:
        if self._stop.is_set() or self._pulled.is_set():
            raise StopRequested("stopped on request; what is finished is kept")
