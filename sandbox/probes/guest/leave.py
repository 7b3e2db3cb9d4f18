"""Prints a little, and leaves a daemon and files behind. Runs in the box."""

# Importing pathlib would cost every box 10 ms.
# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import os
import sys
from typing import Any

DAEMON = "import os, sys, time; os.write(1, b'1'); os.close(1); time.sleep(30)"


def main(box: Any) -> None:
    with open(os.path.join(os.environ["TMPDIR"], "left-behind"), "w", encoding="utf-8") as file:
        file.write("left behind")
    os.write(1, b"studbook probe, printing\n" * 8)
    start_daemon(str(int(box.knobs["token"])))
    box.log("left")


def start_daemon(token: str) -> None:
    """Forked twice, in a session of its own; returns when it runs. The host finds it by its argument."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        os.waitpid(child, 0)
        os.read(read, 1)
        os.close(read)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.dup2(write, 1)
    os.execv(sys.executable, [sys.executable, "-c", DAEMON, token])
