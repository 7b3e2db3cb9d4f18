"""Equal calls that are made at the same time are made once; everyone who asked gets the one outcome.

Remembers nothing once a call has ended: that is the records' job.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock

from studbook.llm.contracts import ChatReply


class SingleFlight:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._under_way: dict[str, Future[ChatReply]] = {}

    def do(self, key: str, work: Callable[[], ChatReply]) -> ChatReply:
        """`work()`, or the outcome of the equal work under way (then `recorded`: nobody paid twice)."""
        with self._lock:
            others = self._under_way.get(key)
            if others is None:
                own = self._under_way[key] = Future[ChatReply]()
        if others is not None:
            return replace(others.result(), recorded=True)
        try:
            reply = work()
        except BaseException as error:  # handed to those who wait, whatever it is, and raised again
            self._finish(key)
            own.set_exception(error)
            raise
        self._finish(key)
        own.set_result(reply)
        return reply

    def _finish(self, key: str) -> None:
        with self._lock:
            del self._under_way[key]
