"""What the client tells while it works: retries, waits, failures. Times and luck: never part of a result."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class NoticeKind(StrEnum):
    RETRY = "retry"  # an attempt failed and will be repeated after `wait_seconds`
    WAITING = "waiting"  # the endpoint answers nothing at all; the run waits for it
    RECOVERED = "recovered"  # it answers again
    FAILURE = "failure"  # the call failed for good
    OTHER_MODEL = "other_model"  # a reply that says it is another model's


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelNotice:
    kind: NoticeKind
    role: str
    endpoint: str
    model: str
    key: str
    attempt: int
    wait_seconds: float
    message: str


OnNotice = Callable[[ModelNotice], None]


def ignore_notice(notice: ModelNotice) -> None:
    """Tells nobody."""
