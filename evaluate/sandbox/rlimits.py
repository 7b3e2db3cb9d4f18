"""The kernel's limits of a process box: per process, not per box."""

import contextlib
import math
import os
import resource

from evaluate.sandbox.contract import Limits
from evaluate.sandbox.process_tree import all_pids

SPARE_PROCESSES = 256  # of the same user, which may start while the box runs


def rlimits_of(limits: Limits, user: int) -> tuple[tuple[int, int], ...]:
    """Per process. Data, not address space, bounds memory: threads reserve much that they never use."""
    values = {
        resource.RLIMIT_DATA: limits.memory_bytes,
        resource.RLIMIT_AS: 4 * limits.memory_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.tmpfs_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: math.ceil(limits.wall_seconds * max(1.0, limits.cpus)) + 5,
    }
    if user != 0:  # the kernel counts tasks by user, and never root's
        values[resource.RLIMIT_NPROC] = tasks_of(user) + limits.processes + SPARE_PROCESSES
    return tuple((number, capped(number, value)) for number, value in values.items())


def capped(number: int, value: int) -> int:
    hard = resource.getrlimit(number)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def tasks_of(user: int) -> int:
    """Threads of all this user's processes, as far as /proc tells."""
    count = 0
    for pid in all_pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if os.stat(f"/proc/{pid}").st_uid == user:  # noqa: PTH116 (no Path for every process of the machine)
                count += len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    return count
