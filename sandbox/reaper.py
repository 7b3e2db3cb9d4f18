"""Removes what a crash left behind: boxes whose owner is gone. Boxes of living owners are spared.

It is called when a run starts and by `doctor`; it never runs in the background.
"""

import json
import tempfile
import time
from pathlib import Path

from studbook.sandbox.engine import Engine
from studbook.sandbox.owner import OWNER_LABEL, is_stale
from studbook.sandbox.process_box import OWNER_FILE, PREFIX, remove_folder
from studbook.sandbox.process_tree import kill_marked


def reap_containers(engine: Engine, now: float | None = None) -> list[str]:
    """Remove stale containers; returns their ids."""
    moment = time.time() if now is None else now
    stale = [box for box, labels in engine.labelled(OWNER_LABEL).items() if is_stale(labels, moment)]
    for box in stale:
        engine.remove(box)
    return stale


def reap_processes(folder: Path | None = None, now: float | None = None) -> list[str]:
    """End stale process boxes and remove their folders; returns the folders' names."""
    moment = time.time() if now is None else now
    boxes = (folder or Path(tempfile.gettempdir())).glob(f"{PREFIX}*")
    stale = [box for box in boxes if _is_stale(box, moment)]
    for box in stale:
        kill_marked(box.name)
        remove_folder(box)
    return [box.name for box in stale]


def _is_stale(box: Path, now: float) -> bool:
    if box.is_symlink():
        return False
    try:
        labels = json.loads((box / OWNER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # somebody else's folder, or one whose note is being written
        return False
    return isinstance(labels, dict) and is_stale({str(k): str(v) for k, v in labels.items()}, now)
