"""Removes from an endpoint's words what it only repeats from the request.

Dialects and limits are learned from the words of errors, and hold for later requests too. Many servers quote
the request in them: a message, the name of a schema's property. Parts of every request are written by
harnesses or models, so without this a text such as "max_tokens must be at most 16" would teach.

Texts are compared by their letters and digits alone, because servers escape, wrap and cut what they quote.
"""

import re
from collections.abc import Iterator
from typing import Any

from studbook.llm.contracts import ChatRequest

SHORTEST_ECHO = 20
"""Letters and digits: shorter passages in common with a long request are coincidence ("is not supported")."""
MOST_WORDS = 10_000
"""Characters of an error that are looked at."""
CUT = " .\n"
"""Stands for what was removed; no pattern reaches across it."""

_ESCAPE = re.compile(r"\\+(?:u[0-9a-fA-F]{4}|[nrtbf\"'/])|\\+")
_PLAIN = re.compile(r"[A-Za-z0-9]")
_QUOTED = re.compile(r"\"[^\"\n]{3,}\"|(?<!\w)'[^'\n]{3,}'(?!\w)|`[^`\n]{3,}`|“[^”\n]{3,}”")
_SEVERAL_WORDS = re.compile(r"\w\W+\w")


def without_echoes(words: str, request: ChatRequest) -> str:
    """The words (their first MOST_WORDS characters) without passages of the request's own text.

    Removed are passages of SHORTEST_ECHO letters and digits or more, and, however short they are, quotations
    of several words and whole strings of several words.
    """
    words = words[:MOST_WORDS]
    places, said = _plain(words)
    strings = [_plain(text)[1] for text in _texts_of(request)]
    echoed = bytearray(len(said))
    _mark_passages(echoed, said, strings)
    whole = {
        plain for text, plain in zip(_texts_of(request), strings, strict=True) if _SEVERAL_WORDS.search(text)
    }
    for plain in whole:
        _mark_all(echoed, said, plain)
    for quoted in _QUOTED.finditer(words):
        plain = _plain(quoted[0])[1]
        if plain and _SEVERAL_WORDS.search(quoted[0]) and any(plain in string for string in strings):
            _mark_all(echoed, said, plain)
    return _without(words, [place for place, mark in zip(places, echoed, strict=True) if mark])


def _texts_of(request: ChatRequest) -> Iterator[str]:
    """Everything in a request that the spec does not determine."""
    for message in request.messages:
        yield message.content
    yield from _strings_in(request.json_schema)
    for tool in request.tools:
        yield from (tool.name, tool.description, *_strings_in(tool.parameters))


def _strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings_in(each)
    elif hasattr(value, "items"):
        for name, each in value.items():
            yield str(name)
            yield from _strings_in(each)


def _plain(text: str) -> tuple[list[int], str]:
    """The letters and digits of a text in lower case, and where each of them stands."""
    spaced = _ESCAPE.sub(lambda escape: " " * len(escape[0]), text)
    found = list(_PLAIN.finditer(spaced))
    return [each.start() for each in found], "".join(each[0] for each in found).lower()


def _mark_passages(echoed: bytearray, said: str, strings: list[str]) -> None:
    starts: dict[str, list[int]] = {}
    for start in range(len(said) - SHORTEST_ECHO + 1):
        starts.setdefault(said[start : start + SHORTEST_ECHO], []).append(start)
    for string in strings if starts else ():
        for start in range(len(string) - SHORTEST_ECHO + 1):
            for place in starts.pop(string[start : start + SHORTEST_ECHO], ()):
                echoed[place : place + SHORTEST_ECHO] = b"\1" * SHORTEST_ECHO


def _mark_all(echoed: bytearray, said: str, plain: str) -> None:
    start = said.find(plain) if plain else -1
    while start >= 0:
        echoed[start : start + len(plain)] = b"\1" * len(plain)
        start = said.find(plain, start + len(plain))


def _without(words: str, places: list[int]) -> str:
    """Without the characters at these places and what stands between neighboring ones."""
    if not places:
        return words
    kept, begin = [], 0
    for number, place in enumerate(places):
        if number and not _PLAIN.search(words, places[number - 1] + 1, place):
            begin = place + 1
            continue
        kept.append(words[begin:place])
        begin = place + 1
    return CUT.join([*kept, words[begin:]])
