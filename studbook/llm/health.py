"""Whether an endpoint's model answers at present: since when it does not, and whether it ever did.

Remembers times it is told, reads no clock, judges nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from threading import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """No usable answer from then on: seconds of a steady clock, and the time of day for people."""

    began: float
    since: datetime


class Health:
    """Of one model at one endpoint. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._silence: Silence | None = None
        self._has_answered = False

    @property
    def has_answered(self) -> bool:
        return self._has_answered

    def answered(self) -> Silence | None:
        """An answer came, of whatever kind; returns the silence that it ended."""
        with self._lock:
            ended, self._silence, self._has_answered = self._silence, None, True
            return ended

    def failed(self, began: float, since: datetime) -> Silence:
        """No usable answer; the first one after an answer begins the silence."""
        with self._lock:
            if self._silence is None:
                self._silence = Silence(began=began, since=since)
            return self._silence
