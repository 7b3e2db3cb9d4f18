"""Values against annotations: what conforms, and what is said of what does not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple, Protocol

import pytest

from studbook.conformance import find_mismatch


class Color(Enum):
    RED = 1


class Pair(NamedTuple):
    name: str
    share: float


@dataclass
class Tree:
    files: Mapping[str, bytes]
    color: Color | None = None


class Runs(Protocol):
    def run(self) -> None: ...


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (1, int),
        (1, float),
        (1.5, float),
        ("a", str),
        (None, None),
        (None, int | None),
        (object(), Any),
        (Pair("a", 1), Pair),
        (Tree({"a": b"x"}, Color.RED), Tree),
        ({"a": 1.0}, dict[str, float]),
        (["a"], Sequence[str]),
        (("a", 1), tuple[str, int]),
        (("a", "b"), tuple[str, ...]),
        ("a", Literal["a", "b"]),
        (print, Callable[[str], None]),
        (3, Runs),
    ],
)
def test_a_value_that_conforms(value, hint):
    assert find_mismatch(value, hint) is None


@pytest.mark.parametrize(
    ("value", "hint", "told"),
    [
        (True, int, "it is True; expected int"),
        (True, float, "it is True; expected float"),
        (float("nan"), float, "it is nan; expected float"),
        (1, bool, "it is 1; expected bool"),
        (None, str, "it is None; expected str"),
        ("x", int | None, "it is 'x'; expected int | None"),
        (("a", 1.0), Pair, "it is ('a', 1.0); expected Pair"),
        (Pair("a", "b"), Pair, "share is 'b'; expected float"),
        (Tree({"a": "x"}), Tree, "files['a'] is 'x'; expected bytes"),
        (Tree({}, "red"), Tree, "color is 'red'; expected"),
        ({"a": None}, dict[str, float], "['a'] is None; expected float"),
        ("abc", Sequence[str], "it is 'abc'; expected"),
        (("a",), tuple[str, int], "it is ('a',); expected tuple[str, int]"),
        ("c", Literal["a", "b"], "it is 'c'; expected Literal['a', 'b']"),
        (3, Callable[[str], None], "it is 3; expected"),
        ("x" * 100, int, "…; expected int"),
    ],
)
def test_a_value_that_does_not_is_shown_with_its_place_and_what_was_expected(value, hint, told):
    found = find_mismatch(value, hint)
    assert found is not None
    assert told in found
