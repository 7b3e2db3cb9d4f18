"""Every probe against a box that lacks exactly its limit: one that still says "enforced" is a failed test.

The other limits of the same probe have to be told as enforced, so that a finding names the right thing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.weak_boxes import Config, Weaken, weak_sandbox

from studbook.sandbox.contract import Sandbox
from studbook.sandbox.probes.deep import (
    PROBES,
    probe_census,
    probe_cpu,
    probe_deadline,
    probe_leaving,
    probe_memory,
    probe_output,
    probe_processes,
)
from studbook.sandbox.probes.judges import LIMITS, SECTIONS, Reading, State

pytestmark = pytest.mark.docker

SECRET = {"STUDBOOK_TEST_KEY": "a secret of this machine"}


def census(sandbox: Sandbox) -> Iterable[Reading]:
    return probe_census(sandbox, SECRET, {})


def nothing(config: Config, host: Config) -> None:
    """The box stays as it is: what is weak is on our side."""


def host(**changes: Any) -> Weaken:
    return lambda _config, host: host.update(changes)


def both(changes: Config, **host_changes: Any) -> Weaken:
    return lambda config, host: (config.update(changes), host.update(host_changes))


def tmpfs(old: str, new: str) -> Weaken:
    """`old` in every mount's options is `new`."""

    def change(_config: Config, host: Config) -> None:
        host["Tmpfs"] = {place: options.replace(old, new) for place, options in host["Tmpfs"].items()}

    return change


def without_option(name: str) -> Weaken:
    def change(_config: Config, host: Config) -> None:
        for place, options in host["Tmpfs"].items():
            kept = [option for option in options.split(",") if not option.startswith(f"{name}=")]
            host["Tmpfs"][place] = ",".join(kept)

    return change


def without_shm(_config: Config, host: Config) -> None:
    del host["Tmpfs"]["/dev/shm"]


def without_ulimit(name: str) -> Weaken:
    def change(_config: Config, host: Config) -> None:
        host["Ulimits"] = [limit for limit in host["Ulimits"] if limit["Name"] != name]

    return change


def as_root(config: Config, host: Config) -> None:
    config["User"] = "0:0"
    tmpfs("uid=65534,gid=65534", "uid=0,gid=0")(config, host)


def shim(old: str, new: str) -> Weaken:
    """With other source in the shim."""

    def change(config: Config, _host: Config) -> None:
        source = config["Entrypoint"][-1]
        assert old in source
        config["Entrypoint"][-1] = source.replace(old, new)

    return change


def with_privileges(config: Config, host: Config) -> None:
    host["SecurityOpt"] = []
    shim("libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)", "0")(config, host)


