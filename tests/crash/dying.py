"""Kills its own process at a chosen system call on a run's folder: the production code has no hooks.

The calls of `os` that change a file or make it durable, and the statements of SQLite that write, are counted;
at number `at` the process gets SIGKILL, before the call or after half of what it writes. (Just after a call
is the same state as just before the next one.) It only counts what happens below `folder`.
"""

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ON_PATHS = ("replace", "rename", "unlink", "mkdir", "rmdir", "truncate")
ON_HANDLES = ("write", "fsync", "fdatasync", "ftruncate", "fchmod")
READ_ONLY = (
    "SELECT",
    *(
        f"PRAGMA {name}"
        for name in (
            "APPLICATION_ID",
            "USER_VERSION",
            "TRUSTED_SCHEMA",
            "CELL_SIZE_CHECK",
            "MMAP_SIZE",
            "QUERY_ONLY",
        )
    ),
)


@dataclass
class Doom:
    """`at` None counts only. `log` gets a line for each counted call before it is made: its name."""

    folder: Path
    log: Path
    at: int | None = None
    first: str | None = None
    """Die at the first call of this name instead."""
    half: bool = False
    _count: int = 0
    _lock: Any = field(default_factory=threading.RLock)
    _log: int = -1
    _write: Callable[[int, bytes], int] = os.write

    def arm(self) -> None:
        """In the process that is to die, before it does anything."""
        self._log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        for name in ON_PATHS:
            setattr(os, name, self._on_path(name, getattr(os, name)))
        for name in ON_HANDLES:
            setattr(os, name, self._on_handle(name, getattr(os, name)))
        os.open = self._on_open(os.open)  # type: ignore[assignment]
        sqlite3.connect = self._on_connect(sqlite3.connect)  # type: ignore[assignment]

    def strike(self, what: str, path: str, half: Callable[[], object] | None = None) -> None:
        """Another call is about to be made on `path`."""
        if not path.startswith(f"{self.folder}"):
            return
        with self._lock:
            self._count += 1
            name = f"{what} {place_of(path[len(str(self.folder)) :])}"
            self._write(self._log, f"{name}\n".encode())
            if self._count != self.at and name != self.first:
                return
            if self.half and half is not None:
                half()
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()

    def _on_path(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            target = arguments[0] if name in {"replace", "rename"} else path
            if not isinstance(target, int) and "dir_fd" not in options:
                self.strike(name, os.path.abspath(os.fsdecode(target)))
            return real(path, *arguments, **options)

        return call

    def _on_handle(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(handle: int, *arguments: Any) -> Any:
            half = None
            if name == "write":
                half = lambda: real(handle, bytes(arguments[0])[: len(arguments[0]) // 2])  # noqa: E731
            self.strike(name, path_of(handle), half)
            return real(handle, *arguments)

        return call

    def _on_open(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & os.O_CREAT and "dir_fd" not in options:
                self.strike("open", os.path.abspath(os.fsdecode(path)))
            return real(path, flags, *arguments, **options)

        return call

    def _on_connect(self, real: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        doom = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:  # type: ignore[override]
                if not sql.lstrip().upper().startswith(READ_ONLY):
                    doom.strike("execute", f"{doom.folder}/run/calls.sqlite")
                return super().execute(sql, *arguments)

            def executescript(self, sql: str) -> sqlite3.Cursor:
                doom.strike("execute", f"{doom.folder}/run/calls.sqlite")
                return super().executescript(sql)

        def call(*arguments: Any, **options: Any) -> sqlite3.Connection:
            return real(*arguments, **{"factory": Connection, **options})

        return call


def path_of(handle: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{handle}")
    except OSError:
        return ""


def place_of(path: str) -> str:
    """Which part of a run folder a path belongs to; `path` begins with the run's name."""
    path = path.lstrip("/").partition("/")[2]
    if path.startswith("lineage.git/objects"):
        return "git object"
    if path.startswith("lineage.git/refs"):
        return "git ref"
    if path.startswith("lineage.git"):
        return "git repository"  # also the temporary files of refs
    if path.startswith("trajectories"):
        return "trajectory"
    if path.startswith("journal.jsonl.lock"):
        return "lock"
    if path.startswith("journal.jsonl"):
        return "journal"
    if path.startswith("calls.sqlite"):
        return "call record"
    return "run folder" if not path else "spec, environment or report"
