"""What a check of something written down has found: faults, things worth knowing, and how much was looked at.

A collector, passed in to every check, so that one fault never hides the others. Judges nothing and prints
nothing. Texts may quote damaged or hostile files: whoever shows them cleans them.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from studbook.errors import StudbookError

QUOTED_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`place`: a file and what in it (line, object, record). `expected` and `found` may be empty."""

    place: str
    problem: str
    expected: str = ""
    found: str = ""


@dataclass(slots=True)
class Findings:
    """`notes` are no faults: what an interrupted or running job leaves, and what could not be checked."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    @property
    def is_clean(self) -> bool:
        return not self.faults

    def fault(self, place: str, problem: str, *, expected: object = "", found: object = "") -> None:
        """Once: a fault that is met on two ways is one fault."""
        fault = Fault(place=place, problem=problem, expected=quote(expected), found=quote(found))
        if fault not in self.faults:
            self.faults.append(fault)

    def same(self, place: str, problem: str, expected: object, found: object) -> bool:
        """A fault unless both are equal."""
        if expected == found:
            return True
        self.fault(place, problem, expected=expected, found=found)
        return False

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @contextmanager
    def catching(self, place: str) -> Iterator[None]:
        """An error of ours inside the block is a fault at `place`, and the check goes on behind the block."""
        try:
            yield
        except StudbookError as error:
            self.fault(place, str(error).partition("\n")[0])


def quote(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= QUOTED_CHARACTERS else f"{text[:QUOTED_CHARACTERS]}…"
