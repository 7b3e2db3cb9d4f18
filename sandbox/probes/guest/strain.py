"""Guests that exceed one limit each (memory, processes, cpu, output, deadline) or leave a daemon behind.

They run in the box; each is an entry function of a box.
"""

# Importing pathlib would cost every box 10 ms.
# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from studbook.sandbox.probes.guest.attempts import error_of, read_number, read_text

CHILDREN = 3
MEBIBYTE = 1 << 20
PATIENCE_SECONDS = 10.0
NO_LIMIT = 1 << 60
CGROUPS = "/sys/fs/cgroup"


def memory(box: Any) -> None:
    """Uses several processes: a limit per process would stop one alone and hide a missing limit per box."""
    portion = int(box.knobs["memory_bytes"]) * 3 // 4 // MEBIBYTE
    children = dict(start_hoarder(portion) for _ in range(CHILDREN))
    most, deaths = watch(children, portion)
    for pid in children.values():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    found = {"held": most * MEBIBYTE, "deaths": deaths, "asked": CHILDREN * portion * MEBIBYTE}
    box.log(json.dumps({**found, "swap_total": swap_total(), "swap_allowed": swap_allowed()}))


def start_hoarder(portion: int) -> tuple[int, int]:
    """(pipe that receives one byte for every MiB held, process id)."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return read, pid
    try:
        hoard = []
        for _ in range(portion):
            hoard.append(b"\x01" * MEBIBYTE)  # zeros might take no memory
            os.write(write, b"1")
        time.sleep(2 * PATIENCE_SECONDS)
    finally:
        os._exit(1)


def watch(children: dict[int, int], portion: int) -> tuple[int, int]:
    """(most MiB that living children held at once, number that died before they held their portion)."""
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
    """Bytes of swap in addition to memory, as the kernel reports to the box; None where it does not."""
    both = read_number(f"{root}/memory/memory.memsw.limit_in_bytes")
    memory = read_number(f"{root}/memory/memory.limit_in_bytes")
    if both is not None and memory is not None:
        return both - memory if memory < NO_LIMIT else NO_LIMIT
    swap = f"{root}/memory.swap.max"
    return NO_LIMIT if (read_text(swap) or "").strip() == "max" else read_number(swap)


def processes(box: Any) -> None:
    most = int(box.knobs["processes"]) + 40
    wait, release = os.pipe()
    children: list[int] = []
    error = ""
    while len(children) < most and not error:
        error = error_of(lambda: start_sleeper(children, wait, release))
    os.close(release)  # all of them read end-of-file and exit
    for child in children:
        os.waitpid(child, 0)
    box.log(json.dumps({"started": len(children), "asked": most, "error": error}))


def start_sleeper(children: list[int], wait: int, release: int) -> None:
    child = os.fork()
    if child == 0:
        os.close(release)
        os.read(wait, 1)
        os._exit(0)
    children.append(child)


SPINNERS = 4
SECONDS = 1.6
FOLDERS_V1 = ("cpu", "cpu,cpuacct")


def spin(box: Any) -> None:
    before, idle = quota_account(), idle_seconds()
    began = time.monotonic()
    children = [start_spinner(began + SECONDS) for _ in range(SPINNERS)]
    for child in children:
        os.waitpid(child, 0)
    seconds = time.monotonic() - began
    used, after = os.times(), quota_account()
    found = {
        "share": (used.children_user + used.children_system) / seconds,
        "seconds": seconds,
        "cores": len(cores()),
        "periods": difference(after.get("nr_periods"), before.get("nr_periods")),
        "throttled": difference(after.get("nr_throttled"), before.get("nr_throttled")),
        "quota": quota(),
        "idle": difference(idle_seconds(), idle),
    }
    box.log(json.dumps(found))


def difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before


def start_spinner(until: float) -> int:
    pid = os.fork()
    if pid == 0:
        while time.monotonic() < until:
            pass
        os._exit(0)
    return pid


def cores() -> set[int]:
    """The cores that the box may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def idle_seconds() -> float | None:
    """How long those cores were idle: unthrottled busy processes leave no idle time."""
    rows = [row.split() for row in (read_text("/proc/stat") or "").splitlines()]
    ticks = {row[0]: int(row[4]) for row in rows if row and row[0].startswith("cpu")}
    names = [f"cpu{core}" for core in cores()]
    if any(name not in ticks for name in names):
        return None
    return sum(ticks[name] for name in names) / os.sysconf("SC_CLK_TCK")


def quota_account(root: str = CGROUPS) -> dict[str, int]:
    """Periods of the box's quota so far, and those in which it was throttled; empty if unknown."""
    for folder in (root, *(f"{root}/{name}" for name in FOLDERS_V1)):
        rows = [row.split() for row in (read_text(f"{folder}/cpu.stat") or "").splitlines()]
        account = {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdecimal()}
        if "nr_periods" in account:
            return account
    if read_text(f"{root}/cgroup.controllers") is not None and read_text(f"{root}/cpu.max") is None:
        return {
            "nr_periods": 0,
            "nr_throttled": 0,
        }  # cgroup v2 without the controller: nothing is counted
    return {}


def quota(root: str = CGROUPS) -> float | None:
    """Number of cores the box may use according to the kernel; None without a quota."""
    limit, _, period = (read_text(f"{root}/cpu.max") or "").strip().partition(" ")
    for name in FOLDERS_V1:
        if not limit:
            limit = (read_text(f"{root}/{name}/cpu.cfs_quota_us") or "").strip()
            period = (read_text(f"{root}/{name}/cpu.cfs_period_us") or "").strip()
    return int(limit) / int(period) if limit.isdecimal() and period.isdecimal() else None


BLOCK = b"studbook probe, printing too much\n" * 1024


def flood(box: Any) -> None:
    left = 4 * int(box.knobs["output_bytes"])
    while left > 0:
        left -= os.write(1, BLOCK)


BEYOND_SECONDS = 5.0


def stay(box: Any) -> None:
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    until = time.monotonic() + float(box.knobs["wall_seconds"]) + BEYOND_SECONDS
    box.log("staying")
    while time.monotonic() < until:
        time.sleep(0.02)


DAEMON = "import os, sys, time; os.write(1, b'1'); os.close(1); time.sleep(30)"


def leave(box: Any) -> None:
    with open(os.path.join(os.environ["TMPDIR"], "left-behind"), "w", encoding="utf-8") as file:
        file.write("left behind")
    os.write(1, b"studbook probe, printing\n" * 8)
    start_daemon(str(int(box.knobs["token"])))
    box.log("left")


def start_daemon(token: str) -> None:
    """Start a daemon (double fork, own session); returns when it runs. The host finds it by its argument."""
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
