"""What a mutant's commit says: its hypothesis as subject, then trailers that `git log` and tools can read.

The hypothesis was written by a model, so it is hostile: it stays one line, and can neither forge a trailer
nor steer a terminal.
"""

import re
from collections.abc import Mapping

_SUBJECT_LENGTH = 100
_VALUE_LENGTH = 1000
_KEY = re.compile(r"[A-Z][A-Za-z0-9-]{0,40}\Z")


def one_line(text: str, length: int = _VALUE_LENGTH) -> str:
    """Printable, single spaces, at most `length` characters (then ending in an ellipsis)."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * length]).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def format_message(mutant_id: str, hypothesis: str, trailers: Mapping[str, str]) -> str:
    """Raises ValueError for a key that is no trailer."""
    lines = [f"{mutant_id}: {one_line(hypothesis, _SUBJECT_LENGTH) or 'no hypothesis'}", ""]
    for key, value in trailers.items():
        if not _KEY.match(key):
            raise ValueError(f"{key!r:.80} is no trailer")
        lines.append(f"{key}: {one_line(value) or '-'}")
    return "\n".join(lines) + "\n"


def read_trailers(message: str) -> dict[str, str]:
    """The trailers of a message that `format_message` wrote."""
    _, _, block = message.partition("\n\n")
    pairs = (line.partition(": ") for line in block.splitlines())
    return {key: value for key, separator, value in pairs if separator}
