"""Ends its box the hard way as soon as a round goes badly: might it count as lost, and be run again?"""

import ctypes
import os
import signal

from harness_kit import Box
from kit import play_with, settings


def main(box: Box) -> None:
    ways = settings(box)["ways"]
    die = WAYS[ways[int(box.paper.id[:4], 16) % len(ways)]]

    def measure(box: Box, example: dict, honest) -> dict:
        report = honest(box, example)
        if report["status"] != "accepted":
            die()
        return report

    play_with(box, measure)


def everybody() -> None:
    for process in (1, os.getppid(), 0, -1):
        try:
            os.kill(process, signal.SIGKILL)
        except OSError:
            continue
    os.abort()


def memory() -> None:
    hoard = []
    while True:
        hoard.append(bytearray(64 * 1024 * 1024))


def fault() -> None:
    ctypes.string_at(0)


def silence() -> None:
    """Closes every way to the outside and leaves."""
    os.closerange(0, 256)
    os._exit(125)


WAYS = {"kill everybody": everybody, "memory": memory, "fault": fault, "silence": silence}
