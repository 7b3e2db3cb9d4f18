"""What an endpoint's refusal means: whether to wait, to send less, to skip this request, or to stop.

The status alone does not tell: moderation answers 403 or 400, "too large" comes as 400, 413, 429 or 500. So a
complaint is judged by its words first. Pure: `openai_backend` obtains the words, `dialect` learns from them.
"""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from studbook.errors import Cause, ModelError, ModelRejected, ModelUnavailable, RequestRefused
from studbook.llm.contracts import ChatRequest
from studbook.llm.echoes import without_echoes
from studbook.llm.secrets import MASK, Mask

LONGEST_QUOTE = 300
KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key)-[\w*.\-]{4,}|\bBearer\s+\S+", re.IGNORECASE)
SDK_PREFIX = re.compile(r"^Error code: \d+ - ")
THIS_REQUEST = {400, 413, 416, 422, 451}
WORTH_ANOTHER_TRY = {408, 409, 425, 429}
NEVER_ABOUT_CONTENT = {401, 402}

_SIZE = r"(?:context|prompt|input|sequence|token|request)s?"
TOO_LARGE = re.compile(
    r"(request|input|prompt|payload|body|entity|message|query|conversation)s?( token)?( count| length| size)?"
    r" (is |was |are )?(still )?(much )?too (large|long|big)"
    r"|too (large|long|big) (for|to)( be)? (the |this )?(model|context|process)"
    r"|too many (input|prompt) tokens|too many tokens:"
    r"|tokens? must be reduced|(must|should) have less than \d+ tokens|less than or equal to \d+ tokens"
    r"|reduce (the|your) (length|size|prompt|context|input|messages?\b(?! rate)|number of tokens)"
    r"|maximum (context|prompt|input|sequence) length"
    rf"|exceed\w*[^.]{{0,60}}\b{_SIZE}[ _-](length|window|size|limit)|{_SIZE}[ _-](length|window|size|limit)"
    r"[^.]{0,25}\bexceed"
    r"|exceeds? (the )?(max(imum)? )?(number of )?(allowed |input )?tokens? (allowed|limit|count)"
    r"|exceeds the maximum number of tokens|(prompt|input|conversation) exceeds|exceeded model token limit"
    r"|longer than the (model's |maximum )*context|larger than the max(imum)? context|context the? overflows"
    r"|context[_ ](length|window|size)[_ ](is |was |has been )?exceed|exceed_context_size"
    r"|tokens_limit_reached"
    r"|range of input length|reached context length|model_max_prompt_tokens|string_above_max_length"
    r"|greater than the context length",
    re.IGNORECASE,
)
"""Errors about the size of a request, which waiting does not fix, whatever their status (429, 500)."""
_RATE = re.compile(
    r"\bper[ -]?(second|sec|minute|min|hour|day)\b|\bthis (minute|hour|day)\b|rate[ _-]?limit|\b[TR]P[MD]\b"
    r"|try again (later|in|after)|slow down|too many requests|max(imum)? requests? limit"
    r"|^\W*(input |output )?(request|token)s? limit",
    re.IGNORECASE,
)
"""A limit of the rate, which waiting does fix: only what exceeds it alone is too large."""
_TOO_LARGE_FOR_RATE = re.compile(r"too (large|long|big) for\b|request too large", re.IGNORECASE)
_WANTS = r"(?:requested|needed|needs|requires)\W{1,3}(?:about |tokens\W{1,3})?"
_LIMIT_FIRST = re.compile(
    rf"limit\W{{1,3}}(?:of |is )?([\d,]+)(?:\W{{1,3}}used\W{{1,3}}[\d,]+)?\D{{1,40}}?{_WANTS}([\d,]+)",
    re.IGNORECASE,
)
_LIMIT_LAST = re.compile(
    rf"{_WANTS}([\d,]+)\D{{1,80}}?(?<!remaining )\blimit\W{{1,3}}(?:of |is )?([\d,]+)",
    re.IGNORECASE,
)
"""More requested at once than the limit allows can never succeed, whatever else was used."""

