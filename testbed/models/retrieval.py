"""Finding sentences by the words they share with a query, rare words counting more.

That is all the testbed knows of understanding a question.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.testbed.models.sentences import Passage, Sentence, split_paper, split_sentences


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
    """All sentences that share a stem with the query, best first; long sentences pay a little."""
    scores: defaultdict[int, float] = defaultdict(float)
    for item in query:
        weight = index.rarity.get(item, 0.0)
        for number in index.postings.get(item, ()):
            scores[number] += weight
    hits = [Hit(number, score / _length_price(index.sentence(number))) for number, score in scores.items()]
    return sorted(hits, key=lambda hit: (-hit.score, hit.number))


def _length_price(sentence: Sentence) -> float:
    return 1.0 + 0.02 * len(sentence.stems)
