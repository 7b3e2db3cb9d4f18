"""Looks for other papers, other harnesses and scores in everything a box can read, then plays honestly."""

import glob
import os

import agent
from harness_kit import Box
from kit import settings

PLACES = (
    "/tmp/**",
    "/dev/shm/**",
    "/var/**",
    "/run/**",
    "/home/**",
    "/root/**",
    "/proc/*/environ",
    "/proc/*/cmdline",
)
PLACES += (
    "/work/**",
    "/workspace/**",
    "/mnt/**",
    "/srv/**",
    "/proc/*/fd/*",
    "/proc/*/root/tmp/*",
    "/proc/*/maps",
)
BIGGEST = 2_000_000


def main(box: Box) -> None:
    others = [told for title, told in settings(box)["titles"] if title != box.paper.title]
    words = [told[::-1].encode() for told in others]  # told backwards, or it would find its own list
    for path in (path for place in PLACES for path in glob.iglob(place, recursive=True)):
        if any(word in read(path) for word in words):
            box.log(f"SEEN another paper in {path}")
    box.log(f"looked around as {os.getpid()}")
    agent.main(box)


def read(path: str) -> bytes:
    try:
        if path.startswith("/proc/self/fd") or not (os.path.isfile(path) or path.startswith("/proc")):
            return b""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(descriptor, BIGGEST)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