FLAGGED = re.compile(
    r"content[ _-]?(filter|policy|management|moderation|safety)|responsible ?ai|jailbreak|moderation"
    r"|\bflagged\b|safety (system|polic|filter|setting|reason)|usage polic|inappropriate content"
    r"|data_?inspection|block_?reason|blocked by [^.]{0,30}(filter|safety|content)|prohibited[_ ]content"
    r"|sensitive (content|words?)|\b(prompt|input|response) (was |is |has been )?blocked\b"
    r"|\b(PII|personal (data|information)) (was |were )?detected"
    r"|guardrail|high risk|risk_control|violat\w* [^.]{0,40}polic",
    re.IGNORECASE,
)
"""A filter objected to the content of this request."""
_FLAGGED_ITSELF = re.compile(
    r"\b(prompt|input|content|message|request|output|response)s?\b[^.]{0,30}\b(flagged|blocked|filtered|rejected)\b",
    re.IGNORECASE,
)
_FILTER_DOWN = re.compile(
    r"unavailable|tim(ed|e)[ -]?out|unreachable|out of order|overloaded|please retry|try again"
    r"|(service|filter|moderation|guardrail|classifier)\w* (\w+ )?(error|failed|failure|down|crashed)"
    r"|(error|failed|failure|exception) (in|from|at|of|while|during|when|calling|to (call|reach|run))\b"
    r"|(could|can) ?not (reach|call|run|be reached)",
    re.IGNORECASE,
)
"""A filter failed: an outage, where it is a server's failure, and no verdict."""
SPENT = re.compile(r"\b(insufficient_quota|billing_hard_limit_reached|billing_not_active)\b")

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
FLAGGED_STEP = "a filter of the endpoint objects to this request: other requests are not affected"
GARBLED = "check that the base URL is an OpenAI-compatible API (it usually ends in /v1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """`status` 0: no answer from the endpoint; `message` is one line, without secrets.

    `words` is what the endpoint said, without secrets and without what it repeated from the request: dialects
    and limits are learned from it.
    """

    status: int
    message: str
    next_step: str
    words: str = ""
    param: str = ""
    code: str = ""
    retry_after_seconds: float | None = None
    cause: Cause = Cause.OTHER

    @property
    def is_too_large(self) -> bool:
        return is_too_large(self.words or self.message, self.status)

    @property
    def is_flagged(self) -> bool:
        return is_flagged(self.words, self.status, self.code)

    @property
    def is_spent(self) -> bool:
        return _is_spent(self.words, self.code)

    @property
    def is_about_request(self) -> bool:
        """Whether the same request would fail again while others may succeed."""
        return self.status in THIS_REQUEST or self.is_too_large or self.is_flagged

    @property
    def is_worth_another_try(self) -> bool:
        if self.is_spent or self.is_too_large or self.is_flagged:
            return False
        return self.status == 0 or self.status in WORTH_ANOTHER_TRY or self.status >= 500


def is_too_large(words: str, status: int) -> bool:
    """Whether a request was refused for its size, which no wait changes; `status` 0: none is known."""
    if (first := _LIMIT_FIRST.search(words)) and _number(first[2]) > _number(first[1]):
        return True
    if (last := _LIMIT_LAST.search(words)) and _number(last[1]) > _number(last[2]):
        return True
    is_about_rate = status not in THIS_REQUEST and _RATE.search(words)
    return (_TOO_LARGE_FOR_RATE if is_about_rate else TOO_LARGE).search(words) is not None


def is_flagged(words: str, status: int, code: str = "") -> bool:
    """Whether a filter judged the content of a request, and not failed itself."""
    if status in NEVER_ABOUT_CONTENT or not FLAGGED.search(f"{code} {words}"):
        return False
    if status == 429:
        judged = FLAGGED.search(code) or _FLAGGED_ITSELF.search(words)
        return judged is not None and not _RATE.search(words)
    return status < 500 or not _FILTER_DOWN.search(words)


def _is_spent(words: str, code: str) -> bool:
    return SPENT.search(f"{code} {words}") is not None


def to_model_error(complaint: Complaint, where: str) -> ModelError:
    """`where` names endpoint and model."""
    text = f"{complaint.message}\n{where}\n{complaint.next_step}"
    if complaint.is_worth_another_try:
        return ModelUnavailable(
            text, retry_after_seconds=complaint.retry_after_seconds, cause=complaint.cause
        )
    refused_for = RequestRefused if complaint.is_about_request else ModelRejected
    return refused_for(text, status=complaint.status)


def complaint_of_status(
    status: int,
    words: str,
    mask: Mask,
    *,
    request: ChatRequest | None = None,
    param: str = "",
    code: str = "",
    retry_after_seconds: float | None = None,
) -> Complaint:
    """An answer with an HTTP status of 400 or more (or a redirect, which is not followed).

    It is shown in full and judged without what it repeats from `request`.
    """
    said = KEY_LIKE.sub(MASK, mask.hide_in(SDK_PREFIX.sub("", words)))
    words = said if request is None else without_echoes(said, request)
    if _is_spent(words, code):
        step = SPENT_STEP
    elif is_too_large(words, status):
        step = NEXT_STEP[413]
    elif is_flagged(words, status, code):
        step = FLAGGED_STEP
    elif status >= 500:
        step = SERVER_ERROR
    else:
        step = NEXT_STEP.get(status, GARBLED)
    return Complaint(
        status=status,
        message=f"the endpoint answered HTTP {status}: {quote_line(said, mask)}",
        next_step=step,
        words=words,
        param=param,
        code=code,
        retry_after_seconds=wait_in(words) if retry_after_seconds is None else retry_after_seconds,
        cause=Cause.LIMITED if status == 429 else Cause.OTHER,
    )


def unreached(cause: str) -> Complaint:
    what = f"the endpoint cannot be reached: {cause}"
    return Complaint(status=0, message=what, next_step=NOT_REACHED, cause=Cause.UNREACHED)


def broken_off(cause: str) -> Complaint:
    what = f"the connection closed before the answer ended: {cause}"
    return Complaint(status=0, message=what, next_step=SERVER_ERROR)


def timed_out() -> Complaint:
    what = "the endpoint did not answer in time"
    return Complaint(status=0, message=what, next_step=TOO_SLOW, cause=Cause.TIMEOUT)


def garbled(message: str) -> Complaint:
    return Complaint(status=0, message=message, next_step=GARBLED, cause=Cause.GARBLED)


def refused(message: str, *, next_step: str = NEXT_STEP[400]) -> Complaint:
    """A refusal by the model itself or by a filter, in an answer with status 200."""
    return Complaint(status=400, message=message, next_step=next_step, code="content_filter")


def quote_line(text: str, mask: Mask) -> str:
    """A short quotation for a message, without line breaks and keys."""
    flat = " ".join(KEY_LIKE.sub(MASK, mask.hide_in(text)).split())
    return flat if len(flat) <= LONGEST_QUOTE else flat[:LONGEST_QUOTE] + "…"


def seconds_of(retry_after: str, date: str = "") -> float | None:
    """Retry-After in seconds. A date is relative to the Date header of the same answer."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return _seconds_between(date, retry_after)
    return seconds if 0.0 <= seconds < float("inf") else None


