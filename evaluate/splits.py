"""Draws training, validation and test papers: disjoint by content, and near-duplicates only within one split.

A seeded split depends only on the contents, not on file names or their order. Near-duplicates are found by
`near_duplicate_papers.py`; without any, a split is the order of hashes, cut twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from studbook.errors import CorpusError
from studbook.evaluate.contracts import Paper
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
        """The paper ids of each split, as recorded in the run."""
        return {name: tuple(paper.paper_id for paper in getattr(self, name)) for name in SPLIT_NAMES}


Groups = Sequence[Sequence[Paper]]
"""Near-duplicates: no paper is in two groups."""


def draw_splits(papers: Sequence[Paper], sizes: SplitSizes, seed: int, groups: Groups = ()) -> Splits:
    """Draw without replacement; raises CorpusError when the papers are too few for the splits.

    A group goes where its first paper would be drawn, or if it does not fit there, where most room is. What a
    split has no room for is not drawn.
    """
    unique = {paper.paper_id: paper for paper in papers}
    order = sorted(unique, key=lambda key: hash_json(["split", seed, key]))
    drawn = _Draw(order, sizes).place([[paper.paper_id for paper in group] for group in groups])
    found = sum(map(len, drawn.values()))
    if found < sizes.total:
        usable = "" if found == len(unique) else f", of which {found} fit: near-duplicates stay in one split"
        raise CorpusError(
            f"the splits need {sizes.total} papers ({sizes.train} train + {sizes.validation} validation + "
            f"{sizes.test} test), and the corpus has {len(unique)}{usable}.\n"
            "Add papers, or make the splits smaller."
        )
    return Splits(**{name: tuple(unique[key] for key in keys) for name, keys in drawn.items()})


class _Draw:
    """Fills the splits from paper ids in the order in which they are drawn."""

    def __init__(self, order: Sequence[str], sizes: SplitSizes) -> None:
        self._rank = {key: rank for rank, key in enumerate(order)}
        self._room = {name: getattr(sizes, name) for name in SPLIT_NAMES}
        self._drawn: dict[str, list[str]] = {name: [] for name in SPLIT_NAMES}
        self._homes = [name for name, room in self._room.items() for _ in range(room)]

    def place(self, groups: Sequence[Sequence[str]]) -> dict[str, list[str]]:
        """Groups first, then single papers; groups that would not be drawn only if there is room left."""
        ranked = sorted(sorted(self._rank[key] for key in group) for group in groups)
        keys = list(self._rank)
        grouped = {rank for group in ranked for rank in group}
        for group in ranked:
            if group[0] < len(self._homes):
                self._put([keys[rank] for rank in group], self._homes[group[0]])
        for rank, key in enumerate(keys):
            if rank not in grouped and (free := next(self._with_room(), None)):
                self._put([key], free)
        for group in ranked:
            if group[0] >= len(self._homes) and any(self._with_room()):
                self._put([keys[rank] for rank in group], next(self._with_room()))
        return {name: sorted(drawn, key=self._rank.__getitem__) for name, drawn in self._drawn.items()}

    def _with_room(self) -> Iterator[str]:
        return (name for name, room in self._room.items() if room)

    def _put(self, keys: Sequence[str], home: str) -> None:
        name = home
        if self._room[home] < len(keys):
            name = max(SPLIT_NAMES, key=lambda each: (self._room[each], each == home))
        taken = keys[: self._room[name]]
        self._drawn[name] += taken
        self._room[name] -= len(taken)


def listed_splits(listed: Mapping[str, Sequence[Paper]], groups: Groups = ()) -> Splits:
    """Splits as the user listed them; raises CorpusError naming a paper that is in two of them.

    So are near-duplicates: a paper and its new version.
    """
    seen: dict[str, tuple[str, Paper]] = {}
    for name in SPLIT_NAMES:
        for paper in listed.get(name, ()):
            other, twin = seen.setdefault(paper.paper_id, (name, paper))
            if other != name:
                raise CorpusError(
                    f"one paper is in two splits: {twin.source} ({other}) and {paper.source} ({name}) "
                    "have the same content.\nRemove it from one of them: splits must be disjoint."
                )
    for group in groups:
        (other, twin), *rest = (seen[paper.paper_id] for paper in group)
        for name, paper in rest:
            if name != other:
                raise CorpusError(
                    f"near-duplicates are in two splits: {twin.source} ({other}) and {paper.source} ({name}) "
                    "are versions of one text.\nRemove one of them: splits must be disjoint."
                )
    return Splits(**{name: tuple(listed.get(name, ())) for name in SPLIT_NAMES})
