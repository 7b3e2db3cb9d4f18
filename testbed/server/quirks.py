"""What real endpoints do differently, one named quirk at a time: for tests, and to rehearse on.

`quirks.toml` is the table. A quirk is a list of rules; the first that applies to a request refuses it,
changes it before it is answered, changes the answer, or changes how that is sent. Requests to which no rule
applies are answered normally. The table also says what a run must do; `tests/testbed/test_quirks.py` checks
each row, and `quirk_table.py` writes docs/quirks.md from it. `faults.py` has what any endpoint does at times.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from email.utils import formatdate
from enum import StrEnum
from functools import cache
from threading import Lock
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import with_config

from studbook.errors import UsageError
from studbook.identity import derive_seed, hash_json
from studbook.testbed.server.server import Exchange
from studbook.testbed.server.transfer import PLAIN, Transfer, send_json, send_stream
from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.server"
DATA_FILES = ("quirks.toml",)


class Outcome(StrEnum):
    """What a run does about a quirk; the value is how docs/quirks.md says it."""

    SAME = "same result"
    SAMPLED = "other samples"  # of the same distribution, which a second run would not draw again
    SKIPPED = "this paper is skipped"
    STOPPED = "stops"


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """All that is given must hold. Members of the body are written `a.b`, or `a.b=value`."""

    method: str = "POST"
    models: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    lacks_query: str = ""
    lacks_header: str = ""
    speaker: str = ""
    says: str = ""
    characters_over: int = 0
    first: int = 0
    """Only the first n requests that the rest of the rule applies to."""
    one_in: int = 1
    """One request in n, chosen by its content, and only the first time it is sent."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer without a completion. `json` or `text` is its body."""

    status: int
    json: Any = None
    text: str = ""
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the server answers to instead of the request: without some members, or with a shorter prompt."""

    drop: tuple[str, ...] = ()
    keep_last: int = 0
    """Characters; the head of the last message is cut off."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change to the body of the answer: the text cut to a share; a member dropped, nulled, set, raised.

    In texts, `{text}` is the model's own text, `{start}` and `{end}` its halves; `{prompt}`, `{key}` and
    `{model}` are the request's; others are texts of the table, `{name*3}` three times over.
    """

    cut: float = 0.0
    drop: str = ""
    null: str = ""
    set: str = ""
    to: Any = None
    add: int = 0


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    when: When = When()
    refuse: Refusal | None = None
    ask: Change | None = None
    reply: tuple[Edit, ...] = ()
    send: Transfer = PLAIN


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """One row. `seen` names software or services that are publicly known for it.

    `says`: what the user reads, in a notice or an error. `spec`: keys that a user must set to get `outcome`.
    `before`: what a run did at first, where that is known. `scope`: what it takes to meet the quirk.
    """

    name: str
    group: str
    does: str
    seen: tuple[str, ...]
    outcome: Outcome
    says: tuple[str, ...] = ()
    remark: str = ""
    before: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    scope: Literal["evaluate", "run"] = "evaluate"
    counts: Mapping[str, int] = field(default_factory=dict)
    """Tokens that the test's evaluation counts at least, by the names of `Usage`."""
    rules: tuple[Rule, ...]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    texts: Mapping[str, str]
    groups: Mapping[str, str]
    quirks: tuple[Quirk, ...]


@cache
def table() -> _Table:
    return read_table(PACKAGE, DATA_FILES[0], _Table)


def quirks() -> tuple[Quirk, ...]:
    return table().quirks


def find_quirk(name: str) -> Quirk:
    """Raises UsageError for an unknown name."""
    for quirk in quirks():
        if quirk.name == name:
            return quirk
    names = [quirk.name for quirk in quirks()]
    near = get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"quirks: {', '.join(names)}"
    raise UsageError(f"there is no quirk {name!r}\n  {hint}")


@dataclass(slots=True)
class QuirkyMeddler:
    """A `Meddler` that shows one quirk. `counts`: how many requests met which of its rules."""

    quirk: Quirk
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    counts: Counter[str] = field(default_factory=Counter)
    _met: Counter[int] = field(default_factory=Counter)
    _tried: set[tuple[int, str]] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    @property
    def is_met(self) -> bool:
        return any(count for name, count in self.counts.items() if name != "whole")

    def meddle(self, exchange: Exchange) -> bool:
        try:
            body = json.loads(exchange.body or b"{}")
        except (ValueError, RecursionError):
            return False
        if not isinstance(body, dict):
            return False
        for number, rule in enumerate(self.quirk.rules):
            if self._applies(number, rule.when, exchange, body):
                with self._lock:
                    self.counts[f"rule {number + 1}"] += 1
                self._play(rule, exchange, body)
                return True
        with self._lock:
            self.counts["whole"] += 1
        return False

    def _applies(self, number: int, when: When, exchange: Exchange, body: dict[str, Any]) -> bool:
        if when.method != exchange.method or not _holds(when, exchange, body):
            return False
        if when.one_in == 1 and not when.first:
            return True
        name = hash_json(body)
        with self._lock:
            is_new = (number, name) not in self._tried
            self._tried.add((number, name))
            self._met[number] += 1
            is_early = not when.first or self._met[number] <= when.first
        return is_early and (when.one_in == 1 or (is_new and derive_seed("chosen", name) % when.one_in == 0))

    def _play(self, rule: Rule, exchange: Exchange, body: dict[str, Any]) -> None:
        values = _Values(exchange, body, self.clock)
        if rule.refuse is not None:
            _refuse(rule.refuse, exchange, values)
            return
        asked = changed(body, rule.ask) if rule.ask is not None else body
        answer = exchange.answer(json.dumps(asked).encode())
        if rule.reply:
            values.take(answer)
        for edit in rule.reply:
            edited(answer, edit, values)
        self.sleep(rule.send.delay_seconds)
        if asked.get("stream") or rule.send.always_streams:
            with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            send_stream(exchange, answer, rule.send, with_usage=with_usage, sleep=self.sleep)
        else:
            send_json(exchange, answer, rule.send, sleep=self.sleep)


