"""What this machine's sandboxes really enforce, found out by running a box, not by believing settings.

`doctor` shows it. Nothing is repaired here.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

from evaluate.sandbox.contract import BoxStatus, Frame, Job, Limits, Sandbox
from evaluate.sandbox.docker_box import DockerSandbox
from studbook.errors import SandboxError

PROBE = b"""
import errno, json, os, socket

def attempt(action):
    try:
        action()
        return "possible"
    except OSError as error:
        return "refused: " + os.strerror(error.errno or 0)

def vsock():
    socket.socket(40, socket.SOCK_STREAM).close()

def network():
    # any error but "no route" means that there is a network
    try:
        socket.create_connection(("192.0.2.1", 80), 1).close()
    except OSError as error:
        return "refused" if error.errno == errno.ENETUNREACH else "possible"
    return "possible"

def status(field):
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return line.split()[1]

def main(box):
    found = {
        "user": os.getuid(),
        "capabilities": status("CapEff"),
        "seccomp": status("Seccomp"),
        "no_new_privileges": status("NoNewPrivs"),
        "write_to_root": "possible" if os.access("/", os.W_OK) else "refused",
        "read_shim_memory": attempt(lambda: open("/proc/%d/mem" % os.getppid()).close()),
        "network": network(),
        "vsock": attempt(vsock),
        "python": ".".join(map(str, __import__("sys").version_info[:3])),
    }
    box.log(json.dumps(found))
"""
GOOD = {"capabilities": "0000000000000000", "seccomp": "2", "no_new_privileges": "1"}
REFUSED = ("write_to_root", "read_shim_memory", "network", "vsock")
ENGINE_LIMITS = ("MemoryLimit", "SwapLimit", "CpuCfsQuota", "PidsLimit")
EXPECTED_REPORTS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxProbe:
    """`weaknesses` are plain lines about what is not enforced here; none is what one wants."""

    seconds: float
    found: dict[str, Any]
    weaknesses: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProbe:
    version: str
    cgroup_version: str
    rootless: bool
    missing_limits: tuple[str, ...]
    image: str
    image_way: str


def probe_engine(sandbox: DockerSandbox) -> EngineProbe:
    """What the engine says of itself."""
    info = sandbox.engine.info()
    return EngineProbe(
        version=str(info.get("ServerVersion")),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        rootless="name=rootless" in (info.get("SecurityOptions") or []),
        missing_limits=tuple(name for name in ENGINE_LIMITS if not info.get(name)),
        image=sandbox.image.reference,
        image_way=sandbox.image.way,
    )


def probe_box(sandbox: Sandbox) -> BoxProbe:
    """Run one box that tries what it should not be able to do; raises SandboxError when it cannot run."""
    heard: list[str] = []

    def listen(_kind: str, body: Frame) -> Frame:
        heard.append(str(body.get("text")))
        return {}

    paper = {"id": "probe", "title": "", "text": ""}
    payload = {"paper": paper, "knobs": {}, "max_rounds": 1}
    job = Job(
        files={"probe.py": PROBE}, entry="probe.py:main", payload=payload, limits=Limits(wall_seconds=20)
    )
    began = time.monotonic()
    outcome = sandbox.run(job, listen)
    if outcome.status is not BoxStatus.FINISHED or len(heard) != EXPECTED_REPORTS:
        raise SandboxError(
            f"the probe's box ended with {outcome.status}: {outcome.detail} {outcome.stderr_tail}"
        )
    found = json.loads(heard[0])
    return BoxProbe(
        seconds=time.monotonic() - began, found=found, weaknesses=weaknesses(found), warnings=outcome.warnings
    )


def weaknesses(found: dict[str, Any]) -> tuple[str, ...]:
    """What a probe found that should have been otherwise."""
    lines = [
        f"{name} is {found.get(name)}, not {good}" for name, good in GOOD.items() if found.get(name) != good
    ]
    lines += [
        f"{name} is {found.get(name)}" for name in REFUSED if not str(found.get(name)).startswith("refused")
    ]
    if found.get("user") == 0:
        lines.append("the harness runs as root")
    return tuple(lines)
