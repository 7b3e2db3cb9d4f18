"""Identifies the process that owns a box, and whether it still runs. A pid alone may be reused."""

import functools
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OWNER_LABEL = "studbook.owner"
KEEPER_LABEL = "studbook.keeper"  # the same for what is no box: `sandbox/keeper.py`
DEADLINE_LABEL = "studbook.deadline"
GRACE_SECONDS = 6 * 3600  # a box's clock is paused while a model answers, so a box may outlive its deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process. Its start time tells it from later ones with the same pid; the boot id names the machine."""

    pid: int
    start: str
    boot: str

    def __str__(self) -> str:
        return f"{self.pid}/{self.start}/{self.boot}"

    @staticmethod
    def find(text: str) -> "Owner | None":
        pid, _, rest = text.partition("/")
        start, _, boot = rest.partition("/")
        return Owner(pid=int(pid), start=start, boot=boot) if pid.isdecimal() and start and boot else None


def this_process() -> Owner:
    pid = os.getpid()
    return Owner(pid=pid, start=find_start(pid) or "unknown", boot=boot_id())


def is_stale(labels: Mapping[str, str], now: float) -> bool:
    """True when the owner is known to be gone, or is unknown and the deadline is long past."""
    owner = Owner.find(labels.get(OWNER_LABEL) or labels.get(KEEPER_LABEL, ""))
    if owner is not None and owner.boot == boot_id():
        return find_start(owner.pid) != owner.start
    deadline = labels.get(DEADLINE_LABEL, "")
    return deadline.isdecimal() and now > int(deadline)


def labels_of(owner: Owner, wall_seconds: float, now: float) -> dict[str, str]:
    return {OWNER_LABEL: str(owner), DEADLINE_LABEL: str(int(now + wall_seconds + GRACE_SECONDS))}


OWNER_FILE = "owner.json"


def write_labels(folder: Path, labels: Mapping[str, str]) -> None:
    """A note of who owns the folder. Raises OSError."""
    (folder / OWNER_FILE).write_text(json.dumps(labels), encoding="utf-8")


def labels_on(folder: Path) -> dict[str, str]:
    """The owner labels of a folder; empty if it is not ours, or its note is still being written."""
    if folder.is_symlink():
        return {}
    try:
        labels = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {}


def find_start(pid: int) -> str | None:
    """When the process started, as the system reports it; None when there is no such process."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        words = _ask("ps", "-o", "lstart=", "-p", str(pid)).split()
        return "-".join(words) or None
    try:
        return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


@functools.cache
def boot_id() -> str:
    """Identifies this boot of this machine and this pid namespace (another one has different pids)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115 (not a path)
        return f"{boot}.{namespace}"
    except FileNotFoundError:
        return _ask("sysctl", "-n", "kern.bootsessionuuid").strip() or platform.node()


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout
