"""Which idea comes to mind: weighed by what the diagnosis says and the history remembers, decided by luck.

Reads prose only. A diagnosis that stresses the wrong thing makes the wrong ideas likelier; that is the point.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.testbed.ideas.files import Files
from studbook.testbed.ideas.repertoire import Idea
from studbook.testbed.models.analyzer_signs import content_words, likeness

CODE_SHARE = 0.54
"""How often the thought is of code rather than prompts."""

STRESS = 8.0
"""How much likelier an idea gets that the first-named cause speaks for."""

SIMILAR = 0.5
"""Likeness of hypotheses from which on two count as the same thought."""

_FADING: Mapping[str, float] = {
    "rejected": 0.15,
    "duplicate": 0.2,
    "no_change": 0.4,
    "broken": 0.6,
    "admitted": 0.6,
}
"""What is left of the wish to do what the history says was done, by how it ended."""

_HEADING = re.compile(r"^#{1,6}\s+(?:(\d+)[.)]\s*)?(.*)$")
_NUMBERED = re.compile(r"^\s*(\d+)[.)]\s+")
_SETTLED = re.compile(r"tried before|earlier iterations|not the harness|what happened", re.IGNORECASE)
_FAINT = re.compile(r"lesser|suspicio|minor|guess", re.IGNORECASE)
_VERDICT = re.compile(r":\s*(admitted|rejected|broken|duplicate|no_change)\b")
_HYPOTHESIS = re.compile(r"Hypothesis:\s*(.+)$")


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the diagnosis as stems, and how much stress it carries."""

    words: frozenset[str]
    stress: float


@dataclass(frozen=True, slots=True)
class Thought:
    """An idea with the files it would change."""

    idea: Idea
    edited: dict[str, str]


def choose(
    ideas: Sequence[Idea], files: Files, diagnosis: str, history: str, luck: random.Random
) -> Thought | None:
    """The first idea drawn that fits the files; None when none does."""
    wants_code = luck.random() < CODE_SHARE
    statements = read_diagnosis(diagnosis)
    tried = tuple(read_history(history))
    for touches_code in (wants_code, not wants_code):
        pool = [idea for idea in ideas if idea.touches_code is touches_code]
        weights = [weigh(idea, statements, tried) for idea in pool]
        while pool:
            at = luck.choices(range(len(pool)), weights)[0]
            idea = pool.pop(at)
            weights.pop(at)
            edited = idea.edit(files, luck)
            if edited:
                return Thought(idea, edited)
    return None


def weigh(idea: Idea, statements: Sequence[Statement], tried: Sequence[tuple[str, str]]) -> float:
    wish = idea.weight * (1.0 + STRESS * relevance(idea, statements))
    for verdict, hypothesis in tried:
        if any(likeness(hypothesis, own) >= SIMILAR for own in idea.hypotheses):
            wish *= _FADING.get(verdict, 1.0)
    return wish


def relevance(idea: Idea, statements: Sequence[Statement]) -> float:
    """In [0, 1]: the stress of the sentences that speak for the idea."""
    cues = [content_words(cue) for cue in idea.cues]
    return min(1.0, sum(item.stress for item in statements if any(cue <= item.words for cue in cues)))


@lru_cache(maxsize=64)
def read_diagnosis(text: str) -> tuple[Statement, ...]:
    """Sentences outside quotations; the first cause counts full, later ones less."""
    return tuple(_statements(text))


def _statements(text: str) -> Iterator[Statement]:
    rank, factor = 1, 0.2
    for line in text.split("\n"):
        if line.lstrip().startswith(">"):
            continue
        heading, numbered = _HEADING.match(line), _NUMBERED.match(line)
        if heading:
            rank = int(heading[1]) if heading[1] else 1
            factor = _factor(heading[2]) if not heading[1] else max(factor, 0.5)
        elif numbered:
            rank = int(numbered[1])
        for sentence in re.split(r"(?<=[.!?;])\s+", line):
            words = content_words(sentence)
            if words and factor:
                yield Statement(words, 0.5 * factor / max(1, rank))


def _factor(title: str) -> float:
    if _SETTLED.search(title):
        return 0.0
    return 0.25 if _FAINT.search(title) else 1.0


def read_history(text: str) -> Iterator[tuple[str, str]]:
    """(verdict, hypothesis) of each line that tells both."""
    for line in text.split("\n"):
        verdict, hypothesis = _VERDICT.search(line), _HYPOTHESIS.search(line)
        if verdict and hypothesis:
            yield verdict[1], hypothesis[1]
