"""How long to wait before a call is tried again: exponential, jittered, the same for the same call.

Pure: it neither sleeps nor reads a clock. The jitter is derived from the call's key, so a run that is
repeated waits the same, while equal calls of different papers do not come back in step.
"""

from dataclasses import dataclass

from studbook.identity import derive_seed

SEED_RANGE = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """`attempts` counts the first one. A Retry-After is honoured up to `longest_wait_seconds`."""

    attempts: int = 6
    first_wait_seconds: float = 1.0
    longest_backoff_seconds: float = 30.0
    longest_wait_seconds: float = 120.0

    def wait_seconds(self, key: str, attempt: int, retry_after_seconds: float | None = None) -> float:
        """The wait after failed attempt number `attempt` (from 1): half fixed, half jitter."""
        full = min(self.longest_backoff_seconds, self.first_wait_seconds * 2.0 ** min(attempt - 1, 32))
        jitter = derive_seed("retry", key, attempt) / SEED_RANGE
        backoff = full * (0.5 + 0.5 * jitter)
        return min(self.longest_wait_seconds, max(backoff, retry_after_seconds or 0.0))


PATIENT = RetryPolicy()
