"""notices.jsonl: what varies between identical runs (retries, lost boxes, skipped files, interruptions).

For people: nothing reads it back, and no result depends on it. One JSON object per line, with the time.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

from studbook.llm.contracts import ModelNotice, NoticeKind
from studbook.populations.storage import storage_errors

Tell = Callable[[str], None]
QUIET = timedelta(minutes=1)


class NoticeLog:
    """Thread-safe. `tell` shows a notice to the user."""

    def __init__(self, path: Path, tell: Tell, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._tell = tell
        self._clock = clock
        self._lock = Lock()
        self._told: dict[str, datetime] = {}

    def add(self, kind: str, text: str) -> None:
        self._write(kind, text)
        self._tell(text)

    def quietly(self, kind: str, text: str) -> None:
        """Records a notice without showing it."""
        self._write(kind, text)

    def model(self, notice: ModelNotice) -> None:
        """Records every notice; shows retries from the third on only, because single ones are common.

        If many calls fail for the same reason, it is shown once a minute.
        """
        text = f"{notice.role} ({notice.endpoint}, {notice.model}): {notice.message}"
        self._write(notice.kind.value, text)
        if notice.kind is not NoticeKind.RETRY or notice.attempt >= 3:
            first = text.splitlines()[0]
            attempt = notice.attempt if notice.kind is NoticeKind.RETRY else ""
            if self._is_news(f"{notice.kind} {attempt} {first}"):
                self._tell(first + _next_try(notice))

    def _is_news(self, text: str) -> bool:
        now = self._clock()
        with self._lock:
            before = self._told.get(text)
            if before is not None and now - before < QUIET:
                return False
            self._told[text] = now
            return True

    def _write(self, kind: str, text: str) -> None:
        time = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"v": 1, "time": time, "kind": kind, "text": text}) + "\n"
        with (
            self._lock,
            storage_errors(self._path, "append to"),
            self._path.open("a", encoding="utf-8") as file,
        ):
            file.write(line)


def _next_try(notice: ModelNotice) -> str:
    if notice.kind is NoticeKind.RETRY:
        return f"; attempt {notice.attempt}, next in {notice.wait_seconds:.0f} s"
    if notice.kind is NoticeKind.WAITING:
        return f"; the run waits for it, next try in {notice.wait_seconds:.0f} s"
    return ""
