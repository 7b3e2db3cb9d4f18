"""What went wrong at an endpoint, in three lines: what, where, what to do next. Never with a key in it.

Tells what is worth another try (ModelUnavailable) from what is not: this one request (RequestRefused), or any
(ModelRejected). Does not retry.
"""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from studbook.errors import Cause, ModelError, ModelRejected, ModelUnavailable, RequestRefused
from studbook.llm.secrets import MASK, Mask

LONGEST_QUOTE = 300
KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key)-[\w*.\-]{4,}|\bBearer\s+\S+", re.IGNORECASE)
SDK_PREFIX = re.compile(r"^Error code: \d+ - ")
THIS_REQUEST = {400, 413, 422}
WORTH_ANOTHER_TRY = {408, 409, 425, 429}
SPENT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}

NEXT_STEP = {
    400: "the endpoint cannot take this request: if it is too long, shorten papers or take another model",
    401: "the key is wrong or missing: set OPENAI_API_KEY in the environment or in .env, or the variable "
    "that the endpoint's api_key_env names",
    402: "the account cannot pay: add credit, or name another endpoint in the spec",
    403: "this key may not use this model: check the account's rights, or name another model in the spec",
    404: "no such model or path here: check the model's name and the base URL (it usually ends in /v1)",
    413: "the request is too large for this endpoint: shorten papers or take another endpoint",
    422: "the endpoint cannot take this request: check the role's settings in the spec",
    429: "the endpoint limits the rate: lower the endpoint's concurrency, or wait",
}
NOT_REACHED = "check OPENAI_BASE_URL or base_url, and that the server runs and can be reached from here"
TOO_SLOW = "raise the endpoint's timeout_seconds, or lower its concurrency"
SERVER_ERROR = "the server failed on its own side: wait and resume, or name another endpoint in the spec"
SPENT_STEP = "the account's quota is spent: add credit, or name another endpoint in the spec"
GARBLED = "check that the base URL is an OpenAI-compatible API (it usually ends in /v1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """`status` 0: no answer of the endpoint at all; `message` is one line, without secrets."""

    status: int
    message: str
    next_step: str
    param: str = ""
    code: str = ""
    retry_after_seconds: float | None = None
    cause: Cause = Cause.OTHER

    @property
    def is_worth_another_try(self) -> bool:
        if self.code in SPENT:
            return False
        return self.status == 0 or self.status in WORTH_ANOTHER_TRY or self.status >= 500


def to_model_error(complaint: Complaint, where: str) -> ModelError:
    """`where` names endpoint and model."""
    text = f"{complaint.message}\n{where}\n{complaint.next_step}"
    if complaint.is_worth_another_try:
        return ModelUnavailable(
            text, retry_after_seconds=complaint.retry_after_seconds, cause=complaint.cause
        )
    return RequestRefused(text) if complaint.status in THIS_REQUEST else ModelRejected(text)


def complaint_of_status(
    status: int,
    message: str,
    mask: Mask,
    *,
    param: str = "",
    code: str = "",
    retry_after: str = "",
    date: str = "",
) -> Complaint:
    """An answer with an HTTP status of 400 and more (or a redirect, which is not followed).

    `retry_after` and `date` are its headers of these names.
    """
    if code in SPENT:
        step = SPENT_STEP
    elif status >= 500:
        step = SERVER_ERROR
    else:
        step = NEXT_STEP.get(status, GARBLED)
    return Complaint(
        status=status,
        message=f"the endpoint answered HTTP {status}: {one_line(SDK_PREFIX.sub('', message), mask)}",
        next_step=step,
        param=param,
        code=code,
        retry_after_seconds=seconds_of(retry_after, date),
        cause=Cause.LIMITED if status == 429 else Cause.OTHER,
    )


def unreached(cause: str) -> Complaint:
    what = f"the endpoint cannot be reached: {cause}"
    return Complaint(status=0, message=what, next_step=NOT_REACHED, cause=Cause.UNREACHED)


def broken_off(cause: str) -> Complaint:
    return Complaint(status=0, message=f"the endpoint broke the answer off: {cause}", next_step=SERVER_ERROR)


def timed_out() -> Complaint:
    what = "the endpoint did not answer in time"
    return Complaint(status=0, message=what, next_step=TOO_SLOW, cause=Cause.TIMEOUT)


def garbled(message: str) -> Complaint:
    return Complaint(status=0, message=message, next_step=GARBLED, cause=Cause.GARBLED)


def refused(message: str) -> Complaint:
    """By the model itself, in an answer with status 200."""
    return Complaint(status=400, message=message, next_step=NEXT_STEP[400])


def one_line(text: str, mask: Mask) -> str:
    """A quotation fit for a message: no line breaks, no keys, not long."""
    flat = " ".join(KEY_LIKE.sub(MASK, mask.hide_in(text)).split())
    return flat if len(flat) <= LONGEST_QUOTE else flat[:LONGEST_QUOTE] + "…"


def seconds_of(retry_after: str, date: str = "") -> float | None:
    """Retry-After in seconds. Its form as a date counts from the Date that the same answer bears."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return _seconds_between(date, retry_after)
    return seconds if 0.0 <= seconds < float("inf") else None


def _seconds_between(start: str, end: str) -> float | None:
    try:
        seconds = (parsedate_to_datetime(end) - parsedate_to_datetime(start)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date; or one of them without a zone
        return None
    return max(0.0, seconds)
