"""Where phrases stand in a stemmed sentence. Knows no meanings."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.llm.testbed.words import stem

LONGEST_GAP = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A phrase found: the positions of its words, in order; words in its gaps are not part of it."""

    words: tuple[int, ...]

    @property
    def first(self) -> int:
        return self.words[0]

    @property
    def last(self) -> int:
        return self.words[-1]

    def overlaps(self, other: "Place") -> bool:
        return any(word in other.words for word in self.words)


@lru_cache(maxsize=4_096)
def _parse(entry: str) -> tuple[tuple[str, ...], ...]:
    """ "keep .. out" becomes (("keep",), ("out",))."""
    return tuple(tuple(stem(word) for word in part.split()) for part in entry.split(".."))


def find_places(stems: Sequence[str], entries: Sequence[str]) -> tuple[Place, ...]:
    """Where any of the entries stands, leftmost first, longer entries before shorter at the same place."""
    present = frozenset(stems)
    places = {place for entry in entries for place in _places_of(stems, present, _parse(entry))}
    return tuple(sorted(places, key=lambda place: (place.first, -len(place.words), place.last)))


def _places_of(
    stems: Sequence[str], present: frozenset[str], parts: tuple[tuple[str, ...], ...]
) -> list[Place]:
    if any(word not in present for part in parts for word in part):
        return []
    matches = (_match(stems, start, parts) for start in range(len(stems)))
    return [Place(words) for words in matches if words]


def _match(stems: Sequence[str], start: int, parts: tuple[tuple[str, ...], ...]) -> tuple[int, ...]:
    """Positions of the phrase if it starts here; empty when it does not."""
    head, *rest = parts
    end = start + len(head)
    if tuple(stems[start:end]) != head:
        return ()
    here = tuple(range(start, end))
    if not rest:
        return here
    for gap in range(LONGEST_GAP + 1):
        if there := _match(stems, end + gap, tuple(rest)):
            return here + there
    return ()
