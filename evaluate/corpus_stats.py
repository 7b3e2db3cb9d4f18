"""The figures of a corpus, for `studbook papers stats`. Pure."""

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from statistics import median

from evaluate.papers import Corpus
from studbook.identity import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusStats:
    papers: int
    skipped: int
    characters: int
    words: int
    shortest_characters: int
    median_characters: int
    longest_characters: int
    formats: dict[str, int]
    skip_reasons: dict[str, int]

    def to_json(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}


def corpus_stats(corpus: Corpus) -> CorpusStats:
    lengths = [len(paper.text) for paper in corpus.papers]
    formats = Counter(PurePosixPath(paper.source).suffix.lower() for paper in corpus.papers)
    reasons = Counter(item.reason.split(":")[0].split(" (")[0] for item in corpus.skipped)
    return CorpusStats(
        papers=len(corpus.papers),
        skipped=len(corpus.skipped),
        characters=sum(lengths),
        words=sum(len(paper.text.split()) for paper in corpus.papers),
        shortest_characters=min(lengths, default=0),
        median_characters=int(median(lengths)) if lengths else 0,
        longest_characters=max(lengths, default=0),
        formats=dict(sorted(formats.items())),
        skip_reasons=dict(sorted(reasons.items())),
    )
