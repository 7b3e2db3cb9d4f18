"""Finds JSON in what a model wrote: one reader for every role.

Models wrap JSON in prose, fences and LaTeX, and write it as JavaScript or Python would. The form is read
leniently: comments, trailing commas, single and typographic quotes, unquoted keys, `True` and `None`, line
breaks and lone backslashes within strings, also those of LaTeX commands. The content is not guessed: NaN,
missing commas and missing brackets are errors, and nothing within an object that the text's end cuts off is
returned.

The time is linear in the length of the text. Decides nothing about what an object means.

Harnesses read with it, too: this module is injected into every box, so it uses the standard library only and
runs on Python 3.9 (whose `re` has no possessive quantifiers).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

DEEPEST = 100
"""Levels of nesting; deeper ones are not read."""
STEPS_PER_CHARACTER = 2
"""How often text may be read again after errors, before reading goes on behind the error instead."""

_STRING = r""""[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*'|“[^”]*”"""
_NAME = r"[A-Za-z_$][\w$-]*"
_SPACE_OR_COMMENT = re.compile(r"\s+|//[^\n]*|#[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/|\Z)")
"""A comment without an end reaches to the end of the text."""
_KEY = re.compile(rf"(?P<string>{_STRING})|(?P<name>{_NAME})", re.DOTALL)
_VALUE = re.compile(
    rf"(?P<string>{_STRING})|(?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<word>true|false|null|True|False|None|TRUE|FALSE|NULL)\b|(?P<open>[{\[])",
    re.DOTALL,
)
_OBJECT = re.compile(rf"""\{{(?=\s*(?:["'“}}/#]|{_NAME}\s*:))""")
_OBJECT_OR_ARRAY = re.compile(
    rf"""{_OBJECT.pattern}|\[(?=\s*(?:["'“\[\]{{/#\-\d]|(?:true|false|null|True|False|None)\b))"""
)
_WORDS = {
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys(["null", "None", "NULL"], None),
}
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_JSON_ESCAPES = frozenset('"\\/bfnrtu')
_SHORT_NAMES = frozenset({"ne", "neg", "nexists", "ni", "nmid", "nu", "tan", "to"})
"""LaTeX commands whose end may as well be a word that begins a line."""
_LATEX = re.compile(
    r"(?P<name>nabla|natural|ne|nearrow|neg|neq|newline|nexists|ni|nmid|noindent|nonumber|not|notin|nsubseteq|nu"
    r"|nwarrow|rangle|rank|rbrace|rceil|rfloor|rho|right|rightarrow|rightharpoonup|rightleftharpoons|rm|rtimes"
    r"|rVert|rvert|tag|tan|tanh|tau|tbinom|text|textbf|textit|textrm|textsf|texttt|tfrac|therefore|theta|tilde"
    r"|times|to|top|triangle|triangleq)(?![A-Za-z])"
)


def find_objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text, in order: the outermost ones, and those of a broken outer one."""
    for value, _ in _find(text, _OBJECT):
        if isinstance(value, dict):
            yield value


def read_longest(text: str) -> dict[str, Any]:
    """The JSON object that takes most of the text. Raises ValueError that says what is wrong."""
    longest = max(_find(text, _OBJECT), key=lambda found: found[1], default=None)
    if longest is not None:
        value: dict[str, Any] = longest[0]
        return value
    if _OBJECT.search(text) is None:
        raise ValueError("there is no JSON object in it")
    raise ValueError("its JSON object is broken or cut off")


def find_values(text: str) -> Iterator[dict[str, Any] | list[Any]]:
    """The JSON objects and arrays in a text, in order, outermost ones only."""
    for value, _ in _find(text, _OBJECT_OR_ARRAY):
        yield value


def read_flag(value: object) -> bool | None:
    """A claim as models write it: `true`, `"no"`, `1`; None if it is neither true nor false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    return _FLAGS.get(" ".join(value.lower().strip(" \n.").split())) if isinstance(value, str) else None


_FLAGS = {
    **dict.fromkeys(["true", "yes", "met", "pass", "passed", "y", "1", "1.0"], True),
    **dict.fromkeys(["false", "no", "not met", "unmet", "fail", "failed", "n", "0", "0.0"], False),
}


