"""The host's interface to a box: a job goes in, requests are answered, an outcome comes out.

A `Sandbox` transports frames and enforces limits; the relay (`evaluate/relay.py`) interprets the requests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

Frame = dict[str, Any]

Handler = Callable[[str, Frame], Frame]
"""(kind, body) -> reply body; kinds: "chat", "evaluate", "log". Called from several threads at once.

A reply {"error": {"type": ..., "message": ...}} is passed to the harness as an error. InfrastructureError
and BudgetExceeded raised by the handler end the box and are re-raised by `run`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Enforced by the host or the kernel, never by the harness."""

    wall_seconds: float = 120.0
    memory_bytes: int = 512 * 1024 * 1024
    cpus: float = 1.0
    processes: int = 128
    open_files: int = 256
    tmpfs_bytes: int = 64 * 1024 * 1024
    tmpfs_inodes: int = 4096
    frame_bytes: int = 4 * 1024 * 1024  # one frame, in either direction
    output_bytes: int = 64 * 1024 * 1024  # all frames and stderr from the box
    requests: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything a box receives. `payload` is {"paper": {...}, "knobs": {...}, "max_rounds": int}."""

    files: Mapping[str, bytes]
    entry: str
    payload: Frame
    limits: Limits = field(default_factory=Limits)


class BoxStatus(StrEnum):
    FINISHED = "finished"  # entry returned
    CRASHED = "crashed"  # entry raised, or the interpreter died
    TIMED_OUT = "timed_out"
    OUT_OF_LIMITS = "out_of_limits"
    PROTOCOL_ERROR = "protocol_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`detail` is one line for display (exception type and message, or the limit); `stderr_tail` <= 4 KiB."""

    status: BoxStatus
    detail: str
    stderr_tail: str
    seconds: float
    warnings: tuple[str, ...] = ()


class Sandbox(Protocol):
    """Runs one job in a fresh box and leaves nothing behind, whatever the harness does. Thread-safe.

    Raises SandboxError when the sandbox itself fails. `identity` is recorded in environment.json
    (kind, image id, engine version). `fingerprint` covers what a result may depend on and is part of the
    result's identity: the kind, and the contents of the image or the interpreter. `isolates_untrusted_code`
    claims that hostile code cannot escape or exceed its limits.
    """

    name: str  # "docker" | "process"
    isolates_untrusted_code: bool
    identity: dict[str, str]
    fingerprint: str

    def run(self, job: Job, handler: Handler) -> Outcome: ...

    def close(self) -> None: ...


WHY_NOT_DOCKER = "why_not_docker"
"""Key of `identity` with the engine's error, if `auto` fell back to child processes."""


class StatedSandbox(Sandbox, Protocol):
    """A sandbox with a one-line statement of what it is and what it guarantees."""

    statement: str
