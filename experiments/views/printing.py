"""Writes lines to a stream: unbroken to a pipe, wrapped between words on a terminal.

The only place that writes to the standard streams, so the only one that must make text fit for a terminal:
whatever a line quotes, no control character and no line break of its own gets through. Styles are ours and
are added afterwards. On a terminal a line that is too long continues below its second column, so that tables
of labels and text stay readable at any width.
"""

import re
from collections.abc import Iterable
from typing import IO, TextIO

from rich.console import Console
from rich.text import Text

from studbook.experiments.views.text import clean_inline, clean_line

DEEPEST_INDENT = 24


FIRST_COLUMN = re.compile(r" *\S.*? {2,}")


class Lines(Console):
    """A console that raises when its reader has closed the pipe, where rich would exit the process."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(file=stream, highlight=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def print_lines(console: Console, lines: Iterable[Text | str], *, is_verbatim: bool = False) -> None:
    """Each item is one line."""
    if not console.is_terminal:  # no styles and no wrapping: rich is not needed
        write_plain(console.file, lines)
        return
    for line in lines:
        text = fit(line)
        for part in [text] if is_verbatim else broken(text, console):
            console.print(part, soft_wrap=True)


def write_plain(stream: IO[str], lines: Iterable[Text | str]) -> None:
    """Without styles and wrapping, also on a terminal."""
    stream.write("".join(f"{clean_inline(str(line))}\n" for line in lines))
    stream.flush()  # the reader of a pipe may be waiting for these


def fit(line: Text | str) -> Text:
    """A line that cannot control a terminal. Text that has to be changed loses its styles within the line."""
    plain = str(line)
    fitting = clean_inline(plain)
    if isinstance(line, Text):
        return line if fitting == plain else Text(fitting, style=line.style)
    return Text(fitting)


def status_line(text: str, width: int) -> Text:
    """For a line that is redrawn in place: it must not wrap."""
    return Text(clean_line(text, width))


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
