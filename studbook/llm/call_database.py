"""Opens calls.sqlite, which somebody else may have written, so that it can do no more than hold records.

A database may define what reading it does: views without end, triggers, computed columns, virtual tables. So
its schema must be exactly Studbook's before any row is read, and connections are as closed as SQLite allows.
Pages may still refer to each other so that a small file seems to have endless rows: each operation may take
only as many steps as a file of its size can need. Between the steps Python runs, so signals are always heard.
`studbook/llm/records.py` says what the rows mean.
"""

import os
import sqlite3
import stat
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from studbook.errors import IntegrityError, StorageError
from studbook.holes import has_holes

SCHEMA_VERSION = 3
"""3 has the table `cached`. Files of version 2 are read as they are, and get it when they are written to."""
OLD_VERSION = 2
APPLICATION_ID = 0x53544442  # "STDB"

_TABLES = """
CREATE TABLE calls (
    key BLOB PRIMARY KEY, role TEXT NOT NULL, model TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, dollars REAL NOT NULL, reply BLOB NOT NULL
);
CREATE TABLE failures (key BLOB PRIMARY KEY, role TEXT NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL);
CREATE TABLE wasted (
    role TEXT PRIMARY KEY, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    dollars REAL NOT NULL
);
"""
_CACHED = """
CREATE TABLE cached (role TEXT PRIMARY KEY, tokens INTEGER NOT NULL);
"""


def schema_of(version: int) -> str:
    """Creates the tables of an empty file."""
    tables = _TABLES if version == OLD_VERSION else _TABLES + _CACHED
    return (
        f"BEGIN IMMEDIATE; {tables} PRAGMA application_id = {APPLICATION_ID};"
        f" PRAGMA user_version = {version}; COMMIT;"
    )


UPGRADE = f"BEGIN IMMEDIATE; {_CACHED} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"

MAX_VALUE_BYTES = 64 * 1024 * 1024
"""Of one value. A reply is at most as large before it is compressed."""
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES + 1024 * 1024,  # of a value or a row
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 32,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 50,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 4,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
SPARE_STEPS = 20_000_000
STEPS_PER_BYTE = 8
"""A record takes hundreds of bytes, and reading it a few dozen steps of SQLite's machine."""
SPARE_ROWS = 1_000
BYTES_PER_ROW = 64
"""A key and its place in the index take more."""
STEPS_BETWEEN = 10_000
"""Less than a millisecond."""
SUPER_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
"""Ends a rollback journal that names another file, which SQLite would delete."""
ROLLBACK_BYTES = 1 << 16
"""Records use a write-ahead log: only a crash while a file is new leaves a rollback journal."""
_ROLLBACK_HEADER = struct.Struct(">16xIII")  # pages of the database before, bytes of a sector, of a page

DISK_ERRORS = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
}


