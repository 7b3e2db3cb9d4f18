"""Reading a journal: every line proved, no lock needed, also while a run is writing it.

A torn tail (an append that a crash or a running writer has not finished) is left out and counted in
`torn_bytes`; any other damage is an IntegrityError naming file and line. Repairs nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from populations.events import Event
from populations.journal_line import Entry, check_follows, parse_line
from populations.storage import storage_errors
from studbook.errors import IntegrityError


class JournalReader:
    """Iterate for the entries of all whole appends. After an iteration has ended, the attributes say:

    `last`          the last entry, or None for an empty journal
    `whole_bytes`   where the last whole append ends
    `torn_bytes`    how many bytes lie behind it
    `needs_newline` the last append is whole but for its newline
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reset()

    def _reset(self) -> None:
        self.last: Entry | None = None
        self.whole_bytes = 0
        self.torn_bytes = 0
        self.needs_newline = False

    def __iter__(self) -> Iterator[Entry]:
        self._reset()
        with storage_errors(self.path, "read"), self.path.open("rb") as file:
            yield from self._appends(file)

    def events(self) -> Iterator[Event]:
        """The events of all whole appends."""
        return (entry.event for entry in self)

    def _appends(self, file: BinaryIO) -> Iterator[Entry]:
        """Holds the lines of an append back until its last one has been read."""
        held: list[Entry] = []
        position = 0
        for number, line in enumerate(file, start=1):
            position += len(line)
            entry = self._read(line, number, held[-1] if held else self.last)
            if entry is None:
                break
            held.append(entry)
            if entry.left == 0:
                self.needs_newline = not line.endswith(b"\n")
                self.whole_bytes, self.last = position, entry
                yield from held
                held.clear()
        self.torn_bytes = position - self.whole_bytes

    def _read(self, line: bytes, number: int, before: Entry | None) -> Entry | None:
        """None for a torn line, which only the last one can be."""
        try:
            entry = parse_line(line.removesuffix(b"\n"))
            check_follows(entry, before)
        except IntegrityError as error:
            if not line.endswith(b"\n") and not lost_its_newline(line):
                return None
            raise IntegrityError(
                f"{self.path}, line {number}: {error}.\n"
                "Take the file from a backup, or keep the lines before it and resume."
            ) from error
        return entry


def lost_its_newline(line: bytes) -> bool:
    """A whole line followed by a byte that is no newline was changed, not torn."""
    try:
        parse_line(line[:-1])
    except IntegrityError:
        return False
    return True
