"""Keeps the files that boxes read in memory, so that no box leaves a note in the page cache for a later one.

The keeper is a box of our own beside the others, made by the same sandbox, in which `shim/keep.py` maps and
locks every file that a harness could read. It ends with its input, so nothing is left of it when this process
dies. What it could not hold is told as a warning. Knows neither engines nor bubblewrap: a sandbox opens it.
"""

import json
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from studbook.errors import SandboxError
from studbook.sandbox.frames import short_line
from studbook.sandbox.session import Channel
from studbook.sandbox.shim import PACKAGE, read_source

MOST_BYTES = 1 << 30
"""Files of larger images are not held: the machine may need its memory for something else."""
START_SECONDS = 60.0
REPORT_BYTES = 4096
OPENINGS = 2
"""In a row that may fail; then none is tried for AGAIN_SECONDS. One that lasts so long has not failed."""
AGAIN_SECONDS = 60.0


def keep_source() -> str:
    return read_source(PACKAGE, "keep")


class OpenKeeper(Protocol):
    """A running keeper. `close` ends it and leaves nothing behind."""

    @property
    def channel(self) -> Channel: ...
    def close(self) -> None: ...


class Keeper:
    """Opened with the first box, and again when it has ended (an engine may have restarted). Thread-safe."""

    def __init__(
        self, open_keeper: Callable[[], OpenKeeper], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_keeper, self._clock = open_keeper, clock
        self._lock = threading.Lock()
        self._open: OpenKeeper | None = None
        self._opened, self._failed = 0.0, 0  # time of the last opening, and failures up to now
        self._warning = ""

    def hold(self) -> str:
        """Make sure that the files are held; returns a warning, or "" when all are."""
        with self._lock:
            if self._open is not None and self._open.channel.receive() is not None:
                if self._clock() - self._opened >= AGAIN_SECONDS:
                    self._failed = 0
                self._fail("the keeper ended")
            if self._open is None and self._may_open():
                self._start()
            return self._warning

    def _may_open(self) -> bool:
        return self._failed < OPENINGS or self._clock() - self._opened >= AGAIN_SECONDS

    def _start(self) -> None:
        self._opened = self._clock()
        try:
            self._open = self._open_keeper()
        except SandboxError as error:  # whether a box can be had, the box itself will show
            self._fail(short_line(str(error)))
            return
        report = read_report(self._open.channel)
        if report.failure:
            self._fail(report.failure)
        else:
            self._warning = warning_of(report)

    def _fail(self, why: str) -> None:
        self._close()
        self._failed += 1
        self._warning = warning_of(Report(failure=why))

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`missed`: files that it did not hold. `failure`: why there is no report, "" for a good one."""

    files: int = 0
    missed: int = 0
    is_locked: bool = False
    failure: str = ""


def read_report(channel: Channel) -> Report:
    """What the keeper prints once it holds everything; a keeper that fails is reported, not raised."""
    data, until = b"", time.monotonic() + START_SECONDS
    while b"\n" not in data and len(data) < REPORT_BYTES:
        got = channel.receive()
        if got == b"":
            return Report(failure=short_line(data.decode("utf-8", "replace")) or "it ended without a word")
        data += got or b""
        left = until - time.monotonic()
        if got is None and (left <= 0 or not select.select([channel.fileno()], [], [], left)[0]):
            return Report(failure=f"not ready after {START_SECONDS:g} s")
    try:
        told: dict[str, Any] = json.loads(data)
        return Report(files=told["files"], missed=told["missed"], is_locked=told["locked"])
    except (ValueError, KeyError, TypeError):
        return Report(failure=short_line(data[:200].decode("utf-8", "replace")))


def warning_of(report: Report) -> str:
    """ "" for files that are held and locked."""
    consequence = "a box may find out which of them an earlier box read"
    if report.failure:
        return f"the files of the boxes are not kept in memory ({report.failure}): {consequence}"
    if report.missed:
        held = f"{report.files} of {report.files + report.missed}"
        return f"only {held} files of the boxes are kept in memory: {consequence}"
    if not report.is_locked:
        return f"the files of the boxes are not locked in memory: when memory is short, {consequence}"
    return ""
