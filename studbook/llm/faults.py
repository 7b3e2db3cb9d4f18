"""Which call of a fault-injecting server fails, and how: a function of seed, request and attempt.

Pure but for counting attempts. `faulty.py` carries it out. The default mix holds every fault that another
attempt mends; a run must end the same with it as without.
"""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Protocol

from studbook.identity import derive_seed, hash_json

SEED_RANGE = 2**31


class Fault(StrEnum):
    """Ways of failing. The comments say what a client sees."""

    LIMIT_SECONDS = "limit_seconds"  # 429, Retry-After: 1
    LIMIT_DATE = "limit_date"  # 429, Retry-After as an HTTP date
    LIMIT_LONG = "limit_long"  # 429, Retry-After: a day
    LIMIT_BARE = "limit_bare"  # 429 and nothing else
    ERROR_500 = "error_500"
    ERROR_502 = "error_502"  # an HTML page
    ERROR_503 = "error_503"
    ERROR_529 = "error_529"  # overloaded
    NO_ANSWER = "no_answer"  # the connection stays open, and nothing comes
    RESET_BEFORE = "reset_before"  # reset before the first byte
    RESET_MIDWAY = "reset_midway"  # reset in the middle of the body
    CLOSED_MIDWAY = "closed_midway"  # closed in order, half of the announced body short
    DRIP = "drip"  # the whole answer, byte by byte, in time
    DRIP_FOREVER = "drip_forever"  # blanks before the answer, one every now and then, for ever
    EMPTY_BODY = "empty_body"
    EMPTY_TEXT = "empty_text"  # a completion without a word
    NOT_JSON = "not_json"
    HTML = "html"  # 200, and a page for people
    NO_CHOICES = "no_choices"
    EMPTY_CHOICES = "empty_choices"
    NULL_CONTENT = "null_content"
    CUT_SHORT = "cut_short"  # half the text, finish_reason "length", few tokens used
    FILTERED = "filtered"  # half the text, finish_reason "content_filter"
    REFUSAL = "refusal"  # the field `refusal` instead of content
    ERROR_400 = "error_400"  # refused, with a reason
    NO_USAGE = "no_usage"  # a whole answer that does not say what it cost
    OTHER_MODEL = "other_model"  # a whole answer in the name of another model
    WRONG_CHARSET = "wrong_charset"  # bytes that are not UTF-8
    BAD_GZIP = "bad_gzip"  # Content-Encoding: gzip, and it is none
    TWICE = "twice"  # streams only: every chunk of text comes two times


HARMLESS = frozenset({Fault.DRIP, Fault.NO_USAGE, Fault.OTHER_MODEL, Fault.TWICE})
"""The answer is whole, so that a client that reads well takes it at once."""

SLOW = frozenset({Fault.NO_ANSWER, Fault.DRIP_FOREVER, Fault.LIMIT_LONG})
"""Each costs a client its whole timeout, or the longest wait that it grants."""

ALL = tuple(Fault)


class Plan(Protocol):
    """Decides about one attempt at a request; thread-safe."""

    def pick(self, body: bytes) -> Fault | None: ...


@dataclass(slots=True)
class RandomFaults:
    """`share` of all attempts fail; with the same seed the same request fails in the same way."""

    share: float
    seed: int = 0
    kinds: Collection[Fault] = ALL
    attempts: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def pick(self, body: bytes) -> Fault | None:
        name = name_of(body)
        with self.lock:
            self.attempts[name] += 1
            attempt = self.attempts[name]
        if derive_seed("does it fail", self.seed, name, attempt) >= self.share * SEED_RANGE:
            return None
        kinds = sorted(self.kinds)
        return kinds[derive_seed("how", self.seed, name, attempt) % len(kinds)]


def name_of(body: bytes) -> str:
    """Of a request: the same however its JSON is spelt."""
    try:
        return hash_json(json.loads(body))
    except (ValueError, RecursionError, TypeError):
        return hash_json(body.hex())
