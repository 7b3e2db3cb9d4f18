"""Text that a harness, a model or a paper produced, made safe to stand inside a frozen prompt.

Two steps: characters that people cannot see are removed, and what looks like our section tags or like a
chat template's role marks is defused. Both are counted, because an attempt is worth showing. Does not
judge what the text says: that is the final verifier's work.
"""

import re
import unicodedata
from dataclasses import dataclass

SECTION_TAGS = (
    "source_document",
    "context",
    "question",
    "answer",
    "criteria",
    "reference_answer",
    "rubric",
)

_TAG = re.compile(rf"<(?=\s*/?\s*(?:{'|'.join(SECTION_TAGS)})\b)", re.IGNORECASE)
_ROLE_MARK = re.compile(
    r"<(?=\|)|<(?=<\s*/?SYS>>)|<(?=/?(?:start|end)_of_turn>)|\[(?=/?INST\])", re.IGNORECASE
)
_DEFUSED = {"<": "‹", "[": "⁅"}
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Cn"}
_KEPT = {"\n", "\t"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Defused:
    """`count` is how many tags and role marks were made harmless."""

    text: str
    count: int


def strip_hidden(text: str) -> tuple[str, int]:
    """Without control, format, private-use and unassigned characters, and how many there were.

    Line ends become newlines; newlines and tabs stay.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    hidden = {c for c in set(text) - _KEPT if unicodedata.category(c) in _HIDDEN_CATEGORIES}
    if not hidden:
        return text, 0
    kept = text.translate(dict.fromkeys(map(ord, hidden)))
    return kept, len(text) - len(kept)


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
