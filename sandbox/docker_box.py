"""Boxes as containers: one fresh container per job, with nothing mounted and no network.

`box_config` defines the box: the body of the engine's `create` request, as a pure function. `missing_limits`
lists the limits that the engine itself reports it cannot enforce; this is cheap enough for every start of a
run. `probes/` tests what the engine really enforces, which takes longer. `session.py` talks to the box, and
`image.py` chooses its image.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from studbook.errors import BoxRefused, SandboxError
from studbook.sandbox.contract import BoxStatus, Handler, Job, Limits, Outcome
from studbook.sandbox.engine import DockerChannel, Engine, EngineFault, refusal
from studbook.sandbox.frames import printable
from studbook.sandbox.heartbeat import Heartbeat
from studbook.sandbox.image import Image, choose_image
from studbook.sandbox.keeper import MOST_BYTES, Keeper, keep_source
from studbook.sandbox.owner import (
    DEADLINE_LABEL,
    KEEPER_LABEL,
    OWNER_LABEL,
    is_stale,
    labels_of,
    this_process,
)
from studbook.sandbox.podman import for_podman
from studbook.sandbox.session import (
    Ended,
    Place,
    Session,
    SessionEnd,
    job_lines,
    refuse_after_standstill,
)
from studbook.sandbox.shim import shim_hash, shim_source

KINDS = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "cpu", "SwapLimit": "swap"}
WALLS = ("memory", "processes")
"""Without these limits one box can exhaust the whole machine, so it does not isolate untrusted code."""


def missing_limits(info: Mapping[str, Any]) -> tuple[str, ...]:
    """A limit that the engine does not report counts as missing.

    A rootless engine cannot limit anything with cgroup v1, although Podman reports that it can.
    """
    is_rootless = any("rootless" in str(option) for option in info.get("SecurityOptions") or [])
    if is_rootless and str(info.get("CgroupVersion", "1")) == "1":
        return tuple(KINDS.values())
    return tuple(word for key, word in KINDS.items() if not info.get(key))


def missing_walls(info: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(word for word in missing_limits(info) if word in WALLS)


def shares_lookups(info: Mapping[str, Any]) -> bool:
    """Does a box find out which names an earlier one looked up? Overlays on a disk share a cache of names."""
    status = {str(row[0]): row[1] for row in info.get("DriverStatus") or [] if len(row) == 2}
    return info.get("Driver") != "vfs" and status.get("Backing Filesystem") not in {"tmpfs", "ramfs"}


def acceptable(config: dict[str, Any], missing: tuple[str, ...]) -> dict[str, Any]:
    """Drop the one limit for which engines refuse the whole box instead of giving a warning."""
    if "cpu" not in missing:
        return config
    host = {name: value for name, value in config["HostConfig"].items() if name != "NanoCpus"}
    return {**config, "HostConfig": host}


GVISOR_TASKS = 128  # threads of gVisor's own, which count as the box's


def with_runtime(config: dict[str, Any], runtime: str) -> dict[str, Any]:
    host = {**config["HostConfig"], "Runtime": runtime}
    if "runsc" in runtime or "gvisor" in runtime.lower():
        host["PidsLimit"] += GVISOR_TASKS
    return {**config, "HostConfig": host}


USER = 65534
FOLDER = "/tmp"  # inside the box, on its own tmpfs
MOUNT = "rw,noexec,nosuid,nodev,mode=0700,uid=65534,gid=65534"


def box_config(image: str, limits: Limits, labels: dict[str, str], volumes: Iterable[str]) -> dict[str, Any]:
    """`volumes` are paths the image declares; they would be writable host disk, so a tmpfs covers each."""
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
        "StopSignal": "SIGKILL",  # PID 1 ignores other signals: a stopping engine would wait 10 s
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
        "Init": False,  # the shim is PID 1: nothing inside can kill it, and it reaps orphans
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


FAULTS, FAULT_SECONDS = 3, 5.0  # failures that are a refusal, and the time from the first to the last
NUMBERS = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*")  # ids, among others
KEEPER_LIMITS = Limits(memory_bytes=MOST_BYTES + (256 << 20), processes=16, tmpfs_bytes=4096, tmpfs_inodes=8)
KEEPER_SECONDS = 24 * 3600.0  # after which another machine's reaper may end it; it is then opened again


def keeper_config(
    image: str, labels: dict[str, str], volumes: Iterable[str], *, may_lock: bool
) -> dict[str, Any]:
    """A container like a box, with a program of ours that has no right but to lock memory, if that."""
    config = box_config(image, KEEPER_LIMITS, labels, volumes)
    config["Entrypoint"] = ["python3", "-I", "-u", "-c", keep_source(), str(MOST_BYTES)]
    if may_lock:
        config["User"] = "0:0"  # another user would not get the capability
        config["HostConfig"]["CapAdd"] = ["IPC_LOCK"]
    return config


@dataclass(frozen=True, slots=True)
class ContainerKeeper:
    """The keeper's container, and the connection on which it lives."""

    engine: Engine
    container: str
    channel: DockerChannel

    def close(self) -> None:
        self.channel.close()
        self.engine.discard(self.container)


