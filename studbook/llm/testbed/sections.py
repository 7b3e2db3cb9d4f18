"""The tagged sections of a prompt: `<context>…</context>` and the like. Finds; does not interpret."""

import re
from collections.abc import Sequence
from functools import lru_cache

from studbook.llm.contracts import Message


def all_text(messages: Sequence[Message]) -> str:
    return "\n\n".join(message.content for message in messages)


def find_section(text: str, tag: str) -> str:
    """What stands between the first opening tag and the last closing one; "" when there is none."""
    opening, closing = f"<{tag}>", f"</{tag}>"
    start, end = text.find(opening), text.rfind(closing)
    return text[start + len(opening) : end].strip() if 0 <= start < end else ""


def without_section(text: str, tag: str) -> str:
    opening, closing = f"<{tag}>", f"</{tag}>"
    start, end = text.find(opening), text.rfind(closing)
    return text[:start] + "\n\n" + text[end + len(closing) :] if 0 <= start < end else text


_NUMBERED = re.compile(r"^\s*(\d+)[.)]\s+(.*)$", re.MULTILINE)


@lru_cache(maxsize=1_024)
def numbered_lines(text: str) -> tuple[str, ...]:
    """The texts of lines like `3. text`, in the order in which they stand."""
    return tuple(match[2].strip() for match in _NUMBERED.finditer(text))
