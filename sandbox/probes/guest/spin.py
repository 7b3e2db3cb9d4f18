"""Several processes that spin for a while, and how much of the processor they got. Runs in the box."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from studbook.sandbox.probes.guest.attempts import read_text

SPINNERS = 4
SECONDS = 1.6
CGROUPS = "/sys/fs/cgroup"
FOLDERS_V1 = ("cpu", "cpu,cpuacct")


def main(box: Any) -> None:
    before, idle = quota_account(), idle_seconds()
    began = time.monotonic()
    children = [start_child(began + SECONDS) for _ in range(SPINNERS)]
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


def start_child(until: float) -> int:
    pid = os.fork()
    if pid == 0:
        while time.monotonic() < until:
            pass
        os._exit(0)
    return pid


def cores() -> set[int]:
    """Those that the box may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def idle_seconds() -> float | None:
    """For how long those cores had nothing to do: what spins and may run leaves them no such time."""
    rows = [row.split() for row in (read_text("/proc/stat") or "").splitlines()]
    ticks = {row[0]: int(row[4]) for row in rows if row and row[0].startswith("cpu")}
    names = [f"cpu{core}" for core in cores()]
    if any(name not in ticks for name in names):
        return None
    return sum(ticks[name] for name in names) / os.sysconf("SC_CLK_TCK")


def quota_account(root: str = CGROUPS) -> dict[str, int]:
    """Periods of the box's quota so far, and those in which it had to wait; empty where nothing tells."""
    for folder in (root, *(f"{root}/{name}" for name in FOLDERS_V1)):
        rows = [row.split() for row in (read_text(f"{folder}/cpu.stat") or "").splitlines()]
        account = {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdecimal()}
        if "nr_periods" in account:
            return account
    if read_text(f"{root}/cgroup.controllers") is not None and read_text(f"{root}/cpu.max") is None:
        return {
            "nr_periods": 0,
            "nr_throttled": 0,
        }  # version 2 without the controller: nothing can be counted
    return {}


def quota(root: str = CGROUPS) -> float | None:
    """Cores that the kernel says the box may use; None where it names no quota."""
    limit, _, period = (read_text(f"{root}/cpu.max") or "").strip().partition(" ")
    for name in FOLDERS_V1:
        if not limit:
            limit = (read_text(f"{root}/{name}/cpu.cfs_quota_us") or "").strip()
            period = (read_text(f"{root}/{name}/cpu.cfs_period_us") or "").strip()
    return int(limit) / int(period) if limit.isdecimal() and period.isdecimal() else None