OOM_SECONDS = 0.5  # the engine reports an out-of-memory kill slightly after it happens
LATE_SECONDS = 3.0  # the same on a busy machine
WATCH_SECONDS = 1.0  # an engine that stopped is noticed within this time after its box went silent
KILLED = 128 + 9
PLACE = Place(folder=FOLDER, niceness=19)  # otherwise a shim among 127 busy processes ends seconds late
LOOKUPS = "later boxes can tell which names were looked up"
CONTAINS_NOT = "it does not isolate untrusted code"


class DockerSandbox:
    """Hardened containers. `connect` finds an engine and an image; tests may pass their own."""

    def __init__(
        self,
        engine: Engine,
        image: Image,
        runtime: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        info = engine.info()
        version = info["ServerVersion"]
        self._missing = missing_limits(info)
        self._is_podman = engine.is_podman()
        engine_name = "podman" if self._is_podman else "docker"
        self.name = "docker"
        self.isolates_untrusted_code = not missing_walls(info)
        self.identity = {
            "kind": self.name,
            "engine": f"podman {version}" if self._is_podman else version,
            "image": image.reference,
            "image_id": image.image_id,
            "image_digest": image.digest,
            "shim": shim_hash(),
            **({"runtime": runtime} if runtime else {}),
        }
        around = f", runtime {runtime}" if runtime else ""
        self.fingerprint = f"docker{around}, image {image.contents}"
        self.statement = (
            f"{engine_name} {version}{around}{_lacks(self._missing)}, "
            f"image {image.reference} ({image.told}): "
            "a fresh container for every paper, no network, no mounts, no capabilities"
            + (f"; {LOOKUPS}" if shares_lookups(info) else "")
        )
        self.image = image
        self._runtime = runtime
        self.engine = engine
        self.keeper = Keeper(self.open_keeper)
        self._has_started = False  # any box
        self._faults: dict[str, list[float]] = {}  # times of the engine's failures, by their words
        self._clock, self._wall_clock = clock, wall_clock

    @staticmethod
    def connect(image: str | None = None, runtime: str | None = None) -> "DockerSandbox":
        """Connect to the engine the `docker` command would use, with `image` or the best available Python."""
        return DockerSandbox.on(Engine.connect(), image, runtime)

    @staticmethod
    def on(engine: Engine, image: str | None = None, runtime: str | None = None) -> "DockerSandbox":
        """Like `connect`, with a given engine, which `close` closes."""
        try:
            return DockerSandbox(engine, choose_image(engine, image), runtime)
        except SandboxError:
            engine.close()
            raise

    def close(self) -> None:
        self.keeper.close()
        self.engine.close()

    def _adapted(self, config: dict[str, Any]) -> dict[str, Any]:
        """What this engine takes."""
        config = acceptable(config, self._missing)
        return for_podman(config) if self._is_podman else config

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        """An engine that never started a box and keeps failing in the same words refuses it.

        Some engines answer with a server error to what they do not know.
        """
        try:
            yield
        except EngineFault as fault:
            words, now = NUMBERS.sub("", str(fault)), self._clock()
            faults = self._faults.setdefault(words, [])
            faults.append(now)
            is_refusal = len(faults) >= FAULTS and now - faults[0] >= FAULT_SECONDS
            if is_refusal and not self._has_started:
                raise refusal(str(fault)) from fault
            raise

    def open_keeper(self) -> ContainerKeeper:
        """Raises SandboxError. An engine that does not let memory be locked gets a keeper that does not."""
        try:
            return self._start_keeper(may_lock=True)
        except (BoxRefused, EngineFault):
            return self._start_keeper(may_lock=False)

    def _start_keeper(self, *, may_lock: bool) -> ContainerKeeper:
        labels = labels_of(this_process(), KEEPER_SECONDS, self._wall_clock())
        labels = {KEEPER_LABEL: labels[OWNER_LABEL], DEADLINE_LABEL: labels[DEADLINE_LABEL]}
        config = keeper_config(self.image.image_id, labels, self.image.volumes, may_lock=may_lock)
        container, _ = self.engine.make(self._adapted(config))
        try:
            channel = self.engine.attach(container)
            self.engine.start(container)
        except SandboxError:
            self.engine.discard(container)
            raise
        return ContainerKeeper(self.engine, container, channel)

    def run(self, job: Job, handler: Handler) -> Outcome:
        began = self._clock()
        try:
            lines = job_lines(job, PLACE)
        except Ended as refusal:
            status, detail = refusal.args
            return Outcome(status=status, detail=detail, stderr_tail="", seconds=0.0)
        warning = self.keeper.hold()
        labels = labels_of(this_process(), job.limits.wall_seconds, self._wall_clock())
        config = self._adapted(box_config(self.image.image_id, job.limits, labels, self.image.volumes))
        if self._runtime:
            config = with_runtime(
                config, self._runtime
            )  # not the keeper: its pages are the host's in any case
        look = self.engine.watch.look()
        with self._refusals():
            container, engine_warnings = self.engine.create(config)
        try:
            with self.engine.heartbeat as heartbeat:
                lost_before = heartbeat.lost_seconds
                end = self._attend(container, job, handler, lines, look, heartbeat)
                refuse_after_standstill(end, heartbeat.lost_seconds - lost_before)
        finally:
            self.engine.discard(container)
        return Outcome(
            status=end.status,
            detail=end.detail,
            stderr_tail=printable(end.output),
            seconds=self._clock() - began,
            warnings=(*end.warnings, *engine_warnings, *([warning] if warning else [])),
        )

    def _attend(
        self,
        container: str,
        job: Job,
        handler: Handler,
        lines: list[bytes],
        look: int,
        heartbeat: Heartbeat,
    ) -> SessionEnd:
        """From attaching to the last reply. Closes the socket; the container may still exist afterwards."""
        with self._refusals():  # Podman prepares the box here
            channel = self.engine.attach(container)
        session = Session(channel, job, handler, heartbeat)
        try:
            try:
                with self._refusals():
                    self.engine.start(container)
                self._has_started = True
                end = session.run(lines)
                if end.went_silent and self.engine.watch.has_ended_since(look, WATCH_SECONDS):
                    raise SandboxError("the engine lost a box: the engine restarted or the connection broke")
                if end.status is BoxStatus.TIMED_OUT and self.engine.state(container)["Paused"]:
                    raise SandboxError("a box was paused from outside")
                if end.went_silent and self._was_killed_from_outside(container):
                    raise SandboxError("a box was killed from outside")
            except BoxRefused:
                raise
            except SandboxError as error:
                raise SandboxError(f"{error} {printable(channel.diagnostics)}".strip()) from error
            finally:
                channel.close()  # before the kill: an engine writing to a client that does not read hangs
            if end.status is not BoxStatus.FINISHED:
                self.engine.kill(container)
            end = self._explain(container, job, end)
            if end.status is not BoxStatus.FINISHED:
                self.engine.remove(container)
        finally:
            session.close()
        session.raise_late_errors()
        return end

    def _explain(self, container: str, job: Job, end: SessionEnd) -> SessionEnd:
        """Only the engine knows about memory: a box that ended silently may have run out of it."""
        if not (end.was_killed or end.went_silent):
            return end
        if not self._ran_out_of_memory(container, OOM_SECONDS):
            return end
        detail = f"over {job.limits.memory_bytes} bytes of memory"
        return replace(end, status=BoxStatus.OUT_OF_LIMITS, detail=detail)

    def _was_killed_from_outside(self, container: str) -> bool:
        """True for a SIGKILL that was not for memory: nothing inside the box can kill PID 1."""
        until = self._clock() + LATE_SECONDS
        while (state := self.engine.state(container))["Running"]:
            if self._clock() >= until:
                return False  # the box closed its streams but still runs: that is its own fault
            time.sleep(0.02)
        return bool(state["ExitCode"] == KILLED) and not self._ran_out_of_memory(container, LATE_SECONDS)

    def _ran_out_of_memory(self, container: str, patience_seconds: float) -> bool:
        until = self._clock() + patience_seconds
        while not self.engine.state(container)["OOMKilled"]:
            if self._clock() >= until:
                return False
            time.sleep(0.02)
        return True


def _lacks(missing: tuple[str, ...]) -> str:
    """The part of the statement about limits that the engine reports it cannot enforce."""
    if not missing:
        return ""
    consequence = f": {CONTAINS_NOT}" if set(missing) & set(WALLS) else ""
    return f" without limits on {' and '.join(missing)}{consequence}"


def reap_containers(engine: Engine, now: float | None = None) -> list[str]:
    """Remove containers left behind by a crash, whose owner process is gone. Returns their ids."""
    moment = time.time() if now is None else now
    found = {**engine.labelled(OWNER_LABEL), **engine.labelled(KEEPER_LABEL)}
    stale = [box for box, labels in found.items() if is_stale(labels, moment)]
    for box in stale:
        engine.remove(box)
    return stale
