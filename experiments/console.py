"""Where the command line's words go: results to stdout, progress and errors to stderr.

The only place, beside the displays, that writes to the standard streams. Colour only on a terminal; NO_COLOR,
FORCE_COLOR and TERM are honoured (through rich).
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from experiments.display import Display, PlainDisplay
from experiments.display_json import JsonDisplay, json_text
from experiments.display_live import LiveDisplay
from experiments.text import clean_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """`wants_json` and `is_verbose` are flags of every command."""

    wants_json: bool = False
    is_verbose: bool = False

    def result(self, lines: Iterable[Text | str]) -> None:
        """Lines on stdout; styles only where stdout is a terminal."""
        _print(Console(file=sys.stdout, highlight=False), lines)

    def json(self, value: Any) -> None:
        sys.stdout.write(json_text(value) + "\n")

    def progress(self, text: str | Text) -> None:
        _print(Console(file=sys.stderr, highlight=False), [text])

    def error(self, text: str) -> None:
        """What, where, next step: the first line carries the word error."""
        first, *rest = text.splitlines() or ["unknown error"]
        head = Text.assemble(("✗ error: ", "bold red"), clean_line(first, 600))
        _print(Console(file=sys.stderr, highlight=False), [head, *(_indented(line) for line in rest)])

    def display(self) -> Display:
        """Live on a terminal, plain lines elsewhere, one object with --json."""
        if self.wants_json:
            return JsonDisplay(sys.stdout, self.progress)
        progress = Console(file=sys.stderr, highlight=False)
        if progress.is_terminal and not progress.is_dumb_terminal:
            return LiveDisplay(progress, Console(file=sys.stdout, highlight=False))
        return PlainDisplay(sys.stderr, sys.stdout)


def _indented(line: str) -> Text:
    return Text("  " + clean_line(line, 600))


def _print(console: Console, lines: Iterable[Text | str]) -> None:
    for line in lines:
        console.print(line if isinstance(line, Text) else Text(line), soft_wrap=True)
