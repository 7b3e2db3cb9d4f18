"""What a box left on the host: containers, processes, files, shared memory, volumes, networks.

Found by the owner's label and the container's id, by parentage, and by a random token that each attack puts
into everything it makes; so boxes of other test processes are never mistaken for ours.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studbook.sandbox.engine import Engine
from studbook.sandbox.owner import OWNER_LABEL, this_process
from studbook.sandbox.process_box import PREFIX, all_pids

SHARED_FOLDERS = ("/dev/shm", "/dev/mqueue", tempfile.gettempdir(), "/tmp", "/var/tmp", "/run/lock")
SETTLE_SECONDS = 2.0  # the engine and the kernel take a moment after the last word


class WatchedEngine(Engine):
    """Remembers every box it made, and what the engine said of each before it was removed."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.made: list[str] = []
        self.program: str | None = None  # instead of the shim
        self.attached: list[str] = []  # mounts and networks no box should have had

    def create(self, config: dict[str, Any]) -> tuple[str, list[str]]:
        if self.program is not None:
            config = {**config, "Entrypoint": [*config["Entrypoint"][:-1], self.program]}
        container, warnings = super().create(config)
        self.made.append(container)
        found = self._client.inspect_container(container)
        self.attached += [str(mount) for mount in found["Mounts"]]
        self.attached += [name for name in found["NetworkSettings"]["Networks"] if name != "none"]
        return container, warnings


@dataclass(slots=True)
class Leftovers:
    """Looks for what is left of boxes; each kind by name in `find`."""

    tokens: set[str]  # one for each attack
    folder: Path  # where the process sandbox keeps its boxes
    engine: WatchedEngine | None = None
    markers: set[str] = field(default_factory=set)  # of process boxes
    children_before: set[int] = field(default_factory=lambda: children_of(os.getpid()))

    def note_boxes(self) -> None:
        """Called while a box runs: what its processes carry in their environment."""
        self.markers |= {path.name for path in self.folder.glob(f"{PREFIX}*")}

    def find(self) -> dict[str, list[str]]:
        """Kind → what was found; waits a moment for what is about to go."""
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            found = self.look()
            if not found or time.monotonic() > until:
                return found
            time.sleep(0.05)

    def clean(self) -> None:
        """Remove what a weaker promise let stay."""
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for path in self._files():
            shutil.rmtree(path, ignore_errors=True) if Path(path).is_dir() else Path(path).unlink(
                missing_ok=True
            )
        for identifier in self._segments():
            ctypes.CDLL(None).shmctl(int(identifier), 0, None)

    def look(self) -> dict[str, list[str]]:
        """Kind → what is there now."""
        found = {
            "containers": self._containers(),
            "networks and volumes": list(self.engine.attached) if self.engine else [],
            "processes": [str(pid) for pid in self._processes()],
            "files": self._files(),
            "shared memory": self._segments(),
        }
        return {kind: items for kind, items in found.items() if items}

    def _containers(self) -> list[str]:
        if self.engine is None:
            return []
        labelled = self.engine.labelled(OWNER_LABEL)
        return [box for box, labels in labelled.items() if labels[OWNER_LABEL] == str(this_process())]

    def _processes(self) -> set[int]:
        """In a cgroup of one of our containers, with the token in their words, or children of ours."""
        boxes = [box.encode() for box in self.engine.made] if self.engine else []
        words = [word.encode() for word in (*self.tokens, *self.markers)]
        found = {pid for pid in all_pids() if pid != os.getpid() and _is_of(pid, boxes, words)}
        return found | (children_of(os.getpid()) - self.children_before)

    def _files(self) -> list[str]:
        found = [str(path) for path in self.folder.glob(f"{PREFIX}*")]
        for folder in dict.fromkeys(SHARED_FOLDERS):
            found += [str(path) for token in self.tokens for path in Path(folder).glob(f"*{token}*")]
        return found

    def _segments(self) -> list[str]:
        table = Path("/proc/sysvipc/shm")
        lines = table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else []
        keys = {int(token[:7], 16) for token in self.tokens}
        return [line.split()[1] for line in lines if int(line.split()[0]) in keys]


def children_of(parent: int) -> set[int]:
    """Direct children, those that ended and were not waited for included."""
    found = set()
    for task in Path(f"/proc/{parent}/task").iterdir():
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in (task / "children").read_text(encoding="ascii").split()}
    return found


def _is_of(pid: int, boxes: list[bytes], words: list[bytes]) -> bool:
    try:
        cgroup = Path(f"/proc/{pid}/cgroup").read_bytes()
        said = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    except (OSError, ValueError):
        return False
    return any(word in said for word in words) or any(box in cgroup for box in boxes)
