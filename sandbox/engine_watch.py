"""Was the engine there all the time? A connection that says nothing, and ends when the engine does.

How a box ended cannot tell: one that was let go of by an engine that was started again may have gone on, or
have ended with any status, and so may one whose shim is in hostile hands. This connection no box can reach.
"""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from docker.errors import APIError, DockerException
from urllib3.exceptions import HTTPError

NOTHING = {"type": ["plugin"], "event": ["none"]}
PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 5.0


class EngineWatch:
    """Follows the engine's (empty) list of events from the first `look` on. Thread-safe."""

    def __init__(self, events: Callable[..., Any]) -> None:
        """`events`: the SDK's, which gives a stream that can be closed."""
        self._events = events
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stream: Any = None
        self._is_following = self._is_blind = self._is_closed = False
        self._ends = 0

    def look(self) -> int:
        """How often it has ended so far; waits until it is there (again), for seconds at most."""
        with self._changed:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._follow, name="engine-watch", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._is_following or self._is_blind, PATIENCE_SECONDS)
            return self._ends

    def has_ended_since(self, look: int, patience_seconds: float) -> bool:
        """Whether it has ended after `look` was given, or does within `patience_seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ends != look, patience_seconds)

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            if self._stream is not None:
                _end(self._stream)
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)

    def _follow(self) -> None:
        while not self._is_closed and not self._is_blind:
            try:
                self._follow_once()
            except APIError as error:
                # an engine, or a guard before it, that does not tell: nothing is known then
                self._tell(is_blind=error.is_client_error())
            except (DockerException, HTTPError, OSError):
                pass  # it is away, or went in the middle
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, PAUSE_SECONDS)

    def _follow_once(self) -> None:
        stream = self._events(filters=NOTHING)
        with self._changed:
            if self._is_closed:
                _end(stream)
                return
            self._stream, self._is_following = stream, True
            self._changed.notify_all()
        try:
            for _ in stream:
                pass
        finally:
            with self._changed:
                self._stream, self._is_following = None, False
                self._ends += 1
                self._changed.notify_all()

    def _tell(self, *, is_blind: bool) -> None:
        with self._changed:
            self._is_blind = is_blind
            self._changed.notify_all()


def _end(stream: Any) -> None:
    with contextlib.suppress(DockerException, HTTPError, OSError):
        stream.close()
