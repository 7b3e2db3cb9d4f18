"""One regular expression out of a table's lines, with what alternatives begin with written only once.

A line is one or more alternatives; `re` tries them one after the other at every place of a text, so forty
that begin alike cost forty times as much as one. Finds what the lines joined by `|` would find; which of two
that match at the same place is found may differ.
"""

from collections.abc import Iterator


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
