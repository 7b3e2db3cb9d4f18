"""Words and overlaps, as the testbed's analyzer sees them.

Kept apart from the testbed's judge and solvers on purpose: the analyzer must guess from the outside what
they did, as an analyst would, and may guess wrong.
"""

import re
from functools import lru_cache

_WORD = re.compile(r"[a-z][a-z0-9-]{2,}|\d+(?:\.\d+)?")

_COMMON = frozenset(
    ["the", "and", "for", "are", "was", "were", "with", "that", "this", "these", "those", "from", "into", "onto", "over", "under", "than", "then", "also", "its", "their", "his", "her", "our", "your", "you", "they", "them", "has", "have", "had", "not", "but", "can", "could", "may", "might", "will", "would", "shall", "should", "must", "does", "did", "done", "doing", "how", "why", "what", "when", "where", "which", "who", "whom", "whose", "all", "any", "each", "every", "both", "some", "such", "only", "own", "same", "more", "most", "less", "least", "very", "much", "many", "few", "one", "two", "three", "other", "another", "there", "here", "because", "since", "while", "about", "between", "through", "during", "before", "after", "above", "below", "being", "been", "use", "used", "uses", "using", "paper", "authors", "author", "work", "explain", "describe", "discuss", "approach", "method", "proposed", "according", "given", "context", "question", "answer", "state", "states", "states", "make", "makes", "made", "like", "well", "just", "even", "still", "yet", "per", "via", "let", "get", "gets", "set"]
)

_GENERIC_OPENING = re.compile(
    r"\s*(explain (why|how|what|the)|describe|discuss|summari[sz]e|what (is|are) (the )?(main|key|primary|general)|"
    r"what (is|are|does|do) |why (is|are|does|do|might) |how (does|do|is|are) )",
    re.IGNORECASE,
)

_SPECIFIC = re.compile(r"\d|\b[A-Z]{2,}\b|\b[A-Za-z]+-[A-Za-z]+\b|(?<=[a-z,] )[A-Z][a-z]+")


def stem(word: str) -> str:
    """A crude stem: enough to let "weights" meet "weight" and "averaging" meet "average"."""
    for ending in ("ations", "ation", "ingly", "ings", "ing", "ies", "ed", "es", "ly", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


@lru_cache(maxsize=4096)
def content_words(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in _WORD.findall(text.lower()) if word not in _COMMON)


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
