"""`studbook unpack`: verifies a packed run and adds it to the runs, or refuses it and leaves nothing behind.

The file is untrusted: names, sizes, types and contents. It is unpacked into a hidden draft beside the runs,
verified there as by `studbook verify`, and renamed only if there are no faults.
"""

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from studbook.errors import IntegrityError, UsageError
from studbook.experiments.pack.packing import is_packed
from studbook.experiments.run.opening import RUN_NAME, create_run
from studbook.experiments.verifying import verify_run
from studbook.populations.storage import RunFolder, storage_errors

MAX_FILES = 2_000_000
MAX_RATIO = 200
SPARE_BYTES = 64 * 1024 * 1024
CHUNK = 1024 * 1024
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    run: str
    folder: Path
    files: int
    head: str
    notes: tuple[str, ...]


def unpack_run(file: Path, runs_dir: Path, wanted: str | None = None) -> Unpacked:
    """Raises IntegrityError for an incomplete run, UsageError for a name that is taken."""
    if not file.is_file():
        raise UsageError(f"no file at {file}\n  give a file written by `studbook pack`")
    name = wanted or read_name(file)
    told: list[Unpacked] = []

    def write(draft: RunFolder) -> None:
        with _damage(file):
            files = _extract(file, draft)
        done = verify_run(draft)
        if done.findings.faults:
            first = done.findings.faults[0]
            raise IntegrityError(
                f"{file.name} is refused: {first.place}: {first.problem} "
                f"({len(done.findings.faults)} faults in total)\n  nothing was kept; ask for the file again"
            )
        told.append(
            Unpacked(
                run=name,
                folder=runs_dir / name,
                files=files,
                head=done.head,
                notes=tuple(done.findings.notes),
            )
        )

    create_run(runs_dir, name, name, write)
    return told[0]


def read_name(file: Path) -> str:
    """The run's name in the file, from its first entry."""
    with _damage(file):
        for entry, _ in _entries(file):
            return entry.name.partition("/")[0]
    raise IntegrityError(f"{file.name} is empty")


def _extract(file: Path, draft: RunFolder) -> int:
    seen: set[str] = set()
    for entry, content in _entries(file):
        name = entry.name.partition("/")[2]
        if name in seen:
            raise _refused(file, entry.name, "it appears twice")
        seen.add(name)
        path = draft.root / name
        with storage_errors(path, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as out:
                _copy(content, out, entry.size)
    for needed in ("refs", "objects"):  # git requires them, even if empty
        (draft.lineage / needed).mkdir(parents=True, exist_ok=True)
    if "journal.jsonl" not in seen:
        raise IntegrityError(f"{file.name} contains no journal: it is not a packed run")
    return len(seen)


def _copy(content: IO[bytes], out: IO[bytes], size: int) -> None:
    left = size
    while left:
        data = content.read(min(CHUNK, left))
        if not data:
            raise EOFError("it ends in the middle of a file")
        out.write(data)
        left -= len(data)


def _entries(file: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Every entry, its name, type and size checked before its content is read."""
    limit = file.stat().st_size * MAX_RATIO + SPARE_BYTES
    with (
        file.open("rb") as raw,
        gzip.GzipFile(fileobj=raw, mode="rb") as unzipped,
        tarfile.open(fileobj=_Bounded(unzipped, limit), mode="r:") as tar,  # type: ignore[call-overload]  # has read, seek and tell, which is all tarfile needs
    ):
        yield from _checked(file, tar)
        _drain(unzipped, limit)


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    """Wraps everything that reads the file: damaged content fails only when it is read."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError, ValueError) as error:
        raise IntegrityError(
            f"{file.name} is damaged, or is not a packed run: {error}\n  ask for the file again"
        ) from error


def _drain(unzipped: gzip.GzipFile, limit: int) -> None:
    """Reads to the end, where the checksum is; only zeros may follow the last entry."""
    while data := unzipped.read(CHUNK):
        if any(data) or unzipped.tell() > limit:
            raise tarfile.ReadError("other bytes follow its last file")


def _checked(file: Path, tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    run, number = "", 0
    while (entry := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every entry
        number += 1
        top, _, name = entry.name.partition("/")
        run = run or top
        if number > MAX_FILES:
            raise _refused(file, entry.name, f"it has more than {MAX_FILES:,} files")
        if entry.type != tarfile.REGTYPE or entry.issparse() or entry.size < 0:
            raise _refused(file, entry.name, "it is not a regular file")
        if top != run or not RUN_NAME.fullmatch(top) or not is_packed(name):
            raise _refused(file, entry.name, "no file of a run has this name")
        content = tar.extractfile(entry)
        if content is None:
            raise _refused(file, entry.name, "it has no content")
        yield entry, content


def _refused(file: Path, name: str, why: str) -> IntegrityError:
    shown = CONTROL.sub("?", name)[:200]
    return IntegrityError(f"{file.name} is refused: {shown}: {why}\n  nothing was kept")


class _Bounded:
    """A stream that refuses reads beyond the size, or in larger pieces, than a packed run needs.

    tarfile reads the headers of long names in one piece, whose size the sender chooses.
    """

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= CHUNK:
            raise tarfile.ReadError("a header is too large")
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        if not 0 <= position <= self._limit:
            raise tarfile.ReadError("it would be larger than a packed run can be")
        return self._stream.seek(position)

    def tell(self) -> int:
        if self._stream.tell() > self._limit:
            raise tarfile.ReadError("it would be larger than a packed run can be")
        return self._stream.tell()
