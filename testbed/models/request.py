"""What a text program uses of a request: its tagged sections, numbered lines, and draws from its seed.

All randomness in the testbed comes from the request's seed and a label. It does not depend on the text of a
prompt, so two harnesses whose prompts ask for the same things get the same draws (common random numbers), and
a sentence that asks for nothing changes nothing. Only extracts; does not interpret.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from studbook.identity import derive_seed
from studbook.llm.contracts import Message

_RANGE = 2**31
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SeededDraws:
    seed: int

    def uniform(self, label: str, number: int = 0) -> float:
        """A number in [0, 1), always the same for the same label and number."""
        return derive_seed(self.seed, label, number) / _RANGE

    def happens(self, probability: float, label: str, number: int = 0) -> bool:
        return self.uniform(label, number) < probability

    def between(self, low: int, high: int, label: str, number: int = 0) -> int:
        """An integer with low <= value <= high."""
        return low + int(self.uniform(label, number) * (high - low + 1))

    def pick(self, options: Sequence[T], label: str, number: int = 0) -> T:
        return options[int(self.uniform(label, number) * len(options))]


def all_text(messages: Sequence[Message]) -> str:
    return "\n\n".join(message.content for message in messages)


def find_section(text: str, tag: str) -> str:
    """The text between an opening tag at the start of a line and the last closing tag; "" without them."""
    place = _find_place(text, tag)
    return text[place[1] : place[2]].strip() if place else ""


def without_section(text: str, tag: str) -> str:
    place = _find_place(text, tag)
    return f"{text[: place[0]]}\n\n{text[place[3] :]}" if place else text


def _find_place(text: str, tag: str) -> tuple[int, int, int, int] | None:
    """Outer start, inner start, inner end, outer end. A tag within running prose does not count."""
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
    """The texts of lines like `3. text`, in order of appearance."""
    return tuple(match[2].strip() for match in _NUMBERED.finditer(text))
