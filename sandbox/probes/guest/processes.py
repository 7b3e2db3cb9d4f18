"""More processes than a box may have, all of them asleep. Runs in the box."""

from __future__ import annotations

import json
import os
from typing import Any

from studbook.sandbox.probes.guest.attempts import error_of


def main(box: Any) -> None:
    most = int(box.knobs["processes"]) + 40
    wait, release = os.pipe()
    children: list[int] = []
    error = ""
    while len(children) < most and not error:
        error = error_of(lambda: start_child(children, wait, release))
    os.close(release)  # all of them read the end, and end
    for child in children:
        os.waitpid(child, 0)
    box.log(json.dumps({"started": len(children), "asked": most, "error": error}))


def start_child(children: list[int], wait: int, release: int) -> None:
    child = os.fork()
    if child == 0:
        os.close(release)
        os.read(wait, 1)
        os._exit(0)
    children.append(child)
