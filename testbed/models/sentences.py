"""Splits text into sentences, parses each once, and retrieves them by the words they share with a query.

Tolerates papers in any form (hard-wrapped lines, Markdown, reStructuredText, text extracted from PDFs). It
does not understand tables, formulas or code, and leaves them as odd sentences that rank low. Rare words count
more in a search; the testbed understands a question in no other way.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.testbed.models.words import NEGATIONS, is_content, is_number, stem, tokens

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
    """A sentence with the heading it belongs to."""

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
    """Sentences of a whole paper with their headings; citations are removed."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Sentences with their postings; `rarity` is the inverse document frequency of a stem among them."""

    passages: tuple[Passage, ...]
    postings: Mapping[str, tuple[int, ...]]
    rarity: Mapping[str, float]

    def sentence(self, number: int) -> Sentence:
        return self.passages[number].sentence


@dataclass(frozen=True, slots=True)
class Hit:
    number: int
    score: float


def build_index(passages: Sequence[Passage]) -> Index:
    postings: defaultdict[str, list[int]] = defaultdict(list)
    for number, passage in enumerate(passages):
        for item in passage.sentence.stem_set:
            postings[item].append(number)
    count = len(passages)
    return Index(
        passages=tuple(passages),
        postings={item: tuple(numbers) for item, numbers in postings.items()},
        rarity={item: math.log(1 + count / len(numbers)) for item, numbers in postings.items()},
    )


@lru_cache(maxsize=256)
def index_paper(text: str) -> Index:
    return build_index(split_paper(text))


@lru_cache(maxsize=1_024)
def index_prose(text: str) -> Index:
    return build_index([Passage(sentence=sentence, heading="") for sentence in split_sentences(text)])


def search(index: Index, query: Iterable[str]) -> list[Hit]:
    """All sentences that share a stem with the query, best first; long sentences have a small penalty."""
    scores: defaultdict[int, float] = defaultdict(float)
    for item in query:
        weight = index.rarity.get(item, 0.0)
        for number in index.postings.get(item, ()):
            scores[number] += weight
    hits = [Hit(number, score / _length_price(index.sentence(number))) for number, score in scores.items()]
    return sorted(hits, key=lambda hit: (-hit.score, hit.number))


def _length_price(sentence: Sentence) -> float:
    return 1.0 + 0.02 * len(sentence.stems)
