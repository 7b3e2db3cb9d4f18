"""Where the command line's output goes: results to stdout, progress and errors to stderr; and its exit codes.

Besides the displays, only this module uses the standard streams, and both write through
`experiments/views/printing.py`. Color only on a terminal; NO_COLOR,
FORCE_COLOR and TERM are honored (through rich). On terminals that cannot show every character, our glyphs
become ASCII with the same meaning and other characters become `?`. This affects streams only, never files.
"""

import codecs
import io
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from rich.text import Text

from studbook.experiments.views.printing import Lines, print_lines, write_plain
from studbook.experiments.views.text import clean_line

if TYPE_CHECKING:
    from studbook.experiments.views.display import Display

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_UNMEASURED, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


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
    """Makes these streams replace characters they cannot encode instead of raising."""
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
    """`wants_json` and `is_verbose` are flags of every command.

    `has_no_stdout`: the command writes a file's content there, so all that is said goes to stderr.
    """

    wants_json: bool = False
    is_verbose: bool = False
    has_no_stdout: bool = False

    @property
    def _stdout(self) -> TextIO:
        return sys.stderr if self.has_no_stdout else sys.stdout

    def result(self, lines: Iterable[Text | str]) -> None:
        """Lines on stdout; styles only where stdout is a terminal."""
        print_lines(Lines(self._stdout), lines)

    def verbatim(self, lines: Iterable[Text | str]) -> None:
        """Lines that are not ours (files, papers, prompts): the terminal wraps them."""
        print_lines(Lines(self._stdout), lines, is_verbatim=True)

    def fits(self, lines: Iterable[Text]) -> bool:
        """Whether stdout shows these lines without wrapping; a pipe always does."""
        console = Lines(self._stdout)
        return not console.is_terminal or all(line.cell_len <= console.width for line in lines)

    def json(self, value: Any) -> None:
        from studbook.experiments.views.views import json_text  # imports the population

        write_plain(self._stdout, json_text(value).splitlines())

    def progress(self, text: str | Text) -> None:
        """A text of ours may have several lines: what it quotes must be cleaned before."""
        print_lines(Lines(sys.stderr), text.split("\n"))

    def traceback(self) -> None:
        """Of the exception that is being handled; indented, because a message may have several lines."""
        lines = traceback.format_exc().splitlines()
        print_lines(Lines(sys.stderr), (f"  {each}" for each in lines), is_verbatim=True)

    def error(self, text: str) -> None:
        """What, where, next step; the first line contains the word "error"."""
        first, *rest = (text or "unknown error").split("\n")
        head = Text.assemble(("✗ error: ", "bold red"), clean_line(first, 600))
        print_lines(Lines(sys.stderr), [head, *(_indented(line) for line in rest)])

    def display(self, name: str = "auto", params: Mapping[str, Any] | None = None) -> "Display":
        """The display of that name, or `module:Object`; with --json one object at the end, whatever it is."""
        from studbook.experiments.run.plugins import open_display  # most commands display no run

        return open_display("json") if self.wants_json else open_display(name, params)


def _indented(line: str) -> Text:
    return Text("  " + clean_line(line, 600))
