"""Reads JSON that somebody else may have written, such as the trajectories of a foreign run.

A small text may stand for a large value: a list of a million lists takes a hundred times its text in memory,
and deep nesting exhausts the stack of whoever walks it. So depth and number of containers are limited. The
schema is the caller's business.
"""

import json
from typing import Any, NoReturn, TypeVar

from studbook.errors import IntegrityError

T = TypeVar("T")

MAX_DEPTH = 200
MAX_CONTAINERS = 500_000
CHARACTERS_PER_CONTAINER = 16
"""Texts with brackets count, too: beyond MAX_CONTAINERS one at every so many bytes is allowed."""


def read_json(data: bytes, place: str) -> Any:
    """Raises IntegrityError naming `place`: no JSON, NaN or an infinity, too deep, too many containers."""
    containers = data.count(b"[") + data.count(b"{")
    if containers > MAX_CONTAINERS + len(data) // CHARACTERS_PER_CONTAINER:
        raise IntegrityError(f"{place}: {containers:,} lists and objects are more than any record has")
    try:
        value = json.loads(data, parse_constant=_refuse)
    except RecursionError:
        raise IntegrityError(f"{place} is nested too deeply") from None
    except ValueError as error:
        raise IntegrityError(f"{place} is not JSON: {error!s:.100}") from error
    if _is_deeper(value, MAX_DEPTH):
        raise IntegrityError(f"{place} is nested deeper than {MAX_DEPTH}")
    return value


def typed(kind: type[T], value: Any) -> T:
    """`value`, if it is just of this type: a bool is no int. Raises ValueError."""
    if type(value) is not kind:
        raise ValueError(f"{value!r:.40} stands where a {kind.__name__} belongs")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _is_deeper(value: Any, depth: int) -> bool:
    """Level by level, because a walk that calls itself would exhaust the stack too."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
