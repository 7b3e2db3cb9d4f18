"""The append-only journal of a run: the single source of truth about what happened.

    {"data":{…},"kind":"…","prev":"…","seq":n,"v":1,"hash":"…","left":k,"time":"…","check":"…"}

`hash` is the SHA-256 of the canonical JSON of data, kind, prev, seq and v, which is the text before `,"hash"`
with its brace closed: verifying needs no parsing, so a long journal opens fast. `prev` is the hash of the
previous line. `left` is the number of lines of the same append that follow: an append counts completely or
not at all. `check` is the CRC-32 of everything before it, which also detects a flipped bit in the unhashed
fields.

`Journal` is the only writer: it holds the lock, repairs a torn tail on opening, and makes each append durable
before it returns, in one write, at a constant cost. `JournalReader` verifies every line, also during a run,
and stops at the first fault. `audit_journal` reads past faults in order to report all of them; it repairs
nothing and needs no lock. `Population` interprets the events.
"""

import hashlib
import mmap
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from studbook.errors import IntegrityError, StorageError
from studbook.findings import Findings
from studbook.identity import Json, canonical_json, hash_bytes
from studbook.json_text import read_json
from studbook.populations.events import (
    SCHEMA_VERSION,
    EvaluationDoneOutline,
    Event,
    from_json,
    outline_from_json,
    to_json,
)
from studbook.populations.storage import (
    RunFolder,
    WriterLock,
    check_kind,
    open_plain,
    storage_errors,
    sync_folder,
    write_all,
)

GENESIS = "0" * 64
"""`prev` of the first line."""

MAX_LINE_BYTES = 64 * 1024 * 1024
"""The evaluation of a thousand papers takes one or two."""
MAX_BYTES = 1 << 40

