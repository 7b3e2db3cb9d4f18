"""Overlaps of texts and the ring of questions, as the testbed's analyzer sees them.

Kept apart from the testbed's judge and solvers on purpose: the analyzer must guess from the outside what
they did, as an analyst would, and may guess wrong. It shares only their notion of a word.
"""

import re
from functools import lru_cache

from studbook.llm.testbed.words import is_content, is_number, stem, tokens

_GENERIC_OPENING = re.compile(
    r"\s*(explain (why|how|what|the)|describe|discuss|summari[sz]e|why (is|are|does|do|might) |"
    r"what (is|are) (the )?(main|key|primary|general)|what (is|are|does|do) |how (does|do|is|are) )",
    re.IGNORECASE,
)

_SPECIFIC = re.compile(r"\d|\b[A-Z]{2,}\b|\b[A-Za-z]+-[A-Za-z]+\b|(?<=[a-z,] )[A-Z][a-z]+")


@lru_cache(maxsize=4096)
def content_words(text: str) -> frozenset[str]:
    """Stems of the words that carry meaning, and the numbers."""
    return frozenset(stem(word) for word in tokens(text) if is_content(word) or is_number(word))


def covered_by(part: str, whole: str) -> float:
    """Share of the content words of `part` that also stand in `whole`; 0 when `part` has none."""
    wanted = content_words(part)
    return len(wanted & content_words(whole)) / len(wanted) if wanted else 0.0


def likeness(one: str, other: str) -> float:
    """Jaccard likeness of the content words of two texts, in [0, 1]."""
    left, right = content_words(one), content_words(other)
    union = left | right
    return len(left & right) / len(union) if union else 0.0


def sounds_generic(question: str) -> bool:
    """An opening that fits any paper, and nothing in the rest that ties it to one."""
    if not _GENERIC_OPENING.match(question):
        return False
    return len(_SPECIFIC.findall(question)) < 2


def shorten(text: str, limit: int = 160) -> str:
    """One line of at most `limit` characters, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    return line[:limit].rsplit(" ", 1)[0] + " …"
