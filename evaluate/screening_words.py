"""What screening looks for, read from `screening_words.toml` and made into regular expressions.

`re` tries the alternatives of an expression one after the other at every place of a text, so forty that
begin alike cost forty times as much as one. Expressions made here write down once what alternatives begin
with. They find what the lines joined by `|` would find; which of two that match at the same place is found
may differ.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from studbook.tables import damaged, read_toml

PACKAGE = "studbook.evaluate"
DATA_FILES = ("screening_words.toml",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningWords:
    """`rules`: a kind of finding and the groups that must all be found in one sentence. `groups`: lines of
    alternatives, by name. Without any of the `hints` no rule holds in ASCII text.
    """

    rules: tuple[tuple[str, tuple[str, ...]], ...]
    hints: tuple[str, ...]
    groups: Mapping[str, str]


@cache
def screening_words() -> ScreeningWords:
    """The table as shipped; raises IntegrityError when it was damaged."""
    return _checked(read_toml(PACKAGE, DATA_FILES[0]))


def _checked(table: dict[str, Any]) -> ScreeningWords:
    if set(table) != {"rules", "hints", "groups"}:
        raise damaged(PACKAGE, DATA_FILES[0], f"holds {', '.join(table)} instead of rules, hints, groups")
    groups: dict[str, str] = table["groups"]
    for name, lines in groups.items():
        if not isinstance(lines, str) or not lines.strip():
            raise damaged(PACKAGE, DATA_FILES[0], f"the group {name} is no text with lines")
    for rule in table["rules"]:
        unknown = [group for group in rule[1:] if group not in groups]
        if len(rule) < 2 or unknown:
            raise damaged(PACKAGE, DATA_FILES[0], f"the rule {rule} names no group, or an unknown one")
    return ScreeningWords(
        rules=tuple((rule[0], tuple(rule[1:])) for rule in table["rules"]),
        hints=tuple(table["hints"]),
        groups=MappingProxyType(groups),
    )


@cache
def pattern(group: str) -> re.Pattern[str]:
    """Made when it is first asked for: whoever only looks at a run does without."""
    return re.compile(joined(screening_words().groups[group]))


def joined(lines: str) -> str:
    """The alternatives of all lines. A beginning is what stands before the first group."""
    together: dict[str, list[str]] = {}
    for line in lines.strip().splitlines():
        for part in _parts(line):
            head, found, rest = part.partition("(")
            together.setdefault(head if found else part, []).append(found + rest)
    return "|".join(_alternative(head, rests) for head, rests in together.items())


def _alternative(head: str, rests: list[str]) -> str:
    return head + (rests[0] if len(rests) == 1 else f"(?:{'|'.join(rests)})")


def _parts(line: str) -> Iterator[str]:
    """Split at each `|` that is in no group and no class."""
    depth, in_class, start, place = 0, False, 0, 0
    while place < len(line):
        sign = line[place]
        if sign == "\\":
            place += 1
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "|" and not depth:
            yield line[start:place]
            start = place + 1
        place += 1
    yield line[start:]
