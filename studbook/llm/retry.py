"""How often and how long a call is tried: exponential waits, jittered, the same for the same call.

Pure: it neither sleeps nor reads a clock. The jitter is derived from the call's key, so a run that is
repeated waits the same, while equal calls of different papers do not come back in step.
"""

from dataclasses import dataclass

from studbook.errors import Cause, ModelUnavailable
from studbook.identity import derive_seed

SEED_RANGE = 2**31

TIMEOUT_WEIGHT = 3

"""One timeout has waited as long as several refused connections."""

FEWEST_FOR_BLAME = 6

"""With fewer attempts at one request, bad luck could not be told from a request that never works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """`attempts` counts the first one: after so many the role is asked a control question.

    `patience_seconds` (None: no end) is how long an endpoint may give no usable answer before the run pauses.
    `same_answer` is how often a request must be answered in the same useless way (refused, empty, cut short)
    before that is believed. An endpoint that was never reached at all gets `first_attempts`: a wrong address
    does not mend itself. A Retry-After is honoured up to `longest_wait_seconds`.
    """

    attempts: int = 12
    first_attempts: int = 3
    same_answer: int = 3
    other_seeds: int = 2
    patience_seconds: float | None = 0.0
    first_wait_seconds: float = 1.0
    longest_backoff_seconds: float = 30.0
    longest_wait_seconds: float = 120.0

    @property
    def may_blame(self) -> bool:
        """Can so many attempts show that a request never works?"""
        return self.attempts >= FEWEST_FOR_BLAME

    def is_over(self, outage_seconds: float) -> bool:
        return self.patience_seconds is not None and outage_seconds >= self.patience_seconds

    def wait_seconds(self, key: str, attempt: int, retry_after_seconds: float | None = None) -> float:
        """The wait after failed attempt number `attempt` (from 1): half fixed, half jitter."""
        full = min(self.longest_backoff_seconds, self.first_wait_seconds * 2.0 ** min(attempt - 1, 32))
        jitter = derive_seed("retry", key, attempt) / SEED_RANGE
        backoff = full * (0.5 + 0.5 * jitter)
        return min(self.longest_wait_seconds, max(backoff, retry_after_seconds or 0.0))


def weight_of(error: ModelUnavailable) -> int:
    """How many attempts a failed one counts for."""
    return TIMEOUT_WEIGHT if error.cause is Cause.TIMEOUT else 1


def may_lie_in_request(error: ModelUnavailable) -> bool:
    """Who was not let in was not heard: a rate limit or a missing connection says nothing of a request."""
    return error.cause not in {Cause.LIMITED, Cause.UNREACHED}


PATIENT = RetryPolicy()
