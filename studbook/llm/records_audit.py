"""Checks calls.sqlite for changes; never writes to it or its folder.

Every row must decode, agree with its own columns, and contain the answer that trajectories, diagnoses and
decisions refer to. A database with a leftover write-ahead log is read from a copy. The caller says which
result depends on which records.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studbook.compression import Expansion
from studbook.errors import IntegrityError, ReplayDifference, RequestFailed, StorageError
from studbook.findings import Findings
from studbook.llm.call_database import CallDatabase, check_files
from studbook.llm.contracts import (
    NAME_LENGTH,
    ChatCall,
    ChatReply,
    Evidence,
    RoleModel,
    Seal,
    evidence_of,
    seal_failure,
    split_name,
)
from studbook.llm.records import StoredCall, record_key, unpack
from studbook.scratch import scratch_folder

ROW = "SELECT key, role, model, prompt_tokens, completion_tokens, dollars, reply FROM calls"
FAILURE = "SELECT key, role, kind, message FROM failures"
SHOWN_RECORDS = 5
"""At most this many faulty records are listed per result; an exchanged database has thousands."""


@dataclass(slots=True)
class Answers:
    """The replies that a result depends on, by the names of their records; `is_whole`: there are no faults.

    `failures`: kind and message of permanently failed calls, by full key.
    """

    calls: dict[str, StoredCall] = field(default_factory=dict)
    failures: dict[str, tuple[str, str]] = field(default_factory=dict)
    is_whole: bool = False


class RecordedCalls:
    """The rows of one open database. Call `check` first, then `answers_behind` for each result.

    `expansion` limits what all records together may be when they are decompressed.
    """

    def __init__(self, database: CallDatabase, name: str, findings: Findings, expansion: Expansion) -> None:
        self._database = database
        self._connection = database.connection
        self._expansion = expansion
        self._name = name
        self._findings = findings
        self._keys: dict[str, list[bytes]] = {}
        self._used: set[bytes] = set()
        self._sound: set[bytes] = set()
        self._failures: dict[bytes, Seal] = {}
        self._told: dict[bytes, tuple[str, str]] = {}
        self._is_readable = True

    @property
    def unused(self) -> int:
        """Number of records that no result has referred to so far."""
        return len((self._sound | self._failures.keys()) - self._used)

    def place(self, key: str) -> str:
        return f"{self._name}, record {key[:NAME_LENGTH]}"

    def check(self) -> None:
        """Checks the schema, then the database, then every row individually.

        Nothing is read from a database of another schema: reading it could do anything.
        """
        try:
            with self._database.errors():
                self._is_readable = self._has_our_schema()
                if not self._is_readable:
                    return
                for (line,) in self._connection.execute("PRAGMA integrity_check(20)").fetchall():
                    if line != "ok":
                        self._findings.fault(self._name, f"the database is damaged: {line}")
            with self._database.errors():
                for row in self._database.rows(ROW):
                    self._check_row(row)
                for row in self._database.rows(FAILURE):
                    self._check_failure(row)
        except (IntegrityError, StorageError) as error:
            self._is_readable = False
            self._findings.fault(self._name, _cause(error).removeprefix(f"{self._name} "))

    def _has_our_schema(self) -> bool:
        try:
            self._database.check_schema()
        except IntegrityError as error:
            self._findings.fault(self._name, _cause(error).removeprefix(f"{self._name}: "))
            return False
        return True

    def _check_row(self, row: tuple[Any, ...]) -> None:
        self._findings.checked["call records"] += 1
        key = row[0]
        if type(key) is not bytes or len(key) != 32:
            self._findings.fault(self._name, "a record has no key of 32 bytes", found=key)
            return
        self._keys.setdefault(key.hex()[:NAME_LENGTH], []).append(key)
        call = self._unpack(row)
        if call is None:
            return
        self._sound.add(key)
        usage = call.reply.usage
        columns = {
            "role": call.role,
            "model": call.reply.model,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "dollars": call.dollars,
        }
        for (name, expected), found in zip(columns.items(), row[1:6], strict=True):
            problem = f"its column {name} is not what its content says"
            self._findings.same(self.place(key.hex()), problem, expected, found)

    def _check_failure(self, row: tuple[Any, ...]) -> None:
        self._findings.checked["failed calls"] += 1
        key = row[0]
        if type(key) is not bytes or len(key) != 32 or not all(type(text) is str for text in row[1:]):
            self._findings.fault(self._name, "a failed call has no key of 32 bytes, or no texts", found=row)
            return
        self._keys.setdefault(key.hex()[:NAME_LENGTH], []).append(key)
        self._failures[key] = seal_failure(key.hex(), *row[1:])
        self._told[key] = (row[2], row[3])

    def _unpack(self, row: tuple[Any, ...]) -> StoredCall | None:
        key, place = row[0].hex(), self.place(row[0].hex())
        try:
            return unpack(key, row[6], place, self._expansion)
        except IntegrityError as error:
            self._findings.fault(place, str(error).removeprefix(f"{place} ").partition("\n")[0])
            return None

    def answers_behind(self, evidence: Evidence, place: str) -> Answers:
        """The records that `place` depends on; a fault for each that is missing or was changed."""
        answers, lost = Answers(), 0
        seals: dict[str, Seal] = {}
        for name in dict.fromkeys(evidence.names) if self._is_readable else ():
            key, digest = split_name(name)
            candidates = self._find(key)
            sound = next((each for each in candidates if each[0].digest.startswith(digest)), None)
            if sound is None:
                lost += 1
                self._tell(key, digest, [seal for seal, _ in candidates], place, lost)
                continue
            seals[name], call = sound
            self._used.add(bytes.fromhex(seals[name].key))
            if call is not None:
                answers.calls[name] = call
            else:
                answers.failures[seals[name].key] = self._told[bytes.fromhex(seals[name].key)]
        if lost > SHOWN_RECORDS:
            problem = f"{lost} of the {lost + len(seals)} call records it refers to are missing or changed"
            self._findings.fault(place, problem)
        if self._is_readable and not lost:
            whole = evidence_of([seals[name] for name in evidence.names]).whole
            problem = "the hash over its call records is different"
            answers.is_whole = self._findings.same(place, problem, evidence.whole, whole)
        return answers

    def _tell(self, key: str, digest: str, seals: list[Seal], place: str, number: int) -> None:
        """Reports a missing or changed record; `check` has already reported unreadable ones."""
        if number > SHOWN_RECORDS or (not seals and key in self._keys):
            return
        if seals:
            problem = f"{place} refers to a different answer: the record was changed or exchanged"
            found = ", ".join(seal.digest[:NAME_LENGTH] for seal in seals)
            self._findings.fault(self.place(key), problem, expected=digest, found=found)
        else:
            self._findings.fault(self.place(key), f"it is missing, and {place} refers to it")

    def _find(self, prefix: str) -> list[tuple[Seal, StoredCall | None]]:
        """Valid records only; `check` has reported the others. A failure has no call."""
        found: list[tuple[Seal, StoredCall | None]] = []
        for key in self._keys.get(prefix, ()):
            if key in self._failures:
                found.append((self._failures[key], None))
            if key in self._sound:
                found += [(call.seal, call) for call in self._look_up(key)]
        return found

    def _look_up(self, key: bytes) -> list[StoredCall]:
        """Looks up by key, like a replay; in a damaged database the index may be wrong."""
        place = self.place(key.hex())
        try:
            with self._database.errors():
                row = self._connection.execute(f"{ROW} WHERE key = ?", (key,)).fetchone()
            return [unpack(key.hex(), row[6], place)] if row else []
        except (IntegrityError, StorageError) as error:
            self._findings.fault(place, f"the index of the database leads elsewhere: {_cause(error)}")
            return []


@contextmanager
def opened_for_audit(
    path: Path, findings: Findings, *, is_running: bool, expansion: Expansion | None = None
) -> Iterator[RecordedCalls | None]:
    """None, and a fault, if there is no readable database."""
    with ExitStack() as stack:
        calls = None
        if not os.path.lexists(path):
            findings.fault(path.name, "it is missing")
        else:
            try:
                check_files(path)
                database = stack.enter_context(_connected(path, is_running=is_running))
                calls = RecordedCalls(database, path.name, findings, expansion or Expansion())
            except (IntegrityError, StorageError) as error:
                findings.fault(path.name, f"it cannot be read as a database: {_cause(error)}")
        yield calls


@contextmanager
def _connected(path: Path, *, is_running: bool) -> Iterator[CallDatabase]:
    log = path.with_name(path.name + "-wal")
    with ExitStack() as stack:
        file = path
        if is_running:
            uri = f"{path.resolve().as_uri()}?mode=ro"
        elif log.is_file() and log.stat().st_size:
            scratch = stack.enter_context(scratch_folder("verify"))
            file = scratch / path.name
            try:
                shutil.copyfile(path, file)
                shutil.copyfile(log, scratch / log.name)
            except OSError as error:
                raise StorageError(
                    f"cannot copy it to {scratch.parent} with its log: {error.strerror}"
                ) from error
            uri = f"{file.as_uri()}?mode=rw"
        else:
            uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        database = CallDatabase(uri, path.name, file)
        stack.callback(database.connection.close)
        with database.errors():
            database.connection.execute("PRAGMA schema_version").fetchone()
        yield database


def _cause(error: Exception) -> str:
    return str(error).partition("\n")[0]


class RecordedChat:
    """Raises ReplayDifference for a call that is not among `answers`, RequestFailed for one that failed."""

    def __init__(self, roles: Mapping[str, RoleModel], answers: Answers) -> None:
        self._roles = roles
        self._replies = {call.key: call.reply for call in answers.calls.values()}
        self._failures = answers.failures

    def chat(self, call: ChatCall) -> ChatReply:
        key = record_key(call.role, self._roles[call.role].resolve(call))
        if key in self._failures:
            kind, message = self._failures[key]
            raise RequestFailed(kind, message, key=key)
        reply = self._replies.get(key)
        if reply is None:
            raise ReplayDifference(f"there is no record of this call of role {call.role}: {key}")
        return reply
