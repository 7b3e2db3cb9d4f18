"""Parses untrusted bytes from a box: anything that is not exactly a valid frame is a `FrameError`.

Pure functions. The relay checks what a request's body *means*; here it only has to be plain JSON of bounded
size and depth, without duplicate keys, lone surrogates, NaN or infinities.
"""

import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from studbook.sandbox.contract import Frame

MAX_DEPTH = 32
MAX_DIGITS = 40
MAX_VALUES = 10_000
"""In one frame. Long text is cheap, but a million empty lists take 100 times the memory of their line."""


class FrameError(ValueError):
    """Its message is one line that says what is wrong with a frame."""


class FromBox(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Ready(FromBox):
    """The shim is running; no harness code has run yet."""

    kind: Literal["ready"]
    python: str = Field(max_length=40)
    warnings: list[Annotated[str, Field(max_length=300)]] = Field(max_length=8)


class Request(FromBox):
    kind: Literal["request"]
    id: int = Field(ge=1, le=2**31)
    request: Literal["chat", "evaluate", "log"]
    body: dict[str, Any]


class Output(FromBox):
    """Text the harness wrote to stdout and stderr."""

    kind: Literal["output"]
    text: str = Field(max_length=65536)


class End(FromBox):
    """How the harness's process ended; `message` is an exit status or a signal if it did not raise."""

    kind: Literal["end"]
    how: Literal["returned", "raised", "exited", "killed", "flooded"]
    type: str = Field(max_length=200)
    message: str = Field(max_length=1000)


AnyFrame = Ready | Request | Output | End
ANY_FRAME: TypeAdapter[AnyFrame] = TypeAdapter(Annotated[AnyFrame, Field(discriminator="kind")])


def read_frame(line: bytes) -> AnyFrame:
    """Parse one line, without its newline, as a frame; raises FrameError."""
    try:
        return ANY_FRAME.validate_python(read_json(line))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise FrameError(f"{'.'.join(map(str, first['loc'])) or 'frame'}: {first['msg']}"[:300]) from None


def read_json(line: bytes) -> Frame:
    """Parse a strict JSON object; raises FrameError."""
    try:
        value = json.loads(
            line.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_short,
        )
    except FrameError:
        raise
    except RecursionError:
        raise FrameError("nested too deeply") from None
    except ValueError as error:  # includes UnicodeDecodeError and JSONDecodeError
        raise FrameError(f"not JSON: {type(error).__name__}") from None
    if not isinstance(value, dict):
        raise FrameError("not an object")
    _check_shape(value)
    if b"\\u" in line:
        _check_characters(value)
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Frame:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise FrameError("the same key twice")
    return result


def _refuse_constant(name: str) -> float:
    raise FrameError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise FrameError("a number is not finite")
    return value


def _short(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise FrameError("a number has too many digits")
    return int(text)


def _check_shape(value: Frame) -> None:
    level: list[Any] = [value]
    count = 0
    for _ in range(MAX_DEPTH):
        count += sum(map(len, level))
        if count > MAX_VALUES:
            raise FrameError(f"more than {MAX_VALUES} values")
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise FrameError("nested too deeply")


def _check_characters(value: Frame) -> None:
    """A lone surrogate can only come from a JSON escape; it would fail at the first write to disk."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise FrameError("text with a lone surrogate") from None


def encode_frame(frame: Frame) -> bytes:
    """One line for the box; lone surrogates, which models do emit, become question marks."""
    text = json.dumps(frame, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace") + b"\n"


class LineSplitter:
    """Splits bytes into lines, at `b"\\n"` only; raises FrameError for a line over `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes."""
        *heads, rest = data.split(b"\n")
        lines = []
        for head in heads:
            self._keep(head)
            lines.append(b"".join(self._parts))
            self._parts, self._size = [], 0
        self._keep(rest)
        return lines

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._max_bytes:
            raise FrameError(f"a line of more than {self._max_bytes} bytes")
        if part:
            self._parts.append(part)


def printable(text: str) -> str:
    """Remove control characters, which could manipulate a terminal; newlines and tabs are kept."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def short_line(text: str, limit: int = 300) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
