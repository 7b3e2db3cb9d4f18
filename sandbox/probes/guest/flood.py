"""Prints four times what a box may say. Runs in the box."""

from __future__ import annotations

import os
from typing import Any

BLOCK = b"studbook probe, printing too much\n" * 1024


def main(box: Any) -> None:
    left = 4 * int(box.knobs["output_bytes"])
    while left > 0:
        left -= os.write(1, BLOCK)
