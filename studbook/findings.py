"""Collects what a check of recorded files has found: faults, notes, and how much was checked.

Passed to every check, so that one fault never hides the others. Judges nothing and prints nothing. Texts may
quote damaged or untrusted files; the caller that displays them cleans them.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from studbook.errors import StudbookError

QUOTED_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`place`: a file and a part of it (line, object, record). `expected` and `found` may be empty."""

    place: str
    problem: str
    expected: str = ""
    found: str = ""


@dataclass(slots=True)
class Findings:
    """`notes` are not faults: leftovers of interrupted or running jobs, and what could not be checked."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    _known: set[Fault | str] = field(default_factory=set, repr=False)

    @property
    def is_clean(self) -> bool:
        return not self.faults

    def fault(self, place: str, problem: str, *, expected: object = "", found: object = "") -> None:
        """Adds a fault; the same fault is added only once."""
        fault = Fault(place=place, problem=problem, expected=quote(expected), found=quote(found))
        if fault not in self._known:
            self._known.add(fault)
            self.faults.append(fault)

    def same(self, place: str, problem: str, expected: object, found: object) -> bool:
        """Adds a fault unless both are equal."""
        if expected == found:
            return True
        self.fault(place, problem, expected=expected, found=found)
        return False

    def note(self, text: str) -> None:
        if text not in self._known:
            self._known.add(text)
            self.notes.append(text)

    @contextmanager
    def catching(self, place: str) -> Iterator[None]:
        """Turns a StudbookError in the block into a fault at `place`; the check continues after the block."""
        try:
            yield
        except StudbookError as error:
            self.fault(place, str(error).partition("\n")[0])


def quote(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= QUOTED_CHARACTERS else f"{text[:QUOTED_CHARACTERS]}…"
