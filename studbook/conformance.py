"""Checks a value against a type annotation: what a plug-in returns, before it is used or recorded.

Understands the annotations of our Protocols (classes, dataclasses and named tuples field by field, unions,
literals, containers), and accepts whatever it does not understand. Converts nothing.
"""

import math
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LONGEST_QUOTE = 60
MOST_ITEMS = 10_000


def find_mismatch(value: object, hint: Any, place: str = "") -> str | None:
    """What is wrong, as "PLACE is VALUE; expected TYPE"; None if the value conforms."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        return find_mismatch(value, arguments[0], place)
    if hint in {Any, object} or isinstance(hint, typing.TypeVar | str):
        return None
    if origin in {Union, types.UnionType}:
        found = [find_mismatch(value, each, place) for each in arguments]
        return None if None in found else _mismatch(value, hint, place)
    if origin is Literal:
        return None if value in arguments else _mismatch(value, hint, place)
    if hint is None or hint is type(None):
        return None if value is None else _mismatch(value, hint, place)
    if origin is Callable or hint is Callable:
        return None if callable(value) else _mismatch(value, hint, place)
    if isinstance(origin, type):
        return _container(value, hint, origin, arguments, place)
    if not isinstance(hint, type) or getattr(hint, "_is_protocol", False):
        return None
    return _plain(value, hint, place)


def _plain(value: object, hint: type, place: str) -> str | None:
    if hint is float:
        conforms = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return None if conforms else _mismatch(value, hint, place)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        return _mismatch(value, hint, place)
    named = getattr(hint, "_fields", None)
    if is_dataclass(hint):
        names: Collection[str] = [each.name for each in fields(hint)]
    elif isinstance(named, tuple):
        names = named
    else:
        return None
    hints = _hints_of(hint)
    parts = (
        (name, find_mismatch(getattr(value, name), hints[name], name)) for name in names if name in hints
    )
    return next((_within(place, told) for _, told in parts if told is not None), None)


def _container(value: object, hint: Any, origin: type, arguments: tuple[Any, ...], place: str) -> str | None:
    if not isinstance(value, origin) or (isinstance(value, str) and origin is not str):
        return _mismatch(value, hint, place)
    if isinstance(value, Mapping) and len(arguments) == 2:
        for key, inner in list(value.items())[:MOST_ITEMS]:
            told = find_mismatch(key, arguments[0], "a key") or find_mismatch(
                inner, arguments[1], f"[{key!r}]"
            )
            if told is not None:
                return _within(place, told)
    elif isinstance(value, Sequence | frozenset | set) and arguments:
        is_fixed = origin is tuple and arguments[-1] is not Ellipsis
        if is_fixed and len(arguments) != len(value):
            return _mismatch(value, hint, place)
        for number, inner in enumerate(list(value)[:MOST_ITEMS]):
            told = find_mismatch(inner, arguments[number] if is_fixed else arguments[0], f"[{number}]")
            if told is not None:
                return _within(place, told)
    return None


def _hints_of(kind: type) -> dict[str, Any]:
    try:
        return get_type_hints(kind)
    except (NameError, TypeError):  # an annotation that only a type checker can resolve
        return {}


def _within(place: str, told: str) -> str:
    if not place:
        return told
    return f"{place}{told}" if told.startswith("[") else f"{place}.{told}"


def _mismatch(value: object, hint: Any, place: str) -> str:
    quoted = repr(value)
    short = quoted if len(quoted) <= LONGEST_QUOTE else f"{quoted[:LONGEST_QUOTE]}…"
    plain = isinstance(hint, type) and not get_args(hint)
    expected = hint.__name__ if plain else re.sub(r"(?:\w+\.)+(?=\w)", "", str(hint))
    return f"{place or 'it'} is {short}; expected {expected}"
