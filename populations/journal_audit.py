"""Reads a journal past its faults: every line is judged, and what can still be understood is understood.

`JournalReader` stops at the first line that is wrong, as it must; this goes on, so that all faults are named
and the events behind them can be compared with the rest of the run. Repairs nothing, needs no lock.
"""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from studbook.errors import IntegrityError
from studbook.findings import Findings
from studbook.identity import canonical_json
from studbook.populations.events import Event
from studbook.populations.journal import GENESIS, Entry, check_follows, lost_its_newline, parse_line

_CLAIMED_HASH = re.compile(rb'"hash":"([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedLine:
    """A line whose event could be read, whether or not the line is sound."""

    number: int
    entry: Entry
    event: Event

    @property
    def place(self) -> str:
        return f"journal.jsonl, line {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedJournal:
    """`head`: the hash of the last sound line, which stands for all before it. `torn_bytes`: at the end."""

    lines: tuple[AuditedLine, ...]
    head: str
    torn_bytes: int

    @property
    def last_append(self) -> int:
        """How many of `lines` stood before the last append."""
        at = len(self.lines)
        while at > 0 and (at == len(self.lines) or self.lines[at - 1].entry.left > 0):
            at -= 1
        return at


def audit_journal(path: Path, findings: Findings) -> AuditedJournal:
    audit = _Audit(path.name, findings)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            audit.read(line, number)
    return audit.end()


class _Audit:
    def __init__(self, name: str, findings: Findings) -> None:
        self._name = name
        self._findings = findings
        self._before: Entry | None = None
        self._is_lost = False  # the line before could not be understood, so nothing can be said to follow it
        self._whole: list[AuditedLine] = []
        self._held: list[AuditedLine] = []
        self._held_bytes = 0
        self._head = GENESIS

    def read(self, line: bytes, number: int) -> None:
        self._findings.checked["journal lines"] += 1
        self._held_bytes += len(line)
        place = f"{self._name}, line {number}"
        entry = self._parse(line, place)
        if entry is None:
            return
        if not self._is_lost:
            with self._findings.catching(place):
                check_follows(entry, self._before)
        self._before, self._is_lost = entry, False
        event = self._decode(entry, place)
        if event is not None:
            self._held.append(AuditedLine(number=number, entry=entry, event=event))
        if entry.left == 0:
            self._whole += self._held
            self._held, self._held_bytes = [], 0
            self._head = entry.hash

    def _parse(self, line: bytes, place: str) -> Entry | None:
        try:
            return parse_line(line.removesuffix(b"\n"))
        except IntegrityError as error:
            if not line.endswith(b"\n") and not lost_its_newline(line):
                return None  # only the last line can lack its newline: an append that was not finished
            self._findings.fault(place, str(error))
        guess = _understand(line, self._before)
        self._is_lost = guess is None
        if guess is None:
            self._before, self._held_bytes = None, 0
        return guess

    def _decode(self, entry: Entry, place: str) -> Event | None:
        """None for a line that says nothing; that it cannot be understood is a fault."""
        if not entry.data_text:
            return None
        try:
            return entry.event
        except IntegrityError as error:
            self._findings.fault(place, str(error).partition("\n")[0])
        except (ValueError, RecursionError) as error:
            self._findings.fault(place, f"it does not describe an event: {error!r:.100}")
        return None

    def end(self) -> AuditedJournal:
        return AuditedJournal(lines=tuple(self._whole), head=self._head, torn_bytes=self._held_bytes)


def _understand(line: bytes, before: Entry | None) -> Entry | None:
    """What a line with a wrong hash seems to say; its claimed hash is what the next line continues."""
    try:
        value = json.loads(line)
        entry = Entry(
            seq=int(value["seq"]),
            kind=str(value["kind"]),
            hash=str(value["hash"]),
            prev=str(value["prev"]),
            left=int(value["left"]),
            time="",
            data_text=canonical_json(value["data"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return _skip(line, before)
    return entry


def _skip(line: bytes, before: Entry | None) -> Entry | None:
    """An unreadable line still may show the hash that the next one continues; it says nothing itself."""
    claimed = _CLAIMED_HASH.search(line)
    if claimed is None or before is None:
        return None
    return replace(
        before, seq=before.seq + 1, prev=before.hash, hash=claimed[1].decode(), left=0, data_text=b""
    )
