"""An example as the final verifier reads it: its criteria as claims, and what its texts already tell."""

import re
from dataclasses import dataclass
from functools import lru_cache

from studbook.llm.testbed.judge import FRAMING, is_met
from studbook.llm.testbed.sentences import Sentence, read_sentence, split_sentences


@dataclass(frozen=True, slots=True)
class Point:
    """A criterion and its weight."""

    text: str
    weight: int

    @property
    def claim(self) -> Sentence:
        """What it asks for, without "states that" before it."""
        return read_sentence(FRAMING.sub("", self.text, count=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    context: str
    question: str
    reference: str
    rubric: tuple[Point, ...]
    screening: str = ""
    source: str = ""

    @property
    def positives(self) -> list[Point]:
        return [point for point in self.rubric if point.weight > 0]

    @property
    def told(self) -> frozenset[str]:
        """The stems of context and reference answer."""
        return stems_of(self.context) | stems_of(self.reference)


def is_told(point: Point, text: str) -> bool:
    return is_met(point.text, split_sentences(text)) or is_met(point.text, _pieces(text))


@lru_cache(maxsize=1_024)
def _pieces(text: str) -> tuple[Sentence, ...]:
    """Long sentences cut at semicolons and where another clause is listed."""
    cut = re.split(r"[;:]|,\s+(?=(?:and |or )?(?:that|since|because|says?|states?|explains?|notes?)\b)", text)
    return tuple(read_sentence(piece) for piece in cut if piece.strip())


@lru_cache(maxsize=2_048)
def stems_of(text: str) -> frozenset[str]:
    return frozenset().union(*(sentence.stem_set for sentence in split_sentences(text)))
