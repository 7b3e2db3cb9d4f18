"""How an answer travels: its bytes, encoding, pace, and the many forms of an event stream. Knows no quirk."""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import with_config

from studbook.testbed.server.server import Exchange
from studbook.testbed.server.wire import chunks


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The first group applies to every answer, the second to streams only."""

    content_type: str = ""
    before: str = ""
    """Text in front of the body."""
    gzip: bool = False
    delay_seconds: float = 0.0
    blanks: int = 0
    """So many blank bytes before the body, one every `pause_seconds`."""
    pause_seconds: float = 0.0
    repeats: int = 1
    """The body so many times."""

    always_streams: bool = False
    line_end: str = "\n"
    space: str = " "
    comment: str = ""
    """A comment line before the first event and between events."""
    event_name: str = ""
    first_event: str = ""
    last_event: str = ""
    done: bool = True
    piece_bytes: int = 0
    """The stream is written in pieces of so many bytes, whatever characters that splits."""
    breaks_off: float = 0.0
    """Only this share of the events is sent."""


PLAIN = Transfer()


def send_json(
    exchange: Exchange, answer: Mapping[str, Any], how: Transfer, *, sleep: Callable[[float], None]
) -> None:
    data = (how.before + json.dumps(answer, ensure_ascii=False) * how.repeats).encode("utf-8")
    headers = {"Content-Type": how.content_type or "application/json"}
    if how.gzip:
        data = gzip.compress(data)
        headers["Content-Encoding"] = "gzip"
    exchange.head(200, {**headers, "Content-Length": str(len(data) + how.blanks)})
    for _ in range(how.blanks):
        exchange.write(b" ")
        sleep(how.pause_seconds)
    exchange.write(data)


def send_stream(
    exchange: Exchange,
    answer: Mapping[str, Any],
    how: Transfer,
    *,
    with_usage: bool,
    sleep: Callable[[float], None],
) -> None:
    """The answer as server-sent events; the connection's end is the stream's."""
    exchange.close_after()
    kind = how.content_type or "text/event-stream; charset=utf-8"
    exchange.head(200, {"Content-Type": kind, "Connection": "close"})
    data = "".join(event_lines(answer, how, with_usage=with_usage)).encode("utf-8")
    size = how.piece_bytes or max(1, len(data))
    for start in range(0, len(data), size):
        exchange.write(data[start : start + size])
        sleep(how.pause_seconds)


def event_lines(answer: Mapping[str, Any], how: Transfer, *, with_usage: bool) -> Iterator[str]:
    """One text per event, with its line ends."""
    end = how.line_end
    named = f"event:{how.space}{how.event_name}{end}" if how.event_name else ""
    comment = f": {how.comment}{end}{end}" if how.comment else ""
    if how.before:
        yield how.before
    if how.first_event:
        yield f"{comment}data:{how.space}{how.first_event}{end}{end}"
    events = list(chunks(answer, with_usage=with_usage))
    if how.breaks_off:
        events = events[: max(1, int(len(events) * how.breaks_off))]
    for event in events:
        yield f"{comment}{named}data:{how.space}{json.dumps(event, ensure_ascii=False)}{end}{end}"
    if how.last_event:
        yield f"data:{how.space}{how.last_event}{end}{end}"
    if how.done:
        yield f"data:{how.space}[DONE]{end}{end}"
