"""Which environment variables a box can read, its own and those of every process it sees.

Runs in the box. Only fingerprints of them leave it, never a value.
"""

# Importing pathlib would cost every box 10 ms.
# ruff: noqa: PTH112, PTH123, PTH208

from __future__ import annotations

import hashlib
import os
from typing import Any

MOST_PROCESSES = 2000


def look(_knobs: dict[str, Any]) -> dict[str, Any]:
    seen = {f"{name}={value}".encode("utf-8", "surrogateescape") for name, value in os.environ.items()}
    processes = [name for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []
    for process in processes[:MOST_PROCESSES]:
        seen.update(environment_of(process))
    return {"fingerprints": sorted(fingerprint(pair) for pair in seen if pair), "processes": len(processes)}


def environment_of(process: str) -> list[bytes]:
    try:
        with open(f"/proc/{process}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def fingerprint(pair: bytes) -> str:
    return hashlib.sha256(pair).hexdigest()[:24]
