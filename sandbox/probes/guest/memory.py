"""Three children that together hold more memory than the box may have. Runs in the box."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from typing import Any

from studbook.sandbox.probes.guest.attempts import read_number, read_text

CHILDREN = 3
MEBIBYTE = 1 << 20
PATIENCE_SECONDS = 10.0
NO_LIMIT = 1 << 60
CGROUPS = "/sys/fs/cgroup"


def main(box: Any) -> None:
    """One process alone would be stopped by a limit on processes, which says nothing of a limit on boxes."""
    portion = int(box.knobs["memory_bytes"]) * 3 // 4 // MEBIBYTE
    children = dict(start_child(portion) for _ in range(CHILDREN))
    most, deaths = watch(children, portion)
    for pid in children.values():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    found = {"held": most * MEBIBYTE, "deaths": deaths, "asked": CHILDREN * portion * MEBIBYTE}
    box.log(json.dumps({**found, "swap_total": swap_total(), "swap_allowed": swap_allowed()}))


def start_child(portion: int) -> tuple[int, int]:
    """(pipe that gets one byte for every MiB held, process id)."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return read, pid
    try:
        hoard = []
        for _ in range(portion):
            hoard.append(b"\x01" * MEBIBYTE)  # zeros would take no memory
            os.write(write, b"1")
        time.sleep(2 * PATIENCE_SECONDS)
    finally:
        os._exit(1)


def watch(children: dict[int, int], portion: int) -> tuple[int, int]:
    """(most MiB that living children held at once, how many died before they had their portion)."""
    held = dict.fromkeys(children, 0)
    living = set(children)
    most = 0
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and any(held[pipe] < portion for pipe in living):
        for pipe in select.select(list(living), [], [], 0.2)[0]:
            news = len(os.read(pipe, 4096))
            held[pipe] += news
            if not news:
                living.discard(pipe)
        most = max(most, sum(held[pipe] for pipe in living))
    return most, len(children) - len(living)


def swap_total() -> int:
    for row in (read_text("/proc/meminfo") or "").splitlines():
        if row.startswith("SwapTotal:"):
            return int(row.split()[1]) * 1024
    return 0


def swap_allowed(root: str = CGROUPS) -> int | None:
    """Bytes beside the memory, as the kernel tells the box; None where it does not."""
    both = read_number(f"{root}/memory/memory.memsw.limit_in_bytes")
    memory = read_number(f"{root}/memory/memory.limit_in_bytes")
    if both is not None and memory is not None:
        return both - memory if memory < NO_LIMIT else NO_LIMIT
    swap = f"{root}/memory.swap.max"
    return NO_LIMIT if (read_text(swap) or "").strip() == "max" else read_number(swap)