def read_number(value: object) -> int | float | None:
    """A finite number, also one in a string (`"7"`, `"+2.5"`); None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,300}(?:\.\d{0,300})?\s*", value):
        return float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value


class _BrokenError(Exception):
    """`is_cut`: the text ended within it, after at least one complete member. `is_deep`: see DEEPEST."""

    def __init__(self, position: int, *, is_cut: bool = False, is_deep: bool = False) -> None:
        super().__init__(position)
        self.position = position
        self.is_cut = is_cut
        self.is_deep = is_deep


def _find(text: str, beginning: re.Pattern[str]) -> Iterator[tuple[Any, int]]:
    """Values, and of how many characters they are."""
    reader, position, most = _Reader(text), 0, STEPS_PER_CHARACTER * len(text)
    while opened := beginning.search(text, position):
        try:
            value, end = reader.container(opened.start(), 1)
        except _BrokenError as broken:
            if broken.is_cut:
                return
            reader.characters += broken.position - opened.start()
            is_affordable = reader.characters <= most and not broken.is_deep
            position = opened.end() if is_affordable else max(opened.end(), broken.position)
            continue
        yield value, end - opened.start()
        position = end


class _Reader:
    """Reads values at a position. `characters`: how many were read in vain so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.characters = 0

    def container(self, start: int, depth: int) -> tuple[Any, int]:
        """The object or array that begins at `start`, and where it ends. Raises _BrokenError."""
        if depth > DEEPEST:
            raise _BrokenError(start, is_deep=True)
        is_object = self.text[start] == "{"
        end, members, items = "}" if is_object else "]", {}, []
        position, count = self._gap(start + 1), 0
        try:
            while not self.text.startswith(end, position):
                if is_object:
                    key, position = self._key(position)
                    members[key], position = self._value(position, depth)
                else:
                    item, position = self._value(position, depth)
                    items.append(item)
                count += 1
                position = self._gap(position)
                if self.text.startswith(",", position):
                    position = self._gap(position + 1)
                elif not self.text.startswith(end, position):
                    raise _BrokenError(position)
        except _BrokenError as broken:
            if broken.position >= len(self.text) and count:
                raise _BrokenError(broken.position, is_cut=True) from None
            raise
        return (members if is_object else items), position + 1

    def _key(self, position: int) -> tuple[str, int]:
        found = _KEY.match(self.text, position)
        if found is None:
            raise self._unreadable(position)
        position = self._gap(found.end())
        if not self.text.startswith(":", position):
            raise _BrokenError(position)
        key = found[0] if found["name"] else _unquote(found[0])
        return key, self._gap(position + 1)

    def _value(self, position: int, depth: int) -> tuple[Any, int]:
        found = _VALUE.match(self.text, position)
        if found is None:
            raise self._unreadable(position)
        if found["open"]:
            return self.container(position, depth + 1)
        if found["word"]:
            return _WORDS[found[0]], found.end()
        if found["string"]:
            return _unquote(found[0]), found.end()
        return self._number(found)

    def _number(self, found: re.Match[str]) -> tuple[int | float, int]:
        try:
            number: int | float = json.loads(found[0])
        except ValueError:  # thousands of digits
            raise _BrokenError(found.start()) from None
        if not math.isfinite(number):
            raise _BrokenError(found.start())
        return number, found.end()

    def _unreadable(self, position: int) -> _BrokenError:
        """A string without an end reaches to the end of the text."""
        is_open = self.text[position : position + 1] in {'"', "'", "“"}
        return _BrokenError(len(self.text) if is_open else position)

    def _gap(self, position: int) -> int:
        while found := _SPACE_OR_COMMENT.match(self.text, position):
            position = found.end()
        return position


def _unquote(quoted: str) -> str:
    inner = quoted[1:-1]
    if "\\" not in inner or quoted[0] == "“":
        return inner
    return _ESCAPE.sub(_unescape, inner).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescape(escape: re.Match[str]) -> str:
    """A backslash that escapes nothing stays, as in LaTeX, and so does one that begins a LaTeX command."""
    letter = escape[0][1]
    if (letter == "u" and len(escape[0]) == 2) or _begins_latex(escape):
        return escape[0]
    if letter in _JSON_ESCAPES:
        character: str = json.loads(f'"{escape[0]}"')
        return character
    return {"'": "'", "\n": ""}.get(letter, escape[0])


def _begins_latex(escape: re.Match[str]) -> bool:
    """Models forget to double the backslashes of `\\frac` and `\\nu`; backspaces and form feeds are none."""
    text, end = escape.string, escape.end()
    if escape[0] in {r"\b", r"\f"}:
        return text[end : end + 1].isalpha()
    found = _LATEX.match(text, end - 1) if escape[0] in {r"\n", r"\r", r"\t"} else None
    if found is None:
        return False
    around = text[escape.start() - 1 : escape.start()], text[found.end() : found.end() + 1]
    return found["name"] not in _SHORT_NAMES or around[0] in set("$({^_") or around[1] in set("$^}")
