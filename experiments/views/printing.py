"""Writes lines to a stream: unbroken to a pipe, wrapped between words on a terminal.

On a terminal a line that is too long continues below its second column, so that tables of labels and text
stay readable at any width.
"""

import re
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.text import Text

DEEPEST_INDENT = 24


FIRST_COLUMN = re.compile(r" *\S.*? {2,}")


class Lines(Console):
    """A console that raises when its reader has closed the pipe, where rich would exit the process."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(file=stream, highlight=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def print_lines(console: Console, lines: Iterable[Text | str], *, is_verbatim: bool = False) -> None:
    if not console.is_terminal:  # no styles and no wrapping: rich is not needed
        console.file.write("".join(f"{line}\n" for line in lines))
        console.file.flush()  # the reader of the pipe may be waiting for these
        return
    for line in lines:
        text = line if isinstance(line, Text) else Text(line)
        for row in text.split("\n", allow_blank=True):
            for part in [row] if is_verbatim else broken(row, console):
                console.print(part, soft_wrap=True)


def broken(line: Text, console: Console) -> list[Text]:
    """The line split into parts no wider than the console."""
    if line.cell_len <= console.width:
        return [line]
    indent = indent_of(line.plain, console.width)
    head, body = line[:indent], line[indent:]
    first, *rest = body.wrap(console, console.width - indent)
    return [head + first, *(Text(" " * indent) + part for part in rest)]


def indent_of(text: str, width: int) -> int:
    """Where the second column begins; slightly right of the first column if that is too far right."""
    found = FIRST_COLUMN.match(text)
    if found and found.end() <= min(DEEPEST_INDENT, width // 2):
        return found.end()
    return len(text) - len(text.lstrip(" ")) + 2
