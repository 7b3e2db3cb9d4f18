"""Tries one action in a box and reports the error. Runs in the box: standard library, Python >= 3.9."""

# Importing pathlib would cost every box 10 ms.
# ruff: noqa: PTH108, PTH118, PTH123

from __future__ import annotations

import errno
import os
from collections.abc import Callable


def error_of(action: Callable[[], object]) -> str:
    """The name of the error, such as "EROFS"; "" when the action succeeded."""
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "ERROR")
    return ""


def create_and_remove(folder: str) -> None:
    """Removes the file at once, because the box may turn out not to be isolated."""
    path = os.path.join(folder, f".studbook-probe-{os.getpid()}")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    os.unlink(path)


def read_text(path: str) -> str | None:
    """None for a file that is missing or not readable."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def read_number(path: str) -> int | None:
    text = (read_text(path) or "").strip()
    return int(text) if text.isdecimal() else None