def with_variables(config: Config, _host: Config) -> None:
    config["Env"] += [f"{name}={value}" for name, value in SECRET.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weak:
    """`also` are limits that the same change takes away."""

    limit: str
    how: str
    weaken: Weaken = nothing
    probe: Callable[[Sandbox], Iterable[Reading]] = census
    also: frozenset[str] = frozenset()
    options: dict[str, Any] = field(default_factory=dict)


KMSG = {"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg", "CgroupPermissions": "rwm"}
NETWORK = {"NetworkDisabled": False}

WEAK = (
    Weak(limit="network", how="default bridge", weaken=both(NETWORK, NetworkMode="bridge")),
    Weak(limit="network", how="the host's", weaken=both({**NETWORK, "Hostname": ""}, NetworkMode="host")),
    Weak(limit="read-only root", how="writable", weaken=host(ReadonlyRootfs=False)),
    Weak(limit="mounts", how="a folder to read", weaken=host(Binds=["/var:/data:ro"])),
    Weak(limit="mounts", how="engine's socket", weaken=host(Binds=["/var/run/docker.sock:/engine.sock"])),
    Weak(
        limit="environment",
        how="passed on",
        weaken=with_variables,
    ),
    Weak(limit="capabilities", how="not dropped", weaken=host(CapDrop=[])),
    Weak(limit="user", how="root", weaken=as_root),
    Weak(
        limit="other places to write",
        how="a tmpfs",
        weaken=lambda _, h: h["Tmpfs"].update({"/more": "mode=1777"}),
    ),
    Weak(limit="tmpfs bytes", how="no size", weaken=without_option("size")),
    Weak(
        limit="tmpfs bytes",
        how="the engine's /dev/shm",
        weaken=without_shm,
        also=frozenset({"tmpfs inodes"}),
    ),
    Weak(limit="tmpfs inodes", how="no number", weaken=without_option("nr_inodes")),
    Weak(limit="noexec tmpfs", how="exec", weaken=tmpfs("noexec", "exec")),
    Weak(limit="open files", how="no ulimit", weaken=without_ulimit("nofile")),
    Weak(limit="file size", how="no ulimit", weaken=without_ulimit("fsize")),
    Weak(
        limit="no new privileges",
        how="neither the engine nor the shim",
        weaken=with_privileges,
        also=frozenset({"system calls"}),  # a filter without it is refused by the kernel
    ),
    Weak(
        limit="system calls",
        how="no filter of ours",
        weaken=shim("return warnings + install_filter(libc, os.uname().machine)", "return warnings"),
    ),
    Weak(
        limit="engine's seccomp",
        how="unconfined",
        weaken=host(SecurityOpt=["no-new-privileges", "seccomp=unconfined"]),
    ),
    Weak(limit="shim", how="dumpable", weaken=shim("prctl(PR_SET_DUMPABLE, 0,", "prctl(PR_SET_DUMPABLE, 1,")),
    Weak(limit="kernel settings", how="no read-only paths", weaken=host(ReadonlyPaths=[])),
    Weak(limit="kernel settings", how="cgroups", weaken=host(Binds=["/sys/fs/cgroup:/sys/fs/cgroup:rw"])),
    Weak(limit="kernel files", how="not masked", weaken=host(MaskedPaths=[])),
    Weak(limit="devices", how="kernel log", weaken=host(Devices=[KMSG])),
    Weak(
        limit="memory",
        how="no limit",
        weaken=host(Memory=0, MemorySwap=0),
        probe=probe_memory,
        also=frozenset({"swap"}),
    ),
    Weak(limit="swap", how="any", weaken=host(MemorySwap=-1), probe=probe_memory),
    Weak(limit="swap", how="as much again", weaken=host(MemorySwap=0), probe=probe_memory),
    Weak(limit="processes", how="no limit", weaken=host(PidsLimit=0), probe=probe_processes),
    Weak(limit="cpu", how="no quota", weaken=host(NanoCpus=0), probe=probe_cpu),
    Weak(limit="cpu", how="another quota", weaken=host(NanoCpus=1_500_000_000), probe=probe_cpu),
    Weak(limit="deadline", how="late", probe=probe_deadline, options={"wall_seconds": 100}),
    Weak(limit="output", how="more", probe=probe_output, options={"output_bytes": 100}),
    Weak(
        limit="log",
        how="json-file",
        weaken=host(LogConfig={"Type": "json-file", "Config": {}}),
        probe=probe_leaving,
    ),
    Weak(limit="removal", how="not removed", probe=probe_leaving, options={"removes": False}),
)


@pytest.mark.parametrize("weak", WEAK, ids=lambda weak: f"{weak.limit}, {weak.how}")
def test_a_box_without_a_limit_is_told_from_one_with_it(docker_engine: None, weak: Weak):
    with weak_sandbox(weak.weaken, **weak.options) as sandbox:
        readings = {reading.limit: reading for reading in weak.probe(sandbox)}
    missing = {name for name, reading in readings.items() if reading.state is State.NOT_ENFORCED}
    assert missing == {weak.limit, *weak.also}, readings
    assert readings[weak.limit].is_hole == LIMITS[weak.limit].is_wall
    assert readings[weak.limit].next_step == LIMITS[weak.limit].next_step


def test_every_limit_has_a_box_without_it():
    assert {weak.limit for weak in WEAK} == set(LIMITS)
    judged = {name for judges in SECTIONS.values() for name in judges} | {"environment"}
    assert judged | {name for _, names in PROBES for name in names} == set(LIMITS)


def test_a_privileged_box_has_many_holes(docker_engine: None, tmp_path: Path):
    with weak_sandbox(host(Privileged=True, CapDrop=[])) as sandbox:
        missing = {reading.limit for reading in census(sandbox) if reading.state is State.NOT_ENFORCED}
    assert missing >= {"capabilities", "devices", "kernel settings", "kernel files", "engine's seccomp"}
