"""Text that a harness, a model or a paper produced, made safe to stand inside a frozen prompt.

Two steps: characters that people cannot see are removed, and what looks like our section tags or like a
chat template's role marks is defused. Both are counted, because an attempt is worth showing. Does not
judge what the text says: that is the final verifier's work.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

SECTION_TAGS = (
    "source_document",
    "context",
    "question",
    "answer",
    "criteria",
    "reference_answer",
    "rubric",
    "screening",
    "check",
)

# Possessive (`*+`): a `<` before a long run of spaces must not cost the square of its length.
_TAG = re.compile(rf"<(?=\s*+/?\s*+(?:{'|'.join(SECTION_TAGS)})\b)", re.IGNORECASE)
_ROLE_MARK = re.compile(
    r"<(?=[|\N{FULLWIDTH VERTICAL LINE}])|<(?=<\s*+/?SYS>>)"
    r"|<(?=/?(?:(?:start|end)_of_turn|bos|eos|think|(?-i:s))>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)
_DEFUSED = {"<": "‹", "[": "⁅"}
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Cn"}
_HIDDEN_RANGES = (
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x115F, 0x1160),  # Hangul fillers: letters that are drawn as nothing
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),  # variation selectors: 256 of them, so each can carry a byte of hidden text
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
)
"""Drawn as nothing, although Unicode files them under letters and marks."""
_KEPT = {"\n", "\t"}
_PLAIN = re.compile(r"[\t\n -~]*+")  # most texts: nothing to look up


@dataclass(frozen=True, slots=True, kw_only=True)
class Defused:
    """`count` is how many tags and role marks were made harmless."""

    text: str
    count: int


def strip_hidden(text: str) -> tuple[str, int]:
    """Without control, format, filler, private-use and unassigned characters, and how many there were.

    Line ends become newlines; newlines and tabs stay.
    """
    if _PLAIN.fullmatch(text):
        return text, 0
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    hidden = {c for c in set(text) - _KEPT if _is_hidden(c)}
    if not hidden:
        return text, 0
    kept = text.translate(dict.fromkeys(map(ord, hidden)))
    return kept, len(text) - len(kept)


@lru_cache(maxsize=4_096)
def _is_hidden(character: str) -> bool:
    if unicodedata.category(character) in _HIDDEN_CATEGORIES:
        return True
    return any(first <= ord(character) <= last for first, last in _HIDDEN_RANGES)


def defuse(text: str) -> Defused:
    """Our own tags and chat role marks inside data, defused by changing their first character."""
    text, tags = _TAG.subn("‹", text)
    text, marks = _ROLE_MARK.subn(lambda match: _DEFUSED[match.group()], text)
    return Defused(text=text, count=tags + marks)


def section(tag: str, data: str) -> str:
    """`<tag>` data `</tag>`, with nothing inside that could end it or open another."""
    visible, _ = strip_hidden(data)
    return f"<{tag}>\n{defuse(visible).text.strip()}\n</{tag}>"


def one_line(text: str) -> str:
    """White space runs become single spaces, so that a line of a list stays one line."""
    return " ".join(text.split())


def visible_line(text: str) -> str:
    """One line of what others wrote, for a reason that people and terminals are shown."""
    return one_line(strip_hidden(text.replace("\n", " "))[0])
