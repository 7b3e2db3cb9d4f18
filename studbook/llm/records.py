"""calls.sqlite: every finished model call under a key of its request, so that a run can be replayed.

One SQLite file in WAL mode. `put` returns once the row is committed: it survives kill -9 of this process (a
power failure may lose the last calls, which are then paid again). A record contains the answer and the key it
belongs to, so rows cannot be exchanged. Requests are not stored, only their keys: the messages are in the
trajectories. A request that its role cannot answer has a row in `failures` instead. The cost of unusable
replies is added up in `wasted`, so that the costs of all roles are complete. Knows nothing about retries,
budgets or models of roles.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType

from studbook.compression import compress, decompress
from studbook.errors import IntegrityError, RequestFailed, StorageError
from studbook.identity import canonical_json, hash_json
from studbook.llm.contracts import (
    DIGITS,
    PICODOLLARS,
    ChatReply,
    ChatRequest,
    Seal,
    ToolCall,
    Usage,
    numbers_of,
    seal_reply,
    valid_text,
)
from studbook.llm.meter import Totals

MAX_REPLY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    key: str
    role: str
    reply: ChatReply
    dollars: float

    @property
    def seal(self) -> Seal:
        return seal_reply(self.key, self.role, self.reply)


def pack(call: StoredCall) -> bytes:
    reply = call.reply
    value = {
        "key": call.key,
        "role": call.role,
        "text": reply.text,
        "usage": numbers_of(reply.usage),
        "finish_reason": reply.finish_reason,
        "model": reply.model,
        "dollars": call.dollars,
        **({"thoughts": reply.thoughts} if reply.thoughts else {}),
        **({"tool_calls": [[c.name, c.arguments] for c in reply.tool_calls]} if reply.tool_calls else {}),
    }
    return compress(canonical_json(value))


def unpack(key: str, data: bytes, place: str) -> StoredCall:
    """The reply is marked `recorded`. Raises IntegrityError naming `place`, also for a different key."""
    try:
        value = json.loads(decompress(data, max_bytes=MAX_REPLY_BYTES, place=place))
        call = StoredCall(
            key=value["key"],
            role=value["role"],
            reply=ChatReply(
                text=value["text"],
                usage=_usage_of(*value["usage"]),
                finish_reason=value["finish_reason"],
                model=value["model"],
                thoughts=value.get("thoughts", ""),
                tool_calls=tuple(ToolCall(name=n, arguments=a) for n, a in value.get("tool_calls", ())),
                recorded=True,
            ),
            dollars=value["dollars"],
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise IntegrityError(f"{place} cannot be read: {error}") from error
    if call.key != key:
        raise IntegrityError(f"{place} holds the record of another call: {str(call.key)[:16]!r}")
    return call


def _usage_of(prompt: int, completion: int, cached: int = 0) -> Usage:
    return Usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached)


SCHEMA_VERSION = 3
"""3 has the table `cached`. Files of version 2 are read as they are, and get it when they are written to."""
OLD_VERSION = 2
KEY_VERSION = 1
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

DISK_ERRORS = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
}


def record_key(role: str, request: ChatRequest) -> str:
    """The name of a call: role, model, the full request and the sample index (its seed)."""
    return hash_json(
        {
            "version": KEY_VERSION,
            "role": role,
            "model": request.model,
            "messages": [[message.role, message.content] for message in request.messages],
            "temperature": float(request.temperature),
            "max_tokens": request.max_tokens,
            "json_mode": request.json_mode,
            "seed": request.seed,
            **({"extra_body": dict(request.extra_body)} if request.extra_body else {}),
            **({"json_schema": dict(request.json_schema)} if request.json_schema is not None else {}),
            **(
                {"tools": [[t.name, t.description, dict(t.parameters)] for t in request.tools]}
                if request.tools
                else {}
            ),
        }
    )


class CallRecords:
    """Thread-safe. `CallRecords.open(path)`, or `read_only(path)` for a replay; close it, or use `with`."""

    def __init__(self, connection: sqlite3.Connection, place: str) -> None:
        self._connection = connection
        self._place = place
        self._lock = Lock()
        self._totals: dict[str, Totals] | None = None  # read once, then cached: there is only one writer

    @staticmethod
    def open(path: Path) -> "CallRecords":
        """Opens for reading and writing; creates the file (not its folder) if it is missing or empty.

        Raises IntegrityError for a damaged or foreign file, StorageError if the disk fails.
        """
        return _opened(f"{path.resolve().as_uri()}?mode=rwc", str(path), writable=True)

    @staticmethod
    def read_only(path: Path) -> "CallRecords":
        """Opens for reading; also works in a read-only folder."""
        if not path.exists():
            raise StorageError(
                f"no call records at {path}\na replay needs the run's calls.sqlite; is this a run folder?"
            )
        uri = f"{path.resolve().as_uri()}?mode=ro"
        try:
            return _opened(uri, str(path), writable=False)
        except StorageError:
            log = path.with_name(path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            return _opened(f"{uri}&immutable=1", str(path), writable=False)

    @staticmethod
    def in_memory() -> "CallRecords":
        """Records kept in memory, for work without a run folder."""
        return _opened("file::memory:", "records in memory", writable=True)

    def find(self, key: str) -> ChatReply | None:
        """The recorded reply, marked `recorded`; None if there is none."""
        with self._lock, _storage_errors(self._place):
            row = self._connection.execute(
                "SELECT reply FROM calls WHERE key = ?", (bytes.fromhex(key),)
            ).fetchone()
        return None if row is None else unpack(key, row[0], self._place_of(key)).reply

    def put(self, key: str, *, role: str, reply: ChatReply, dollars: float = 0.0) -> None:
        """Commits before it returns. The first record of a key stays."""
        usage = reply.usage
        row = (bytes.fromhex(key), role, reply.model, usage.prompt_tokens, usage.completion_tokens, dollars)
        content = pack(StoredCall(key=key, role=role, reply=reply, dollars=dollars))
        with self._lock, _storage_errors(self._place), _transaction(self._connection):
            done = self._connection.execute(
                "INSERT OR IGNORE INTO calls VALUES (?,?,?,?,?,?,?)", (*row, content)
            )
            if done.rowcount:  # otherwise it already existed
                self._add_cached(role, usage)
                self._count(role, Totals(calls=1, usage=usage, dollars=dollars))

    def find_failure(self, key: str) -> RequestFailed | None:
        """How the request of this key failed permanently; None if it did not."""
        with self._lock, _storage_errors(self._place):
            row = self._connection.execute(
                "SELECT kind, message FROM failures WHERE key = ?", (bytes.fromhex(key),)
            ).fetchone()
        return None if row is None else RequestFailed(row[0], row[1], key=key)

    def put_failure(self, key: str, *, role: str, failure: RequestFailed) -> None:
        """Commits before it returns. The first record of a key stays."""
        row = (bytes.fromhex(key), role, str(failure.kind), valid_text(str(failure)))
        with self._lock, _storage_errors(self._place):
            self._connection.execute("INSERT OR IGNORE INTO failures VALUES (?,?,?,?)", row)

    def failed_keys(self, *roles: str) -> tuple[str, ...]:
        """The requests of these roles that failed permanently."""
        marks = ",".join("?" * len(roles))
        query = f"SELECT key FROM failures WHERE role IN ({marks}) ORDER BY key"
        with self._lock, _storage_errors(self._place):
            return tuple(row[0].hex() for row in self._connection.execute(query, roles))

    def forget_failure(self, key: str) -> None:
        """Lets a failed request be asked again. Nothing recorded elsewhere may depend on it."""
        with self._lock, _storage_errors(self._place):
            self._connection.execute("DELETE FROM failures WHERE key = ?", (bytes.fromhex(key),))

    def failures(self) -> dict[str, dict[str, int]]:
        """Number of requests of each role that failed permanently, by kind."""
        query = "SELECT role, kind, count(*) FROM failures GROUP BY role, kind ORDER BY role, kind"
        with self._lock, _storage_errors(self._place):
            rows = self._connection.execute(query).fetchall()
        found: dict[str, dict[str, int]] = {}
        for role, kind, count in rows:
            found.setdefault(role, {})[kind] = count
        return found

    def put_wasted(self, *, role: str, usage: Usage, dollars: float) -> None:
        """Adds the cost of an unusable reply."""
        row = (role, usage.prompt_tokens, usage.completion_tokens, dollars)
        with self._lock, _storage_errors(self._place), _transaction(self._connection):
            self._connection.execute(
                "INSERT INTO wasted VALUES (?,?,?,?) ON CONFLICT (role) DO UPDATE SET"
                " prompt_tokens = prompt_tokens + excluded.prompt_tokens,"
                " completion_tokens = completion_tokens + excluded.completion_tokens,"
                f" dollars = round(dollars + excluded.dollars, {DIGITS})",
                row,
            )
            self._add_cached(role, usage)
            self._count(role, Totals(usage=usage, dollars=dollars))

    def _add_cached(self, role: str, usage: Usage) -> None:
        """Only for the totals: what a call cost is in its record."""
        if usage.cached_tokens:
            self._connection.execute(
                "INSERT INTO cached VALUES (?,?)"
                " ON CONFLICT (role) DO UPDATE SET tokens = tokens + excluded.tokens",
                (role, usage.cached_tokens),
            )

    def totals(self) -> dict[str, Totals]:
        """Totals per role of everything this run has paid for. `calls` are those with an answer."""
        with self._lock, _storage_errors(self._place):
            if self._totals is None:
                self._totals = self._sum_up()
            return dict(self._totals)

    def _sum_up(self) -> dict[str, Totals]:
        """Costs are added as whole picodollars: the sum is exact."""
        columns = (
            f"role, prompt_tokens, completion_tokens, cast(round(dollars * {PICODOLLARS}) AS INTEGER) AS cost"
        )
        query = (
            "SELECT role, sum(n), sum(prompt_tokens), sum(completion_tokens), sum(cost) FROM ("
            f"SELECT 1 AS n, {columns} FROM calls UNION ALL SELECT 0, {columns} FROM wasted) GROUP BY role"
        )
        has_cached = self._connection.execute("PRAGMA user_version").fetchone()[0] != OLD_VERSION
        cached = dict(self._connection.execute("SELECT role, tokens FROM cached")) if has_cached else {}
        return {
            role: Totals(calls=n, usage=_usage_of(p, c, cached.get(role, 0)), dollars=cost / PICODOLLARS)
            for role, n, p, c, cost in self._connection.execute(query)
        }

    def _count(self, role: str, more: Totals) -> None:
        if self._totals is not None:
            self._totals[role] = self._totals.get(role, Totals()) + more

    def stored(self) -> tuple[StoredCall, ...]:
        """All recorded calls in the order in which they ended. Raises IntegrityError at the first damage."""
        with self._lock, _storage_errors(self._place):
            rows = self._connection.execute("SELECT key, reply FROM calls ORDER BY rowid").fetchall()
        return tuple(unpack(key.hex(), data, self._place_of(key.hex())) for key, data in rows)

    def __len__(self) -> int:
        with self._lock, _storage_errors(self._place):
            return int(self._connection.execute("SELECT count(*) FROM calls").fetchone()[0])

    def verify(self) -> int:
        """Reads everything; returns the number of records. Raises IntegrityError at the first damage."""
        with self._lock, _storage_errors(self._place):
            found = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise IntegrityError(f"{self._place} is damaged: {found}")
        return len(self.stored())

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> "CallRecords":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _place_of(self, key: str) -> str:
        return f"record {key[:16]} of {self._place}"


def _opened(uri: str, place: str, *, writable: bool) -> CallRecords:
    with _storage_errors(place), ExitStack() as undo:
        connection = sqlite3.connect(
            uri, uri=True, timeout=30.0, isolation_level=None, check_same_thread=False
        )
        undo.callback(connection.close)
        _prepare(connection, place, writable=writable)
        undo.pop_all()
    return CallRecords(connection, place)


def _prepare(connection: sqlite3.Connection, place: str, *, writable: bool) -> None:
    if writable:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    objects = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if writable and objects == 0 and application == 0:
        connection.executescript(schema_of(SCHEMA_VERSION))
        return
    if application != APPLICATION_ID:
        raise IntegrityError(
            f"{place} is a database, but not one of Studbook's call records\nmove it away and resume"
        )
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == OLD_VERSION:
        if writable:
            connection.executescript(UPGRADE)
    elif version != SCHEMA_VERSION:
        raise IntegrityError(
            f"{place} has schema version {version}, and this Studbook reads {SCHEMA_VERSION}\n"
            "use the version of Studbook that made the run (environment.json names it)"
        )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits all of the block's statements, or none if one fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _storage_errors(place: str) -> Iterator[None]:
    """Converts sqlite3's errors to ours: the disk failed, or the file is not what we wrote."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # our bug: used after close
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
        if code in DISK_ERRORS:
            raise StorageError(
                f"cannot use {place}: {error}\nfree some space or fix the permissions, then resume the run"
            ) from error
        raise IntegrityError(
            f"{place} is damaged or no call record file: {error}\nmove it away and resume"
        ) from error
