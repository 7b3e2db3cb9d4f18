"""Reads the files in a packed run: a gzipped tar of plain files, in the one form that `pack` writes.

The sender chose every byte. So the headers are read here, one by one, instead of by `tarfile`, which follows
the extensions of other formats and keeps what it has seen. How much a file may expand to, and how many files
it may hold, depends on its own size, so that a small file cannot fill a disk. Which names a run has is
decided by the caller.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import IntegrityError

BLOCK = 512
CHUNK = 1024 * 1024
MAX_RATIO = 32
SPARE_BYTES = 16 * 1024 * 1024
"""Packed runs expand to 1.2 to 3 times their size; small files cost most."""
BYTES_PER_FILE = 64
SPARE_FILES = 1_000
MAX_NAME = 400


@dataclass(frozen=True, slots=True)
class Member:
    """A plain file in the archive. `chunks` gives its content once, in pieces, before the next member."""

    name: str
    size: int
    chunks: Iterator[bytes]


def read_members(file: Path) -> Iterator[Member]:
    """All files in order. Raises IntegrityError for a damaged file and for anything `pack` does not write."""
    with _damage(file), file.open("rb") as raw, gzip.GzipFile(fileobj=raw, mode="rb") as unzipped:
        packed_bytes = file.stat().st_size
        stream = _Stream(unzipped, SPARE_BYTES + MAX_RATIO * packed_bytes)
        most_files = SPARE_FILES + packed_bytes // BYTES_PER_FILE
        for number, (name, header) in enumerate(_headers(stream), start=1):
            if number > most_files:
                raise refused(file, name, f"it has more than {most_files:,} files, too many for its size")
            if header.type != tarfile.REGTYPE or header.size < 0:
                raise refused(file, name, "it is not a regular file")
            content = _guarded(file, stream.content(header.size))
            yield Member(name, header.size, content)
            for _ in content:  # what the caller left
                pass


def _guarded(file: Path, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Damage appears while the caller reads, outside of the generator of members."""
    with _damage(file):
        yield from chunks


def refused(file: Path, name: str, why: str) -> IntegrityError:
    return IntegrityError(f"{file.name} is refused: {name[:200]!a}: {why}\n  nothing was kept")


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    """Damaged content fails only when it is read."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError, ValueError) as error:
        raise IntegrityError(
            f"{file.name} is damaged, or is not a packed run: {error}\n  ask for the file again"
        ) from error


def _headers(stream: "_Stream") -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Names longer than a header come in a member of their own before it."""
    long_name = ""
    while any(block := stream.exactly(BLOCK)):
        header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        if header.type != tarfile.GNUTYPE_LONGNAME:
            yield long_name or header.name, header
            long_name = ""
            continue
        if long_name or not 0 < header.size <= MAX_NAME:
            raise tarfile.ReadError("a header is too large")
        long_name = b"".join(stream.content(header.size)).rstrip(b"\0").decode("utf-8")
    stream.end()


class _Stream:
    """The unzipped bytes, up to a limit."""

    def __init__(self, unzipped: gzip.GzipFile, limit: int) -> None:
        self._unzipped = unzipped
        self._left = limit

    def _read(self, size: int) -> bytes:
        data = self._unzipped.read(min(size, CHUNK))
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError("it would be larger than a packed run can be")
        return data

    def exactly(self, size: int) -> bytes:
        """At most a few blocks."""
        found = b""
        while len(found) < size:
            data = self._read(size - len(found))
            if not data:
                raise EOFError("it ends in the middle of a file")
            found += data
        return found

    def content(self, size: int) -> Iterator[bytes]:
        """So many bytes, and then the rest of their last block."""
        if size > self._left:
            raise tarfile.ReadError("it would be larger than a packed run can be")
        left = size
        while left:
            data = self._read(left)
            if not data:
                raise EOFError("it ends in the middle of a file")
            left -= len(data)
            yield data
        self.exactly(-size % BLOCK)

    def end(self) -> None:
        """Reads to the end, where the checksum is; only zeros may follow the last file."""
        while data := self._read(CHUNK):
            if any(data):
                raise tarfile.ReadError("other bytes follow its last file")
