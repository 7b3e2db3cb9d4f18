"""The host while a box runs: does its memory, disk, threads and descriptors stay bounded?

Sampled by a thread of the test's own process, which is the host of its boxes.
"""

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

EVERY_SECONDS = 0.02
MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`memory_bytes` is what this process holds; `free_*` are the machine's, which others use as well."""

    memory_bytes: int
    threads: int
    descriptors: int
    free_memory_bytes: int
    free_disk_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much more than before may be in use while boxes run; times `boxes` that run at once."""

    memory_bytes: int = 192 * MIB
    threads: int = 12  # eight handlers, and what tests add
    descriptors: int = 40  # up to 25 of them connections to the engine
    machine_memory_bytes: int = 4096 * MIB  # others are at work on this machine
    disk_bytes: int = 4096 * MIB  # of the whole machine, on which other attacks fill disks at the same time
    kept_threads: int = 0
    kept_descriptors: int = 25  # the SDK keeps a connection for each of the last addresses it asked

    def times(self, boxes: int) -> "Bounds":
        return Bounds(**{item.name: boxes * getattr(self, item.name) for item in fields(self)})


NO_BOUNDS = Bounds(kept_threads=1).times(1 << 30)


def sample() -> Sample:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return Sample(
        memory_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        threads=threading.active_count(),
        descriptors=len(os.listdir("/proc/self/fd")) - 1,
        free_memory_bytes=_available(),
        free_disk_bytes=shutil.disk_usage(tempfile.gettempdir()).free,
    )


class HostWatch:
    """`excesses` says, after the watch, what was over its bound, in words."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._before = sample()
        self._samples = [self._before]
        self._over = threading.Event()

    def excesses(self) -> list[str]:
        before, bounds = self._before, self._bounds
        used = {
            "memory": (max(s.memory_bytes for s in self._samples) - before.memory_bytes, bounds.memory_bytes),
            "threads": (max(s.threads for s in self._samples) - before.threads, bounds.threads),
            "descriptors": (
                max(s.descriptors for s in self._samples) - before.descriptors,
                bounds.descriptors,
            ),
            "the machine's memory": (
                before.free_memory_bytes - min(s.free_memory_bytes for s in self._samples),
                bounds.machine_memory_bytes,
            ),
            "the machine's disk": (
                before.free_disk_bytes - min(s.free_disk_bytes for s in self._samples),
                bounds.disk_bytes,
            ),
        }
        return [
            f"{name}: {value} more, {bound} allowed" for name, (value, bound) in used.items() if value > bound
        ]

    def kept(self) -> list[str]:
        """What is still held afterwards."""
        after = self._samples[-1]
        held = {"threads": after.threads - self._before.threads}
        held["descriptors"] = after.descriptors - self._before.descriptors
        allowed = {"threads": self._bounds.kept_threads, "descriptors": self._bounds.kept_descriptors}
        return [f"{name}: {value} more than before" for name, value in held.items() if value > allowed[name]]

    def sample_until_over(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            self._samples.append(sample())

    def end(self) -> None:
        self._over.set()

    def last(self) -> None:
        self._samples.append(sample())


@contextlib.contextmanager
def watch_host(bounds: Bounds) -> Iterator[HostWatch]:
    watch = HostWatch(bounds)
    thread = threading.Thread(target=watch.sample_until_over)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()
        watch.last()


def _available() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("/proc/meminfo without MemAvailable")
