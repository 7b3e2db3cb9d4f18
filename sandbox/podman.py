"""What Podman takes differently from Docker, over the same API: a box's configuration, rewritten. Pure.

Podman 4 refuses a tmpfs with an owner or a number of inodes, gives a read-only container writable folders of
its own, and sets limits that only a fully privileged engine may set. So a box's tmpfs has a size and no limit
on inodes, and those folders are covered. `studbook doctor --deep` says what else a Podman does not enforce.
"""

from typing import Any

REFUSED = ("uid=", "gid=", "nr_inodes=")
OWNED = "U"  # chown to the box's user, which Docker's uid= and gid= do
NO_COPY = "notmpcopyup"  # an image's files would count against the size
ADDED_FOLDERS = ("/run", "/var/tmp")
COVER = f"ro,noexec,nosuid,nodev,mode=0755,size=4k,{NO_COPY}"
TASKS_PER_PROCESS = 64
"""The kernel counts tasks per user, and all boxes are the same user; a box's own limit is its cgroup's."""


def for_podman(config: dict[str, Any]) -> dict[str, Any]:
    host = config["HostConfig"]
    folders = {path: _tmpfs(options) for path, options in host["Tmpfs"].items()}
    covers = {path: COVER for path in ADDED_FOLDERS if path not in folders}
    tasks = TASKS_PER_PROCESS * host["PidsLimit"]
    ulimits = [*host["Ulimits"], {"Name": "nproc", "Soft": tasks, "Hard": tasks}]
    return {**config, "HostConfig": {**host, "Tmpfs": {**covers, **folders}, "Ulimits": ulimits}}


def _tmpfs(options: str) -> str:
    kept = [option for option in options.split(",") if not option.startswith(REFUSED)]
    return ",".join([*kept, OWNED, NO_COPY])