_START = b'{"data":'
_TAIL_BYTES = 400
_TAIL = re.compile(
    rb',"kind":"(?P<kind>[a-z_]{1,40})","prev":"(?P<prev>[0-9a-f]{64})","seq":(?P<seq>[0-9]{1,15}),'
    rb'"v":(?P<v>[0-9]{1,9})(?P<end>,"hash":"(?P<hash>[0-9a-f]{64})","left":(?P<left>[0-9]{1,9}),'
    rb'"time":"(?P<time>[0-9T:.+Z-]{1,40})"(?P<unchecked>,"check":"(?P<check>[0-9a-f]{8})"\}))\Z'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A verified line. `event` decodes it, `outline` only as far as a population needs.

    Decoding is lazy, so reading only kinds or hashes is cheap.
    """

    seq: int
    kind: str
    hash: str
    prev: str
    left: int
    time: str
    data_text: bytes

    @property
    def data(self) -> Json:
        """The event's JSON. Raises IntegrityError."""
        with self._named():
            data: Json = read_json(self.data_text, "its data")
        return data

    @property
    def event(self) -> Event:
        """Raises IntegrityError if the line has a valid hash but does not describe an event."""
        with self._named():
            return from_json(self.kind, self.data_text)

    @property
    def outline(self) -> Event | EvaluationDoneOutline:
        """Raises IntegrityError like `event`, for the fields that it reads."""
        with self._named():
            return outline_from_json(self.kind, self.data_text)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise IntegrityError(f"journal entry {self.seq}: {error}") from error


def format_line(*, kind: str, data: Json, seq: int, prev: str, left: int, time: str) -> tuple[bytes, str]:
    """Returns the line with its newline, and its hash."""
    body = canonical_json({"data": data, "kind": kind, "prev": prev, "seq": seq, "v": SCHEMA_VERSION})
    digest = hash_bytes(body)
    line = b'%s,"hash":"%s","left":%d,"time":"%s"' % (body[:-1], digest.encode(), left, time.encode())
    return b'%s,"check":"%08x"}\n' % (line, zlib.crc32(line)), digest


def parse_line(line: bytes) -> Entry:
    """The entry of a line without its newline; raises IntegrityError saying what is wrong with it."""
    if len(line) > MAX_LINE_BYTES:
        raise IntegrityError(f"it is longer than {MAX_LINE_BYTES:,} bytes")
    found = _TAIL.search(line, max(0, len(line) - _TAIL_BYTES))
    if found is None or not line.startswith(_START):
        raise IntegrityError("it is not a journal line (cut, joined or edited)")
    if zlib.crc32(memoryview(line)[: found.start("unchecked")]) != int(found["check"], 16):
        raise IntegrityError("its checksum does not match: a byte was changed")
    if int(found["v"]) != SCHEMA_VERSION:
        raise IntegrityError(f"it has schema version {int(found['v'])}; this Studbook reads {SCHEMA_VERSION}")
    digest = hashlib.sha256(memoryview(line)[: found.start("end")])
    digest.update(b"}")
    if digest.hexdigest() != found["hash"].decode():
        raise IntegrityError("its hash does not match its content: it was edited")
    return Entry(
        seq=int(found["seq"]),
        kind=found["kind"].decode(),
        hash=found["hash"].decode(),
        prev=found["prev"].decode(),
        left=int(found["left"]),
        time=found["time"].decode(),
        data_text=line[len(_START) : found.start()],
    )


def check_follows(entry: Entry, before: Entry | None) -> None:
    """Raises IntegrityError unless `entry` continues the chain after `before` (None: it is the first)."""
    seq, prev = (before.seq + 1, before.hash) if before else (0, GENESIS)
    if entry.seq != seq:
        raise IntegrityError(f"it has number {entry.seq} instead of {seq}: lines are missing or were moved")
    if entry.prev != prev:
        raise IntegrityError("it does not continue the previous line")
    if before and before.left and entry.left != before.left - 1:
        raise IntegrityError(
            f"it announces {entry.left} more lines of its append instead of {before.left - 1}"
        )


class JournalReader:
    """Iterates over the entries of all complete appends. Attributes after an iteration:

    `last`          the last entry, or None for an empty journal
    `whole_bytes`   where the last complete append ends
    `torn_bytes`    number of bytes after it
    `needs_newline` the last append is complete except for its newline
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
        with storage_errors(self.path, "read"), open_plain(self.path, MAX_BYTES) as file:
            yield from self._appends(file)

    def events(self) -> Iterator[Event]:
        """The events of all complete appends."""
        return (entry.event for entry in self)

    def _appends(self, file: BinaryIO) -> Iterator[Entry]:
        """Yields the lines of an append only once its last line has been read."""
        held: list[Entry] = []
        position = 0
        for number, line in enumerate(_lines(file), start=1):
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
        """None for a torn line; only the last line can be torn."""
        try:
            entry = parse_line(line.removesuffix(b"\n"))
            check_follows(entry, before)
        except IntegrityError as error:
            if len(line) <= MAX_LINE_BYTES and not line.endswith(b"\n") and not lost_its_newline(line):
                return None
            raise IntegrityError(
                f"{self.path}, line {number}: {error}.\n"
                "Take the file from a backup, or keep the lines before it and resume."
            ) from error
        return entry


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """A line that is too long comes alone and is the last one: its end is not looked for."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line
        if len(line) > MAX_LINE_BYTES:
            return


def entries_with(path: Path, text: bytes) -> Iterator[Entry]:
    """The complete lines that contain `text`, each verified by itself; other lines are not parsed."""
    if not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = data.find(text)
        while found >= 0:
            start, end = data.rfind(b"\n", 0, found) + 1, data.find(b"\n", found)
            if end < 0:
                return
            yield parse_line(data[start:end])
            found = data.find(text, end)


def lost_its_newline(line: bytes) -> bool:
    """Whether a byte other than a newline follows a complete line: changed, not torn."""
    try:
        parse_line(line[:-1])
    except IntegrityError:
        return False
    return True


Clock = Callable[[], datetime]
Announce = Callable[[str], object]
"""Called with the hash of an append's last line before the append is written."""


def ignore_announcement(_: str) -> None:
    """Most readers and tests need not know an append before it is made."""


class Journal:
    """Created if missing. `repaired_bytes`: how much of a torn tail was removed; 0 after a clean end.

    `clock` gives timezone-aware datetimes, which are written but not hashed. `holder` is reported to a second
    writer. `visit` is called for every existing entry, because opening reads the file only once. `announce`
    is told of every append first, and prevents it by raising. Raises StorageError (locked, unwritable),
    IntegrityError (damage, with file and line), and what `visit` raises. Not thread-safe: one loop appends.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        holder: str,
        visit: Callable[[Entry], None] | None = None,
        announce: Announce = ignore_announcement,
    ) -> None:
        self.path = path
        self._clock = clock
        self._announce = announce
        self._is_intact = True
        self._lock = WriterLock(RunFolder(path.parent).lock, holder)
        try:
            self._handle = _open_durably(path)
        except (StorageError, IntegrityError):
            self._lock.close()
            raise
        try:
            self._recover(visit)
        except BaseException:  # close the file on any exception, then re-raise it
            self.close()
            raise

    def _recover(self, visit: Callable[[Entry], None] | None) -> None:
        reader = JournalReader(self.path)
        for entry in reader:
            if visit is not None:
                visit(entry)
        self._seq, self._head = (reader.last.seq + 1, reader.last.hash) if reader.last else (0, GENESIS)
        self._size = reader.whole_bytes
        self.repaired_bytes = reader.torn_bytes
        if not reader.torn_bytes and not reader.needs_newline:
            return
        with storage_errors(self.path, "repair"):
            os.ftruncate(self._handle, self._size)
            if reader.needs_newline:
                write_all(self._handle, b"\n")
                self._size += 1
            os.fsync(self._handle)

    @property
    def head(self) -> str:
        """The hash of the last line, which covers the whole journal."""
        return self._head

    @property
    def length(self) -> int:
        """The number of events in the journal."""
        return self._seq

    def append(self, events: Sequence[Event]) -> None:
        """Appends all of `events` or none. After a StorageError the journal is unchanged and still usable."""
        lines, seq, head = self._format(events)
        data = b"".join(lines)
        if not self._is_intact:
            raise StorageError(f"{self.path}: an append was interrupted.\nReopen the journal to continue.")
        self._announce(head)
        self._is_intact = False  # until the append is complete: a KeyboardInterrupt must not break the chain
        with storage_errors(self.path, "append to"):
            self._write(data)
        self._seq, self._head = seq, head
        self._size += len(data)
        self._is_intact = True

    def _write(self, data: bytes) -> None:
        try:
            write_all(self._handle, data)
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, self._size)
            self._is_intact = True
            raise

    def _format(self, events: Sequence[Event]) -> tuple[list[bytes], int, str]:
        seq, head = self._seq, self._head
        time = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
        lines = []
        for left, event in zip(range(len(events) - 1, -1, -1), events, strict=True):
            kind, data = to_json(event)
            line, head = format_line(kind=kind, data=data, seq=seq, prev=head, left=left, time=time)
            lines.append(line)
            seq += 1
        return lines, seq, head

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        self._lock.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open_durably(path: Path) -> int:
    check_kind(path, stat.S_ISREG)
    with storage_errors(path, "open"):
        existed = path.exists()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(path, flags, 0o644)
        if not existed:
            sync_folder(path.parent)
    return handle


_CLAIMED_HASH = re.compile(rb'"hash":"([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedLine:
    """A line whose event could be read, even if the line has faults."""

    number: int
    entry: Entry
    event: Event

    @property
    def place(self) -> str:
        return f"journal.jsonl, line {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedJournal:
    """`head`: the hash of the last valid line, which covers all lines before it. `torn_bytes`: at the end."""

    lines: tuple[AuditedLine, ...]
    head: str
    torn_bytes: int

    @property
    def last_append(self) -> int:
        """The number of `lines` before the last append."""
        at = len(self.lines)
        while at > 0 and (at == len(self.lines) or self.lines[at - 1].entry.left > 0):
            at -= 1
        return at


def audit_journal(path: Path, findings: Findings) -> AuditedJournal:
    audit = _Audit(path.name, findings)
    with open_plain(path, MAX_BYTES) as file:
        for number, line in enumerate(_lines(file), start=1):
            audit.read(line, number)
    return audit.end()


class _Audit:
    def __init__(self, name: str, findings: Findings) -> None:
        self._name = name
        self._findings = findings
        self._before: Entry | None = None
        self._is_lost = False  # the previous line was unreadable, so the order cannot be checked
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
            is_cut = len(line) <= MAX_LINE_BYTES and not line.endswith(b"\n")
            if is_cut and not lost_its_newline(line):
                return None  # only the last line can lack its newline: an append that was not finished
            self._findings.fault(place, str(error))
        guess = _understand(line, self._before) if len(line) <= MAX_LINE_BYTES else None
        self._is_lost = guess is None
        if guess is None:
            self._before, self._held_bytes = None, 0
        return guess

    def _decode(self, entry: Entry, place: str) -> Event | None:
        """None, and a fault, for a line that cannot be decoded."""
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
    """The apparent content of a line with a wrong hash; the next line continues its claimed hash."""
    try:
        value = read_json(line, "a line")
        entry = Entry(
            seq=int(value["seq"]),
            kind=str(value["kind"]),
            hash=str(value["hash"]),
            prev=str(value["prev"]),
            left=int(value["left"]),
            time="",
            data_text=canonical_json(value["data"]),
        )
    except (IntegrityError, ValueError, TypeError, KeyError):
        return _skip(line, before)
    return entry


def _skip(line: bytes, before: Entry | None) -> Entry | None:
    """An entry without content for an unreadable line; it may still show the hash that the next continues."""
    claimed = _CLAIMED_HASH.search(line)
    if claimed is None or before is None:
        return None
    return replace(
        before, seq=before.seq + 1, prev=before.hash, hash=claimed[1].decode(), left=0, data_text=b""
    )