def _seconds_between(start: str, end: str) -> float | None:
    try:
        seconds = (parsedate_to_datetime(end) - parsedate_to_datetime(start)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # not a date, or one of them without a time zone
        return None
    return max(0.0, seconds)


_AGAIN = re.compile(
    r"(?:try again|retry|wait)\b[^\d]{0,20}((?:\d+(?:\.\d+)?\s?(?:ms|h|m|s)[a-z]*\s?)+)", re.IGNORECASE
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|h|m|s)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def wait_in(words: str) -> float | None:
    """The wait that an error's text names ("try again in 1m2.5s"); None if it names none."""
    found = _AGAIN.search(words)
    if found is None:
        return None
    return sum(float(number) * _SECONDS[unit.lower()] for number, unit in _PART.findall(found[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Tokens that an error names: `context` of prompt and answer, `prompt` of this request, `answer`."""

    context: int | None = None
    prompt: int | None = None
    answer: int | None = None


_N = r"[\s`]*(\d[\d,]*)"
_CONTEXT = re.compile(
    rf"(?:context|sequence)[ _](?:length|window|size)(?: limit)?[\s:(]*(?:is|of only|of)?{_N}"
    rf"|maximum (?:prompt|input) length is{_N}|{_N} (?:maximum context length|token context)"
    rf"|\bn_ctx[^\d]{{1,4}}{_N}|exceed context window of{_N}|max_new_tokens`? must be <={_N}"
    rf"|tokens > ([\d,]+) maximum|maximum number of tokens allowed \({_N}|model token limit:{_N}"
    rf"|(?:must|should) have less than{_N} tokens|input length should be \[\d+,{_N}",
    re.IGNORECASE,
)
_PROMPT = re.compile(
    rf"\({_N} (?:in the messages|in your prompt|of text input|in the prompt)|contains (?:at least )?{_N} "
    rf"(?:input )?tokens|has {_N} input tokens|given: ?{_N} `?inputs|n_prompt_tokens[^\d]{{1,4}}{_N}"
    rf"|messages resulted in {_N} tokens|(?:request|input) \({_N} tokens\)",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    rf"at most {_N} (?:completion|output) tokens|> ?{_N}, which is the maximum allowed number of output"
    rf"|max(?:_completion|_output|_new)?_tokens.{{0,60}}?(?:less than or equal to|at most|<=|up to){_N}"
    rf"|range of max(?:_completion)?_tokens is \[\d+,{_N}|max_tokens[^.]{{0,40}}\[\d+,{_N}\]"
    rf"|maximum (?:value for|allowed) max_(?:completion_)?tokens(?: is)?{_N}"
    rf"|max_?\w*tokens[^.]{{0,60}} from \d+ \((?:in|ex)clusive\) to{_N}"
    rf"|from \d+ \((?:in|ex)clusive\) to{_N} \(\w+\) for max_?\w*tokens",
    re.IGNORECASE,
)
_EXCLUSIVE = re.compile(r" to \d+ \(exclusive\)", re.IGNORECASE)
_ANSWER_TOO_LARGE = re.compile(
    r"max_?\w*tokens\W{0,3}(\(?[\d,]+\)?\W{0,3})?(is |value )?(too (large|big|high)|exceeds)", re.IGNORECASE
)


def limits_in(words: str) -> Limits:
    """The limits in tokens that an error's text names."""
    context = _first(_CONTEXT, words)
    answer = _first(_ANSWER, words) if context is None else None
    if answer is not None and _EXCLUSIVE.search(words):
        answer -= 1
    return Limits(context=context, prompt=_first(_PROMPT, words), answer=answer)


def wants_shorter_answer(words: str) -> bool:
    """Whether the limit of an answer is too large, and no number tells what is not."""
    return _ANSWER_TOO_LARGE.search(words) is not None and limits_in(words) == Limits()


def _first(pattern: re.Pattern[str], words: str) -> int | None:
    found = pattern.search(words)
    if found is None:
        return None
    digits = next(filter(None, found.groups()))
    return _number(digits) or None


def _number(digits: str) -> int:
    plain = re.sub(r"\D", "", digits)
    return int(plain) if 0 < len(plain) <= 12 else 0
