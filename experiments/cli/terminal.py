"""Where the command line's words go: results to stdout, progress and errors to stderr.

The only place, beside the displays, that writes to the standard streams. Colour only on a terminal; NO_COLOR,
FORCE_COLOR and TERM are honoured (through rich). How lines break is `experiments/cli/terminal.py`.

Terminals that cannot show every letter: our glyphs become ASCII with the same meaning, the rest `?`.

Changes how a stream encodes, never what is written into files.

Puts lines on a stream: whole into a pipe, broken between words on a terminal.

On a terminal a line that is too long goes on below its second column, so that tables of labels and texts stay
readable at any width.

What a command ends with; docs/cli.md says it to users.
"""

import codecs
import io
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from studbook.experiments.views.display import Display, PlainDisplay
from studbook.experiments.views.display_json import JsonDisplay, json_text
from studbook.experiments.views.text import clean_line

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


DEEPEST_INDENT = 24
FIRST_COLUMN = re.compile(r" *\S.*? {2,}")


class Lines(Console):
    """A console that tells when its reader went away, where rich would end the process."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(file=stream, highlight=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def print_lines(console: Console, lines: Iterable[Text | str], *, is_verbatim: bool = False) -> None:
    if not console.is_terminal:  # no styles and no width: rich would have nothing to do
        console.file.write("".join(f"{line}\n" for line in lines))
        console.file.flush()  # whoever reads a pipe may wait for these
        return
    for line in lines:
        text = line if isinstance(line, Text) else Text(line)
        for row in text.split("\n", allow_blank=True):
            for part in [row] if is_verbatim else broken(row, console):
                console.print(part, soft_wrap=True)


def broken(line: Text, console: Console) -> list[Text]:
    """The line in parts no wider than the console."""
    if line.cell_len <= console.width:
        return [line]
    indent = indent_of(line.plain, console.width)
    head, body = line[:indent], line[indent:]
    first, *rest = body.wrap(console, console.width - indent)
    return [head + first, *(Text(" " * indent) + part for part in rest)]


def indent_of(text: str, width: int) -> int:
    """Where the second column begins; a little to the right of the first if that is too far away."""
    found = FIRST_COLUMN.match(text)
    if found and found.end() <= min(DEEPEST_INDENT, width // 2):
        return found.end()
    return len(text) - len(text.lstrip(" ")) + 2


NAME = "studbook-plain"
PLAIN = {
    "✓": "+",
    "✗": "x",
    "●": "*",
    "★": "*",
    "→": "->",
    "·": "-",
    "–": "-",
    "−": "-",
    "×": "x",
    "…": "...",
    "─": "-",
    "│": "|",
    "├": "|",
    "└": "`",
}


def adapt(*streams: TextIO) -> None:
    """From now on these streams write something for every character."""
    codecs.register_error(NAME, _replace)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=NAME)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter, "?") for letter in letters), error.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """`wants_json` and `is_verbose` are flags of every command."""

    wants_json: bool = False
    is_verbose: bool = False

    def result(self, lines: Iterable[Text | str]) -> None:
        """Lines on stdout; styles only where stdout is a terminal."""
        print_lines(Lines(sys.stdout), lines)

    def verbatim(self, lines: Iterable[Text | str]) -> None:
        """Foreign lines (files, papers, prompts): the terminal breaks them where it likes."""
        print_lines(Lines(sys.stdout), lines, is_verbatim=True)

    def fits(self, lines: Iterable[Text]) -> bool:
        """Whether stdout shows these lines unbroken; a pipe always does."""
        console = Lines(sys.stdout)
        return not console.is_terminal or all(line.cell_len <= console.width for line in lines)

    def json(self, value: Any) -> None:
        sys.stdout.write(json_text(value) + "\n")

    def progress(self, text: str | Text) -> None:
        print_lines(Lines(sys.stderr), [text])

    def error(self, text: str) -> None:
        """What, where, next step: the first line carries the word error."""
        first, *rest = text.splitlines() or ["unknown error"]
        head = Text.assemble(("✗ error: ", "bold red"), clean_line(first, 600))
        print_lines(Lines(sys.stderr), [head, *(_indented(line) for line in rest)])

    def display(self) -> Display:
        """Live on a terminal, plain lines elsewhere, one object with --json."""
        if self.wants_json:
            return JsonDisplay(sys.stdout, self.progress)
        progress = Lines(sys.stderr)
        if progress.is_terminal and not progress.is_dumb_terminal:
            from studbook.experiments.views.display_live import LiveDisplay  # most commands draw nothing live

            return LiveDisplay(progress, Lines(sys.stdout))
        return PlainDisplay(sys.stderr, sys.stdout)


def _indented(line: str) -> Text:
    return Text("  " + clean_line(line, 600))
