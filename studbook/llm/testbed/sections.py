"""The tagged sections of a prompt: `<context>…</context>` and the like. Finds; does not interpret."""

import re
from collections.abc import Sequence
from functools import lru_cache

from studbook.llm.contracts import Message


def all_text(messages: Sequence[Message]) -> str:
    return "\n\n".join(message.content for message in messages)


def find_section(text: str, tag: str) -> str:
    """What stands between an opening tag that begins a line and the last closing one; "" without them."""
    place = _find_place(text, tag)
    return text[place[1] : place[2]].strip() if place else ""


def without_section(text: str, tag: str) -> str:
    place = _find_place(text, tag)
    return f"{text[: place[0]]}\n\n{text[place[3] :]}" if place else text


def _find_place(text: str, tag: str) -> tuple[int, int, int, int] | None:
    """Outer start, inner start, inner end, outer end. A tag in running prose opens nothing."""
    opening, closing = f"<{tag}>", f"</{tag}>"
    start = 0 if text.startswith(opening) else text.find(f"\n{opening}") + 1
    if not text.startswith(opening, start):
        start = text.rfind(opening)
    end = text.rfind(closing)
    if not 0 <= start < end:
        return None
    return start, start + len(opening), end, end + len(closing)


_NUMBERED = re.compile(r"^\s*(\d+)[.)]\s+(.*)$", re.MULTILINE)


@lru_cache(maxsize=1_024)
def numbered_lines(text: str) -> tuple[str, ...]:
    """The texts of lines like `3. text`, in the order in which they stand."""
    return tuple(match[2].strip() for match in _NUMBERED.finditer(text))