class CallDatabase:
    """An open connection whose schema is Studbook's. Not thread-safe. Use operations within `errors`.

    `place` names it in messages; `file` limits the work, and is None for a database in memory.
    """

    def __init__(self, uri: str, place: str, file: Path | None) -> None:
        """Raises IntegrityError for a file that is no database, StorageError if the disk fails."""
        self._place = place
        self._file = file
        self._left = 0
        with self.errors(), ExitStack() as undo:
            self.connection = sqlite3.connect(
                uri, uri=True, timeout=30.0, isolation_level=None, check_same_thread=False
            )
            undo.callback(self.connection.close)
            self.connection.set_progress_handler(self._step, STEPS_BETWEEN)
            _close_doors(self.connection)
            undo.pop_all()

    def check_schema(self) -> int:
        """The version of the schema. Raises IntegrityError unless it is Studbook's."""
        application = self._pragma("application_id")
        if application != APPLICATION_ID:
            raise IntegrityError(
                f"{self._place} is a database, but not one of Studbook's call records\n"
                "move it away and resume"
            )
        version = self._pragma("user_version")
        if version not in {OLD_VERSION, SCHEMA_VERSION}:
            raise IntegrityError(
                f"{self._place} has schema version {version}, and this Studbook reads {SCHEMA_VERSION}\n"
                "use the version of Studbook that made the run (environment.json names it)"
            )
        if not self.has_schema_of(version):
            raise IntegrityError(
                f"{self._place}: its tables are not those of call records, and reading them may never end\n"
                "restore it from a backup of the run"
            )
        return version

    def has_schema_of(self, version: int) -> bool:
        """Whether tables, indices, views and triggers are exactly those of this version."""
        expected = _schema_as_made(version)
        query = f"SELECT {_SCHEMA_COLUMNS} FROM sqlite_master ORDER BY type, name LIMIT {len(expected) + 1}"
        return self.connection.execute(query).fetchall() == list(expected)

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Raises IntegrityError for more rows than a file of its size can hold."""
        most = SPARE_ROWS + self._size() // BYTES_PER_ROW
        for number, row in enumerate(self.connection.execute(query)):
            if number > most:
                raise IntegrityError(
                    f"{self._place} is damaged or made to keep its reader busy: it has more rows than a file "
                    "of its size can hold\nrestore it from a backup of the run"
                )
            yield row

    @property
    def is_new(self) -> bool:
        """Whether it is empty and of nobody."""
        return not self.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] and not (
            self._pragma("application_id")
        )

    def _pragma(self, name: str) -> int:
        return int(self.connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Limits the work of the block, and converts sqlite3's errors to ours.

        The disk failed: StorageError. The file is not what we wrote, or wants too much work: IntegrityError.
        """
        self._left = self._most_steps()
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # our bug: used after close
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
            if code == sqlite3.SQLITE_INTERRUPT and self._left >= 0:
                raise KeyboardInterrupt from None  # raised by a signal in `_step`, which SQLite swallowed
            if code == sqlite3.SQLITE_INTERRUPT:
                raise IntegrityError(
                    f"{self._place} is damaged or made to keep its reader busy: reading it takes more steps "
                    "than a file of its size can need\nrestore it from a backup of the run"
                ) from error
            if code in DISK_ERRORS:
                raise StorageError(
                    f"cannot use {self._place}: {error}\n"
                    "free some space or fix the permissions, then resume the run"
                ) from error
            raise IntegrityError(
                f"{self._place} is damaged or no call record file: {error}\nmove it away and resume"
            ) from error

    def _step(self) -> int:
        self._left -= STEPS_BETWEEN
        return int(self._left < 0)

    def _most_steps(self) -> int:
        return SPARE_STEPS + STEPS_PER_BYTE * self._size()

    def _size(self) -> int:
        if self._file is None:
            return 1 << 60
        return sum(_size(self._file.with_name(self._file.name + end)) for end in ("", "-wal"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits all of the block's statements, or none if one fails."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise


def _close_doors(connection: sqlite3.Connection) -> None:
    """What a schema may do is bounded before it is read for the first time."""
    for limit, value in LIMITS.items():
        connection.setlimit(limit, value)
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
        connection.execute(f"PRAGMA {pragma}")
    if hasattr(connection, "setconfig"):  # since Python 3.12
        connection.setconfig(getattr(sqlite3, "SQLITE_DBCONFIG_DEFENSIVE"))  # noqa: B009 - unknown to 3.11
        for option in ("TRIGGER", "VIEW", "LOAD_EXTENSION"):
            connection.setconfig(getattr(sqlite3, f"SQLITE_DBCONFIG_ENABLE_{option}"), False)


def check_files(path: Path) -> None:
    """Raises IntegrityError for files beside `path` that SQLite would follow or obey; for links and holes."""
    for end in ("", "-wal", "-shm", "-journal"):
        file = path.with_name(path.name + end)
        try:
            mode = file.lstat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise IntegrityError(f"{file} is not a plain file\nremove it, then resume the run")
        if has_holes(file):
            raise IntegrityError(
                f"{file} is mostly holes: it claims a size that it does not have, to keep its reader busy\n"
                "restore it from a backup of the run"
            )
        if end == "-journal" and (what := _planted(file)):
            raise IntegrityError(f"{file} would make SQLite {what}: Studbook did not write it\nremove it")


def _planted(rollback: Path) -> str | None:
    """What SQLite would do with a rollback journal that is none of ours."""
    with rollback.open("rb") as content:
        header = content.read(_ROLLBACK_HEADER.size)
        size_bytes = content.seek(0, os.SEEK_END)
        content.seek(max(0, size_bytes - len(SUPER_JOURNAL)))
        if content.read() == SUPER_JOURNAL:
            return "delete another file"
    if len(header) < _ROLLBACK_HEADER.size:
        return None
    pages, _, page_bytes = _ROLLBACK_HEADER.unpack(header)
    if max(size_bytes, pages * page_bytes) > ROLLBACK_BYTES:
        return "write a database of another size"
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


_SCHEMA_COLUMNS = "type, name, tbl_name, sql"


@cache
def _schema_as_made(version: int) -> tuple[tuple[Any, ...], ...]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(schema_of(version))
        rows = connection.execute(f"SELECT {_SCHEMA_COLUMNS} FROM sqlite_master ORDER BY type, name")
        return tuple(rows.fetchall())
    finally:
        connection.close()
