"""Goes on past its deadline, deaf to every signal that can be ignored. Runs in the box."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import Any

BEYOND_SECONDS = 5.0


def main(box: Any) -> None:
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    until = time.monotonic() + float(box.knobs["wall_seconds"]) + BEYOND_SECONDS
    box.log("staying")
    while time.monotonic() < until:
        time.sleep(0.02)
