"""Who sees which paper: training, validation and the sealed test, disjoint by content.

A seeded split depends on the contents alone, not on file names or their order. Reads no files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluate.contracts import Paper
from studbook.errors import CorpusError
from studbook.identity import hash_json

SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSizes:
    train: int
    validation: int
    test: int

    @property
    def total(self) -> int:
        return self.train + self.validation + self.test


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    train: tuple[Paper, ...]
    validation: tuple[Paper, ...]
    test: tuple[Paper, ...]

    def paper_ids(self) -> dict[str, tuple[str, ...]]:
        """What is recorded of the splits."""
        return {name: tuple(paper.paper_id for paper in getattr(self, name)) for name in SPLIT_NAMES}


def draw_splits(papers: Sequence[Paper], sizes: SplitSizes, seed: int) -> Splits:
    """Draw without replacement; raises CorpusError when there are fewer papers than the sizes add up to."""
    unique = {paper.paper_id: paper for paper in papers}
    if len(unique) < sizes.total:
        raise CorpusError(
            f"the splits need {sizes.total} papers ({sizes.train} train + {sizes.validation} validation + "
            f"{sizes.test} test), and the corpus has {len(unique)}.\nAdd papers, or make the splits smaller."
        )
    drawn = [unique[key] for key in sorted(unique, key=lambda key: hash_json(["split", seed, key]))]
    end_of_validation = sizes.train + sizes.validation
    return Splits(
        train=tuple(drawn[: sizes.train]),
        validation=tuple(drawn[sizes.train : end_of_validation]),
        test=tuple(drawn[end_of_validation : sizes.total]),
    )


def listed_splits(listed: Mapping[str, Sequence[Paper]]) -> Splits:
    """Splits as the user listed them; raises CorpusError naming a paper that stands in two."""
    seen: dict[str, tuple[str, Paper]] = {}
    for name in SPLIT_NAMES:
        for paper in listed.get(name, ()):
            other, twin = seen.setdefault(paper.paper_id, (name, paper))
            if other != name:
                raise CorpusError(
                    f"one paper is in two splits: {twin.source} ({other}) and {paper.source} ({name}) "
                    "have the same content.\nRemove it from one of them: splits must be disjoint."
                )
    return Splits(**{name: tuple(listed.get(name, ())) for name in SPLIT_NAMES})
