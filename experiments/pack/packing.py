"""`studbook pack`: packs a run into one file without keys; the same run always gives the same bytes.

A gzipped tar of the files that `studbook verify` knows: sorted names, no times, no owners. A run that is
being written is refused, and so is one that does not verify, because `unpack` would refuse it. A torn last
append and the write-ahead log are resolved in the copy; the run itself is never changed. A run that contains
a key is refused, because masking the key would break the hashes. `is_packed` decides which names a packed run
may contain: other files (git hooks, locks, links) are left out here and refused by `unpack`.
"""

import fcntl
import gzip
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import IntegrityError, StorageError
from studbook.experiments.outputs import Output
from studbook.experiments.pack.secret_scan import SecretScan
from studbook.experiments.run.stopping import STOP_FILE
from studbook.experiments.verifying import Verified, verify_run
from studbook.llm.call_database import CallDatabase
from studbook.populations.journal import JournalReader
from studbook.populations.storage import LOCK, RunFolder, storage_errors, write_all
from studbook.scratch import scratch_folder

TOP = frozenset(
    {
        "spec.resolved.yaml",
        "environment.json",
        "journal.jsonl",
        "calls.sqlite",
        "notices.jsonl",
        "report.html",
    }
)
TRAJECTORY = re.compile(r"trajectories/[0-9a-f]{2}/[0-9a-f]{64}\.(?:json\.zst|redraws)\Z")
LINEAGE = re.compile(
    r"lineage\.git/(?:HEAD|config|packed-refs|refs/(?:heads|mutants)/[a-z0-9]{1,40}"
    r"|objects/[0-9a-f]{2}/[0-9a-f]{38}|objects/pack/pack-[0-9a-f]{40}\.(?:pack|idx|rev))\Z"
)


def is_packed(name: str) -> bool:
    """`name` is relative to the run folder, with slashes."""
    return name in TOP or bool(TRAJECTORY.match(name) or LINEAGE.match(name))


MAX_DEPTH = 8
"""No packed file is deeper."""
SUFFIX = ".studbook.tar.gz"
LEVEL = 6
PASSING = frozenset(
    {
        LOCK,
        "calls.sqlite-wal",
        "calls.sqlite-shm",
        "population.jsonl",
        "provenance",
        STOP_FILE,
    }
)
"""Files of this user, machine or moment, or derived (`population.jsonl`: by an older Studbook).

The write-ahead log is merged into the database.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """`left_out`: files in the folder that are not part of a run."""

    run: str
    file: Path
    size_bytes: int
    files: int
    head: str
    left_out: tuple[str, ...]


def pack_run(folder: RunFolder, out: Output, scan: SecretScan) -> Packed:
    """Raises StorageError for a run being written, IntegrityError for one that does not verify."""
    with _kept_still(folder), scratch_folder("pack") as scratch:
        head = _check(verify_run(folder))
        names, left_out = list_files(folder)
        sources = {name: folder.root / name for name in names} | _settled(folder, names, scratch)
        scan.check(folder, sources)
        size = _write(out, folder.name, sources)
    return Packed(
        run=folder.name,
        file=out.named,
        size_bytes=size,
        files=len(sources),
        head=head,
        left_out=tuple(left_out),
    )


@contextmanager
def _kept_still(folder: RunFolder) -> Iterator[None]:
    """Keeps writers out during the block. A shared lock needs no write permission."""
    lock = folder.lock
    if not lock.exists():
        yield
        return
    with storage_errors(lock, "read"), lock.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"run {folder.name} is being written, so a packed copy would be incomplete\n"
                f"  wait until it ends, or stop it: studbook stop {folder.name}"
            ) from None
        yield


def _check(done: Verified) -> str:
    if done.findings.faults:
        first = done.findings.faults[0]
        raise IntegrityError(
            f"run {done.run} was changed or damaged: {first.place}: {first.problem}\n"
            f"  list all faults: studbook verify {done.run}"
        )
    return done.head


def list_files(folder: RunFolder) -> tuple[list[str], list[str]]:
    """Sorted names of the files to pack, and of those left out; links are not followed."""
    packed: list[str] = []
    left_out: list[str] = []
    waiting = [folder.root]
    while waiting:  # no recursion: somebody else may have nested folders without end
        for entry in os.scandir(waiting.pop()):
            path = Path(entry.path)
            name = path.relative_to(folder.root).as_posix()
            if entry.is_dir(follow_symlinks=False):
                waiting += [path] if name.count("/") < MAX_DEPTH else []
            elif is_packed(name) and entry.is_file(follow_symlinks=False):
                packed.append(name)
            elif name not in PASSING:
                left_out.append(name)
    return sorted(packed), sorted(left_out)


def _settled(folder: RunFolder, names: list[str], scratch: Path) -> dict[str, Path]:
    """Copies of files that cannot be packed as they are: the journal's complete appends, the database."""
    found: dict[str, Path] = {}
    reader = JournalReader(folder.journal)
    for _ in reader:
        pass
    if reader.torn_bytes or reader.needs_newline:
        found[folder.journal.name] = scratch / folder.journal.name
        whole = folder.journal.read_bytes()[: reader.whole_bytes]
        found[folder.journal.name].write_bytes(whole if whole.endswith(b"\n") else whole + b"\n")
    if folder.calls.name in names:
        found[folder.calls.name] = _settled_calls(folder, scratch)
    return found


def _settled_calls(folder: RunFolder, scratch: Path) -> Path:
    """`verify_run` has read it before, so its schema is known."""
    copy = scratch / folder.calls.name
    shutil.copyfile(folder.calls, copy)
    log = folder.calls.with_name(folder.calls.name + "-wal")
    if log.exists() and log.stat().st_size:
        shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
        database = CallDatabase(copy.as_uri(), folder.calls.name, copy)
        try:
            with database.errors():
                database.check_schema()
                database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            database.connection.close()
    return copy


class _Counted:
    """A descriptor as a file that gzip writes to; counts the bytes."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.size_bytes = 0

    def write(self, data: bytes) -> int:
        write_all(self._handle, data)
        self.size_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def _write(out: Output, run: str, sources: dict[str, Path]) -> int:
    """The number of bytes written. A file is written as a whole or not at all."""
    with out.writing() as handle:
        counted = _Counted(handle)
        with gzip.GzipFile(filename="", fileobj=counted, mode="wb", compresslevel=LEVEL, mtime=0) as packed:
            _write_tar(packed, run, sources)
    return counted.size_bytes


def _write_tar(out: gzip.GzipFile, run: str, sources: dict[str, Path]) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(sources):
            entry = tarfile.TarInfo(f"{run}/{name}")
            data = sources[name]
            entry.size, entry.mode, entry.mtime = data.stat().st_size, 0o644, 0
            with data.open("rb") as content:
                tar.addfile(entry, content)