def _holds(when: When, exchange: Exchange, body: dict[str, Any]) -> bool:
    messages = [each for each in body.get("messages") or [] if isinstance(each, dict)]
    text = "\n".join(map(_text_of, messages))
    return (
        (not when.models or str(body.get("model")).removeprefix("testbed-") in when.models)
        and all(_has(body, each) for each in when.has)
        and not any(_has(body, each) for each in when.lacks)
        and (not when.lacks_query or when.lacks_query not in urlsplit(exchange.path).query)
        and when.lacks_header.lower() not in [name.lower() for name in exchange.headers]
        and (not when.speaker or any(each.get("role") == when.speaker for each in messages))
        and when.says in text
        and len(text) >= when.characters_over
    )


def _text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or [] if isinstance(part, dict))


def _has(body: object, wanted: str) -> bool:
    path, _, value = wanted.partition("=")
    for name in path.split("."):
        if not isinstance(body, dict) or body.get(name) is None:
            return False
        body = body[name]
    return not value or value == (json.dumps(body) if not isinstance(body, str) else body)


def changed(body: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """The request that the server answers instead."""
    kept = {name: value for name, value in body.items() if name not in change.drop}
    messages = list(kept.get("messages") or [])
    if change.keep_last and messages:
        over = sum(len(_text_of(each)) for each in messages) - change.keep_last
        last = messages[-1]
        messages[-1] = {**last, "content": _text_of(last)[max(0, over) :]}
    return {**kept, "messages": messages}


def edited(answer: dict[str, Any], edit: Edit, values: "_Values") -> None:
    """Changes the answer in place."""
    if edit.cut:
        message = answer["choices"][0]["message"]
        message["content"] = values.text[: max(1, int(len(values.text) * edit.cut))]
    elif edit.drop:
        _member(answer, edit.drop, lambda holder, name: holder.pop(name, None))
    elif edit.add:
        _member(answer, edit.set, lambda holder, name: _put(holder, name, (holder.get(name) or 0) + edit.add))
    else:
        filled = None if edit.null else values.fill(edit.to)
        _member(answer, edit.null or edit.set, lambda holder, name: _put(holder, name, filled))


def _member(holder: Any, path: str, act: Callable[[Any, str], object]) -> None:
    """Acts on the last name of `a.0.b` and what holds it; objects on the way are made."""
    *way, last = path.split(".")
    for name in way:
        holder = holder[int(name)] if isinstance(holder, list) else holder.setdefault(name, {})
    act(holder, last)


def _put(holder: Any, name: str, value: Any) -> None:
    if isinstance(holder, list):
        holder[int(name)] = value
    else:
        holder[name] = value


_PLACE = re.compile(r"\{([a-z_]+)(?:\*(\d+))?\}")
PROMPT_CHARACTERS = 3_000


class _Values:
    """What stands for the `{names}` of the table."""

    def __init__(self, exchange: Exchange, body: Mapping[str, Any], clock: Callable[[], float]) -> None:
        messages = body.get("messages") or [{}]
        prompt = _text_of(messages[-1])
        headers = {name.lower(): value for name, value in exchange.headers.items()}
        self.text = ""
        self._values = {
            **table().texts,
            "prompt": " ".join(prompt.split())[:PROMPT_CHARACTERS],
            "key": headers.get("authorization", "").removeprefix("Bearer "),
            "model": str(body.get("model", "")),
            "soon": formatdate(clock() + 1, usegmt=True),
        }

    def take(self, answer: Mapping[str, Any]) -> None:
        choices = answer.get("choices")
        if not choices:
            return
        self.text = choices[0]["message"]["content"] or ""
        half = len(self.text) // 2
        usage = {name: str(count) for name, count in answer["usage"].items() if isinstance(count, int)}
        self._values |= {"text": self.text, "start": self.text[:half], "end": self.text[half:], **usage}

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return _PLACE.sub(self._one, value)
        if isinstance(value, Mapping):
            return {name: self.fill(each) for name, each in value.items()}
        if isinstance(value, Iterable) and not isinstance(value, bytes):
            return [self.fill(each) for each in value]
        return value

    def _one(self, found: re.Match[str]) -> str:
        text = self._values.get(found[1])
        return found[0] if text is None else " ".join([text] * int(found[2] or 1))


def _refuse(refusal: Refusal, exchange: Exchange, values: _Values) -> None:
    is_json = refusal.json is not None
    text = json.dumps(values.fill(refusal.json)) if is_json else values.fill(refusal.text)
    kind = refusal.content_type or ("application/json" if is_json else "text/plain")
    exchange.send(refusal.status, text.encode(), kind, values.fill(refusal.headers))
