"""calls.sqlite: every finished model call under a key of its request, so that a run can be replayed.

One SQLite file in WAL mode. `put` returns once the row is committed: it survives kill -9 of this process (a
power failure may lose the last calls, which are then paid again). A record contains the answer and the key it
belongs to, so rows cannot be exchanged. Requests are not stored, only their keys: the messages are in the
trajectories. A request that its role cannot answer has a row in `failures` instead. The cost of unusable
replies is added up in `wasted`, so that the costs of all roles are complete. Knows nothing about retries,
budgets or models of roles.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from studbook.compression import Expansion, compress, decompress
from studbook.errors import IntegrityError, RequestFailed, StorageError
from studbook.identity import canonical_json, hash_json
from studbook.json_text import read_json, typed
from studbook.llm.call_database import (
    MAX_VALUE_BYTES,
    OLD_VERSION,
    SCHEMA_VERSION,
    UPGRADE,
    CallDatabase,
    check_files,
    schema_of,
)
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

KEY_VERSION = 1
ROWS_AT_ONCE = 64


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


def unpack(key: str, data: bytes, place: str, expansion: Expansion | None = None) -> StoredCall:
    """The reply is marked `recorded`. Raises IntegrityError naming `place`, also for a different key."""
    if type(data) is not bytes:
        raise IntegrityError(f"{place} holds no bytes")
    value = read_json(decompress(data, max_bytes=MAX_VALUE_BYTES, place=place, expansion=expansion), place)
    try:
        call = StoredCall(
            key=typed(str, value["key"]),
            role=typed(str, value["role"]),
            reply=ChatReply(
                text=typed(str, value["text"]),
                usage=_usage_of(*value["usage"]),
                finish_reason=typed(str, value["finish_reason"]),
                model=typed(str, value["model"]),
                thoughts=typed(str, value.get("thoughts", "")),
                tool_calls=tuple(
                    ToolCall(name=typed(str, name), arguments=typed(str, arguments))
                    for name, arguments in value.get("tool_calls", ())
                ),
                recorded=True,
            ),
            dollars=_dollars(value["dollars"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{place} cannot be read: {error!s:.200}") from error
    if call.key != key:
        raise IntegrityError(f"{place} holds the record of another call: {str(call.key)[:16]!r}")
    return call


def _dollars(value: Any) -> float:
    amount: float = value if type(value) is int else typed(float, value)
    if not isfinite(amount):
        raise ValueError(f"{amount} dollars")
    return amount


def _usage_of(prompt: Any, completion: Any, cached: Any = 0) -> Usage:
    return Usage(
        prompt_tokens=typed(int, prompt),
        completion_tokens=typed(int, completion),
        cached_tokens=typed(int, cached),
    )


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

    def __init__(self, database: CallDatabase, place: str) -> None:
        self._database = database
        self._connection = database.connection
        self._place = place
        self._lock = Lock()
        self._totals: dict[str, Totals] | None = None  # read once, then cached: there is only one writer

    @staticmethod
    def open(path: Path) -> "CallRecords":
        """Opens for reading and writing; creates the file (not its folder) if it is missing or empty.

        Raises IntegrityError for a damaged or foreign file, StorageError if the disk fails.
        """
        check_files(path)
        database = CallDatabase(f"{path.resolve().as_uri()}?mode=rwc", str(path), path)
        return _prepared(database, str(path), writable=True)

    @staticmethod
    def read_only(path: Path) -> "CallRecords":
        """Opens for reading; also works in a read-only folder."""
        if not path.exists():
            raise StorageError(
                f"no call records at {path}\na replay needs the run's calls.sqlite; is this a run folder?"
            )
        check_files(path)
        uri = f"{path.resolve().as_uri()}?mode=ro"
        try:
            return _prepared(CallDatabase(uri, str(path), path), str(path), writable=False)
        except StorageError:
            log = path.with_name(path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            database = CallDatabase(f"{uri}&immutable=1", str(path), path)
            return _prepared(database, str(path), writable=False)

    @staticmethod
    def in_memory() -> "CallRecords":
        """Records kept in memory, for work without a run folder."""
        place = "records in memory"
        return _prepared(CallDatabase("file::memory:", place, None), place, writable=True)

    def find(self, key: str) -> ChatReply | None:
        """The recorded reply, marked `recorded`; None if there is none."""
        with self._lock, self._database.errors():
            row = self._connection.execute(
                "SELECT reply FROM calls WHERE key = ?", (bytes.fromhex(key),)
            ).fetchone()
        return None if row is None else unpack(key, row[0], self._place_of(key)).reply

    def put(self, key: str, *, role: str, reply: ChatReply, dollars: float = 0.0) -> None:
        """Commits before it returns. The first record of a key stays."""
        usage = reply.usage
        row = (bytes.fromhex(key), role, reply.model, usage.prompt_tokens, usage.completion_tokens, dollars)
        content = pack(StoredCall(key=key, role=role, reply=reply, dollars=dollars))
        with self._lock, self._database.errors(), self._database.transaction():
            done = self._connection.execute(
                "INSERT OR IGNORE INTO calls VALUES (?,?,?,?,?,?,?)", (*row, content)
            )
            if done.rowcount:  # otherwise it already existed
                self._add_cached(role, usage)
                self._count(role, Totals(calls=1, usage=usage, dollars=dollars))

    def find_failure(self, key: str) -> RequestFailed | None:
        """How the request of this key failed permanently; None if it did not."""
        with self._lock, self._database.errors():
            row = self._connection.execute(
                "SELECT kind, message FROM failures WHERE key = ?", (bytes.fromhex(key),)
            ).fetchone()
        with self._typed():
            return None if row is None else RequestFailed(typed(str, row[0]), typed(str, row[1]), key=key)

    def put_failure(self, key: str, *, role: str, failure: RequestFailed) -> None:
        """Commits before it returns. The first record of a key stays."""
        row = (bytes.fromhex(key), role, str(failure.kind), valid_text(str(failure)))
        with self._lock, self._database.errors():
            self._connection.execute("INSERT OR IGNORE INTO failures VALUES (?,?,?,?)", row)

    def failed_keys(self, *roles: str) -> tuple[str, ...]:
        """The requests of these roles that failed permanently."""
        marks = ",".join("?" * len(roles))
        query = f"SELECT key FROM failures WHERE role IN ({marks}) ORDER BY key"
        with self._lock, self._database.errors():
            return tuple(row[0].hex() for row in self._connection.execute(query, roles))

    def forget_failure(self, key: str) -> None:
        """Lets a failed request be asked again. Nothing recorded elsewhere may depend on it."""
        with self._lock, self._database.errors():
            self._connection.execute("DELETE FROM failures WHERE key = ?", (bytes.fromhex(key),))

    def failures(self) -> dict[str, dict[str, int]]:
        """Number of requests of each role that failed permanently, by kind."""
        query = "SELECT role, kind, count(*) FROM failures GROUP BY role, kind ORDER BY role, kind"
        with self._lock, self._database.errors():
            rows = self._connection.execute(query).fetchall()
        found: dict[str, dict[str, int]] = {}
        with self._typed():
            for role, kind, count in rows:
                found.setdefault(typed(str, role), {})[typed(str, kind)] = count
        return found

    def put_wasted(self, *, role: str, usage: Usage, dollars: float) -> None:
        """Adds the cost of an unusable reply."""
        row = (role, usage.prompt_tokens, usage.completion_tokens, dollars)
        with self._lock, self._database.errors(), self._database.transaction():
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
        with self._lock, self._database.errors():
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
        with self._typed():
            return {
                typed(str, role): Totals(
                    calls=n,
                    usage=_usage_of(p, c, cached.get(role, 0)),
                    dollars=typed(int, cost) / PICODOLLARS,
                )
                for role, n, p, c, cost in self._connection.execute(query)
            }

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """SQLite keeps any value in any column: one of another type is not ours."""
        try:
            yield
        except (ValueError, OverflowError) as error:
            raise IntegrityError(f"{self._place} is damaged: {error}\nmove it away and resume") from error

    def _count(self, role: str, more: Totals) -> None:
        if self._totals is not None:
            self._totals[role] = self._totals.get(role, Totals()) + more

    def stored(self) -> Iterator[StoredCall]:
        """All recorded calls in the order in which they ended. Raises IntegrityError at the first damage.

        Few are in memory at a time; other calls may be made meanwhile.
        """
        last = -1 << 63
        query = "SELECT rowid, key, reply FROM calls WHERE rowid > ? ORDER BY rowid LIMIT ?"
        while True:
            with self._lock, self._database.errors():
                rows = self._connection.execute(query, (last, ROWS_AT_ONCE)).fetchall()
            for rowid, key, reply in rows:
                if rowid <= last:
                    raise IntegrityError(f"{self._place} is damaged: its rows are out of order")
                last = rowid
                with self._typed():
                    name = typed(bytes, key).hex()
                yield unpack(name, reply, self._place_of(name))
            if len(rows) < ROWS_AT_ONCE:
                return

    def __len__(self) -> int:
        with self._lock, self._database.errors():
            return int(self._connection.execute("SELECT count(*) FROM calls").fetchone()[0])

    def verify(self) -> int:
        """Reads everything; returns the number of records. Raises IntegrityError at the first damage."""
        with self._lock, self._database.errors():
            found = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise IntegrityError(f"{self._place} is damaged: {found}")
        return sum(1 for _ in self.stored())

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


def _prepared(database: CallDatabase, place: str, *, writable: bool) -> CallRecords:
    try:
        with database.errors():
            _prepare(database, writable=writable)
    except BaseException:  # close it on any exception, then re-raise it
        database.connection.close()
        raise
    return CallRecords(database, place)


def _prepare(database: CallDatabase, *, writable: bool) -> None:
    """Nothing is changed in a file before its schema has been checked."""
    connection = database.connection
    is_new = writable and database.is_new
    version = SCHEMA_VERSION if is_new else database.check_schema()
    if not writable:
        connection.execute("PRAGMA query_only = ON")
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if is_new:
        connection.executescript(schema_of(SCHEMA_VERSION))
    elif version == OLD_VERSION:
        connection.executescript(UPGRADE)
