"""The append-only journal of a run: the only truth about what happened.

`Journal` is the one writer: it holds the lock, repairs a torn tail when it opens, and makes each append
durable before it returns, in one write, at a cost that does not grow. Reading is `JournalReader`'s. What the
events mean is `Population`'s.
"""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from populations.events import Event, to_json
from populations.journal_line import GENESIS, Place, format_line
from populations.journal_reader import JournalReader
from populations.lock import WriterLock
from populations.storage import hash_part, storage_errors, sync_folder, write_all
from studbook.errors import StorageError

Clock = Callable[[], datetime]


class Journal:
    """Created if missing. `repaired_bytes` says how much of a torn tail was cut off; 0 after an orderly end.

    `clock` gives aware datetimes; they are written beside the hash, never under it. `holder` is named to a
    second writer. Raises StorageError (locked, unwritable), IntegrityError (damage, with file and line).
    Not for several threads: one loop appends.
    """

    def __init__(self, path: Path, *, clock: Clock, holder: str, start: Place | None = None) -> None:
        """`start`: a place up to which the journal has been proved otherwise."""
        self.path = path
        self._start = start
        self._clock = clock
        self._is_intact = True
        self._lock = WriterLock(path.with_name(path.name + ".lock"), holder)
        try:
            self._handle = _open_durably(path)
        except StorageError:
            self._lock.close()
            raise
        try:
            self._recover()
        except BaseException:  # closes what was opened, whatever was raised; it goes on unchanged
            self.close()
            raise

    def _recover(self) -> None:
        reader = JournalReader(self.path, self._start)
        for _ in reader:
            pass
        self._seq, self._head = (reader.last.seq + 1, reader.last.hash) if reader.last else (0, GENESIS)
        self._size = reader.whole_bytes
        known = self._start or Place(size=0, lines=0, head=GENESIS)
        self._digest = hash_part(self.path, known.size if known.digest else 0, self._size, known.digest)
        self.repaired_bytes = reader.torn_bytes
        if not reader.torn_bytes and not reader.needs_newline:
            return
        with storage_errors(self.path, "repair"):
            os.ftruncate(self._handle, self._size)
            if reader.needs_newline:
                write_all(self._handle, b"\n")
                self._size += 1
                self._digest.update(b"\n")
            os.fsync(self._handle)

    @property
    def head(self) -> str:
        """The hash of the last line, which stands for the whole journal."""
        return self._head

    @property
    def length(self) -> int:
        """How many events are in the journal."""
        return self._seq

    @property
    def place(self) -> Place:
        """Where the next append goes."""
        return Place(size=self._size, lines=self._seq, head=self._head, digest=self._digest.copy())

    def append(self, events: Sequence[Event]) -> None:
        """All of `events` or none. On StorageError the journal is as it was, and may be appended to again."""
        lines, seq, head = self._format(events)
        data = b"".join(lines)
        if not self._is_intact:
            raise StorageError(f"{self.path}: an append was interrupted.\nOpen the journal again to go on.")
        self._is_intact = False  # until the end: a KeyboardInterrupt on the way must not lead to half a chain
        with storage_errors(self.path, "append to"):
            self._write(data)
        self._seq, self._head = seq, head
        self._size += len(data)
        self._digest.update(data)
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
    with storage_errors(path, "open"):
        existed = path.exists()
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if not existed:
            sync_folder(path.parent)
    return handle
