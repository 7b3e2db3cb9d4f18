"""Finds sentences of a paper that are worth asking about, by salience, specificity and position."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from studbook.testbed.models.sentences import Index, Sentence, index_paper, read_sentence
from studbook.testbed.models.words import is_content, stem

_DANGLING = re.compile(
    r"^(?:it|this|these|those|they|he|she|such|here|however|but|and|so|thus|also|then|note"
    r"|figure|fig|table|see|moreover|acknowledg\w+"
    r"|furthermore|therefore|similarly|again|finally|additionally|in addition"
    r"|for example|for instance)\b[ ,]*",
    re.IGNORECASE,
)
_CAUSAL = re.compile(
    r"\b(?:because|since|therefore|thus|leads? to|results? in|causes?|so that|due to|allows?|enables?"
    r"|prevents?|reduces?|increases?|improves?|by \w+ing|hence|ensures?|requires?|instead of|rather than"
    r"|in order to)\b",
    re.IGNORECASE,
)
_ODD = re.compile(
    r"[\\{}$=<>|@_^~#]|https?:|www\.|doi|\.\.\.|©|arXiv|University|Licen[sc]e|Copyright|ISBN", re.IGNORECASE
)
_SHAPE = re.compile(r"^[\"“(]?[A-Z].*[.!]$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence worth asking about. `place` is its relative position in the paper, in [0, 1]."""

    number: int
    sentence: Sentence
    heading: str
    salience: float
    place: float
    is_causal: bool


@dataclass(frozen=True, slots=True)
class PaperReading:
    """A paper as the challenger sees it: `facts` by salience, `opening` its first good sentences."""

    index: Index
    title: str
    facts: tuple[Fact, ...]
    opening: tuple[Sentence, ...]


MOST_FACTS = 90
OPENING = 8


@lru_cache(maxsize=256)
def read_paper(text: str) -> PaperReading:
    index = index_paper(text)
    facts = [fact for number in range(len(index.passages)) if (fact := _as_fact(index, number)) is not None]
    facts = _without_twins(facts) or [_plain_fact(index, number) for number in range(len(index.passages))]
    opening = tuple(fact.sentence for fact in facts[:OPENING])
    return PaperReading(
        index=index,
        title=_title(text),
        facts=tuple(sorted(facts, key=lambda fact: (-fact.salience, fact.number))[:MOST_FACTS]),
        opening=opening,
    )


def _title(text: str) -> str:
    lines = [line.strip(" #*=-") for line in text.splitlines()[:40]]
    return next((line for line in lines if len(line) > 8 and not line.startswith((":", ".."))), "the paper")[
        :120
    ]


def _as_fact(index: Index, number: int) -> Fact | None:
    passage = index.passages[number]
    text = passage.sentence.text
    if not 7 <= len(passage.sentence.stems) <= 26 or _ODD.search(text) or not _SHAPE.match(text):
        return None
    if _capitals(passage.sentence) > 0.45 or _DANGLING.match(text):
        return None
    return _plain_fact(index, number)


def _plain_fact(index: Index, number: int) -> Fact:
    passage = index.passages[number]
    is_causal = _CAUSAL.search(passage.sentence.text) is not None
    return Fact(
        number=number,
        sentence=passage.sentence,
        heading=passage.heading,
        salience=_specificity(index, passage.sentence) + (0.35 if is_causal else 0.0),
        place=number / max(1, len(index.passages)),
        is_causal=is_causal,
    )


def _specificity(index: Index, sentence: Sentence) -> float:
    """Mean rarity of its words that recur elsewhere in the paper: the paper's own vocabulary."""
    recurring = [index.rarity[item] for item in sentence.stems if 2 <= len(index.postings[item]) <= 9]
    return sum(recurring) / (3.0 * max(6, len(sentence.stems)))


def _capitals(sentence: Sentence) -> float:
    words = sentence.words[1:]
    return sum(word[0].isupper() for word in words) / max(1, len(words))


def _without_twins(facts: Sequence[Fact]) -> list[Fact]:
    """Keep one of each pair of sentences that say the same (abstract and conclusion)."""
    kept: list[Fact] = []
    seen: set[frozenset[str]] = set()
    for fact in facts:
        if fact.sentence.stem_set not in seen:
            seen.add(fact.sentence.stem_set)
            kept.append(fact)
    return kept


@lru_cache(maxsize=16_384)
def key_phrase(sentence: Sentence, index_key: tuple[str, ...]) -> str:
    """Its two most informative adjacent content words; `index_key` are its rare stems, rarest first."""
    words = sentence.words
    pairs = [
        f"{one} {two}"
        for one, two in pairwise(words)
        if is_content(one) and is_content(two) and f"{one} {two}" in sentence.text
    ]
    ranked = {item: -place for place, item in enumerate(index_key)}
    low = -len(index_key)

    def telling(pair: str) -> int:
        return sum(ranked.get(stem(word), low) for word in pair.split())

    singles = [word for word in words if is_content(word)]
    return max(
        pairs, key=telling, default=max(singles, key=lambda word: ranked.get(stem(word), low), default="")
    )


def rare_stems(index: Index, sentence: Sentence) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(sentence.stems), key=lambda item: -index.rarity.get(item, 0.0)))


@lru_cache(maxsize=16_384)
def clause_of(text: str) -> str:
    """The sentence in a form that can follow "states that": no opening connective, no period, not long."""
    clause = _DANGLING.sub("", text).strip().rstrip(".!")
    words = clause.split()
    if len(words) > 24:
        cut = next((place for place in range(24, 12, -1) if words[place - 1].endswith((",", ";"))), 24)
        words = words[:cut]
    clause = " ".join(words).rstrip(",;:")
    lowered = clause[:1].lower() + clause[1:]
    is_name = clause[1:2].isupper() or not read_sentence(clause).words
    return clause if is_name else lowered
