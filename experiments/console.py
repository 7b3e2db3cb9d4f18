"""Where the command line's words go: results to stdout, progress and errors to stderr.

The only place, beside the displays, that writes to the standard streams. Colour only on a terminal; NO_COLOR,
FORCE_COLOR and TERM are honoured (through rich). How lines break is `experiments/lines_out.py`.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from experiments.display import Display, PlainDisplay
from experiments.display_json import JsonDisplay, json_text
from experiments.lines_out import Lines, print_lines
from experiments.text import clean_line


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
            from experiments.display_live import LiveDisplay  # most commands draw nothing live

            return LiveDisplay(progress, Lines(sys.stdout))
        return PlainDisplay(sys.stderr, sys.stdout)


def _indented(line: str) -> Text:
    return Text("  " + clean_line(line, 600))
