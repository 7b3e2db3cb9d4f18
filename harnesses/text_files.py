"""Text files as people and models read them, and back: line feeds only, and no byte order mark.

A harness may have been edited on Windows or checked out with its line ends. Its files keep their bytes, which
identify it; what is read or edited is plain text, and a file that is edited keeps its own line ends and mark.
"""

import codecs
import re
from collections import Counter
from difflib import SequenceMatcher

MAX_COMPARED_LINES = 2_000
"""In a longer file with mixed line ends all lines get the most frequent end: comparing is quadratic."""

_END = re.compile(r"\r\n|\r|\n")
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_text(data: bytes) -> str:
    """What is no UTF-8 becomes replacement characters."""
    return with_line_feeds(data.decode("utf-8-sig", "replace"))


def with_line_feeds(text: str) -> str:
    return _END.sub("\n", text)


def write_text(text: str, before: bytes) -> bytes:
    """`text` with byte order mark and line ends of the file it replaces; b"" is a new file.

    With mixed line ends a line that stays keeps its own, and a new one gets that of the line it replaces or
    follows. Lone surrogates, which models can send, become question marks.
    """
    text = with_line_feeds(text)
    mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
    old = before.decode("utf-8-sig", "replace")
    ends = _END.findall(old)
    if len(set(ends)) > 1:
        text = _with_ends(text.split("\n"), _END.split(old), ends)
    elif ends:
        text = text.replace("\n", ends[0])
    return mark + text.encode("utf-8", "replace")


def find_other_encoding(data: bytes) -> str:
    """The name of the encoding whose byte order mark a file begins with, if it is not UTF-8."""
    return next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")


def _with_ends(lines: list[str], old: list[str], ends: list[str]) -> str:
    most = Counter(ends).most_common(1)[0][0]
    chosen = [most] * len(lines)
    if max(len(lines), len(old)) <= MAX_COMPARED_LINES:
        for _, start, stop, at, end in SequenceMatcher(None, old, lines, autojunk=False).get_opcodes():
            for place in range(at, end):
                like = min(start + place - at, stop - 1) if stop > start else start - 1
                chosen[place] = ends[like] if 0 <= like < len(ends) else most
    chosen[-1] = ""
    for place in range(1, len(lines)):  # "\r" before an empty line that ends in "\n" would be one end
        if chosen[place - 1] == "\r" and not lines[place] and chosen[place] == "\n":
            chosen[place - 1] = "\r\n"
    return "".join(map("".join, zip(lines, chosen, strict=True)))
