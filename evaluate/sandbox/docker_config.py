"""What makes a container a box: the body of the engine's `create` request, as a pure function."""

from collections.abc import Iterable
from typing import Any

from evaluate.sandbox.bundle import shim_source
from evaluate.sandbox.contract import Limits

USER = 65534
FOLDER = "/tmp"  # inside the box, where it is a tmpfs of its own
MOUNT = "rw,noexec,nosuid,nodev,mode=0700,uid=65534,gid=65534"


def box_config(image: str, limits: Limits, labels: dict[str, str], volumes: Iterable[str]) -> dict[str, Any]:
    """`volumes` are paths the image declares: they would be writable host disk, so they are covered."""
    return {
        "Image": image,
        "Entrypoint": ["python3", "-I", "-u", "-c", shim_source()],
        "Cmd": [],
        "User": f"{USER}:{USER}",
        "Env": ["LANG=C.UTF-8"],
        "Hostname": "box",
        "WorkingDir": "/",
        "Labels": labels,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Tty": False,
        "NetworkDisabled": True,
        "Healthcheck": {"Test": ["NONE"]},
        "StopSignal": "SIGKILL",  # PID 1 does not hear another: an engine that ends or starts would wait 10 s
        "HostConfig": _host_config(limits, volumes),
    }


def _host_config(limits: Limits, volumes: Iterable[str]) -> dict[str, Any]:
    covered = dict.fromkeys(volumes, f"{MOUNT},size=4k,nr_inodes=8")
    return {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "Init": False,  # the shim is PID 1: nothing inside can kill it, and it reaps what is orphaned
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,  # memory and swap together: no swap
        "NanoCpus": int(limits.cpus * 1_000_000_000),
        "PidsLimit": limits.processes,
        "Ulimits": [
            _ulimit("nofile", limits.open_files),
            _ulimit("fsize", limits.tmpfs_bytes),
            _ulimit("core", 0),
        ],
        "Tmpfs": {
            **covered,
            FOLDER: f"{MOUNT},size={limits.tmpfs_bytes},nr_inodes={limits.tmpfs_inodes}",
            "/dev/shm": f"{MOUNT},size=1m,nr_inodes=64",
        },
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no"},
    }


def _ulimit(name: str, value: int) -> dict[str, Any]:
    return {"Name": name, "Soft": value, "Hard": value}
