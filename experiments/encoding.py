"""Terminals that cannot show every letter: our glyphs become ASCII with the same meaning, the rest `?`.

Changes how a stream encodes, never what is written into files.
"""

import codecs
import io
from typing import TextIO

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
