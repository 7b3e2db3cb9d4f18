"""Where phrases stand in a stemmed sentence. Knows no meanings."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from studbook.llm.testbed.words import stem

LONGEST_GAP = 6


@dataclass(frozen=True, slots=True)
class Place:
    """A phrase found: first and last word."""

    first: int
    last: int


@lru_cache(maxsize=4_096)
def _parse(entry: str) -> tuple[tuple[str, ...], ...]:
    """ "keep .. out" becomes (("keep",), ("out",))."""
    return tuple(tuple(stem(word) for word in part.split()) for part in entry.split(".."))


def find_places(stems: Sequence[str], entries: Sequence[str]) -> tuple[Place, ...]:
    """Where any of the entries stands, leftmost first, longer entries before shorter at the same place."""
    present = frozenset(stems)
    places = {place for entry in entries for place in _places_of(stems, present, _parse(entry))}
    return tuple(sorted(places, key=lambda place: (place.first, -place.last)))


def _places_of(
    stems: Sequence[str], present: frozenset[str], parts: tuple[tuple[str, ...], ...]
) -> list[Place]:
    if any(word not in present for part in parts for word in part):
        return []
    found: list[Place] = []
    for start in range(len(stems)):
        last = _match(stems, start, parts)
        if last is not None:
            found.append(Place(start, last))
    return found


def _match(stems: Sequence[str], start: int, parts: tuple[tuple[str, ...], ...]) -> int | None:
    head, *rest = parts
    if tuple(stems[start : start + len(head)]) != head:
        return None
    end = start + len(head)
    if not rest:
        return end - 1
    for gap in range(LONGEST_GAP + 1):
        last = _match(stems, end + gap, tuple(rest))
        if last is not None:
            return last
    return None
