"""Text cut into sentences, and each sentence read once.

Tolerant of papers as they come (hard-wrapped lines, Markdown, reStructuredText, text taken from PDFs); it
does not understand tables, formulas or code and leaves them as odd sentences that nobody finds attractive.

The tagged sections of a prompt: `<context>…</context>` and the like. Finds; does not interpret.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.llm.contracts import Message
from studbook.testbed.models.words import NEGATIONS, is_content, is_number, stem, tokens


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


_BREAK = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|et al|etc|cf|vs|Fig|Figs|Eq|Eqs|Sec|Dr|Prof|No|resp|approx|[A-Z])\.$"
)
_HEADING = re.compile(r"#{1,6}\s+(?P<marked>.+)|\d{1,2}(?:\.\d{1,2})*\.?\s+(?P<numbered>[A-Z][^.!?]{2,60})")
_IGNORED_LINE = re.compile(r"\s*(?::\w+:|\.\. |[-=~^*_|+]{3,}|@|!\[|<|https?://|\\)")
_CITATION = re.compile(r"\s*(?:\[[^\]]{1,80}\]_?|\((?:[^()]*?\d{4}[a-z]?|Fig[^()]*|see [^()]*)\))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """`stems` are the content stems in order; `numbers` as written, thousands commas removed."""

    text: str
    words: tuple[str, ...]
    stems: tuple[str, ...]
    stem_set: frozenset[str]
    numbers: frozenset[str]
    is_negated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A sentence in its place: under which heading it stands."""

    sentence: Sentence
    heading: str


@lru_cache(maxsize=32_768)
def read_sentence(text: str) -> Sentence:
    words = tuple(tokens(text))
    stems = tuple(stem(word) for word in words if is_content(word))
    return Sentence(
        text=text,
        words=words,
        stems=stems,
        stem_set=frozenset(stems),
        numbers=frozenset(word.replace(",", "").rstrip("%") for word in words if is_number(word)),
        is_negated=any(word.lower() in NEGATIONS or word.endswith("n't") for word in words),
    )


@lru_cache(maxsize=4_096)
def split_sentences(text: str) -> tuple[Sentence, ...]:
    """Sentences of running prose; lines are joined first."""
    return tuple(read_sentence(piece) for piece in _split_prose(" ".join(text.split())))


@lru_cache(maxsize=256)
def split_paper(text: str) -> tuple[Passage, ...]:
    """Sentences of a whole paper with their headings; citations are taken out of them."""
    passages: list[Passage] = []
    for heading, prose in _blocks(text):
        cleaned = " ".join(_CITATION.sub("", prose).split())
        passages += [
            Passage(sentence=read_sentence(piece), heading=heading) for piece in _split_prose(cleaned)
        ]
    return tuple(passages)


def _split_prose(prose: str) -> list[str]:
    pieces: list[str] = []
    for piece in _BREAK.split(prose):
        if pieces and _ABBREVIATION.search(pieces[-1]):
            pieces[-1] += " " + piece
        elif piece:
            pieces.append(piece)
    return pieces


def _blocks(text: str) -> list[tuple[str, str]]:
    """(heading, prose) for each paragraph: paragraphs end at blank lines, headings and ignored lines."""
    blocks: list[tuple[str, str]] = []
    heading, lines = "", list[str]()
    for line in [*text.splitlines(), ""]:
        found = _HEADING.fullmatch(line.strip())
        if found or not line.strip() or _IGNORED_LINE.match(line):
            if lines:
                blocks.append((heading, _join(lines)))
                lines = []
            if found:
                heading = (found["marked"] or found["numbered"]).strip()
        else:
            lines.append(line.strip())
    return blocks


def _join(lines: list[str]) -> str:
    joined = ""
    for line in lines:
        joined = joined[:-1] + line if joined.endswith("-") and line[:1].islower() else f"{joined} {line}"
    return joined.strip()
