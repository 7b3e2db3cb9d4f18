"""The box, seen from the host: job in, requests answered, outcome out.

A `Sandbox` carries frames and enforces limits; what the requests *mean* is the relay's (`evaluate/relay.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

Frame = dict[str, Any]

Handler = Callable[[str, Frame], Frame]
"""(kind, body) -> reply body; kinds: "chat", "evaluate", "log". Called from several threads at once.

A reply {"error": {"type": ..., "message": ...}} is handed to the harness as an error. InfrastructureError
and BudgetExceeded raised by the handler end the box and are re-raised by `run`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Enforced on the host's side or by the kernel, never by the harness."""

    wall_seconds: float = 120.0
    memory_bytes: int = 512 * 1024 * 1024
    cpus: float = 1.0
    processes: int = 128
    open_files: int = 256
    tmpfs_bytes: int = 64 * 1024 * 1024
    tmpfs_inodes: int = 4096
    frame_bytes: int = 4 * 1024 * 1024  # one frame, either way
    output_bytes: int = 64 * 1024 * 1024  # all frames and stderr that come out of the box
    requests: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All a box is told. `payload` is {"paper": {...}, "knobs": {...}, "max_rounds": int}."""

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
    """`detail` is one line for people (exception type and message, which limit); `stderr_tail` <= 4 KiB."""

    status: BoxStatus
    detail: str
    stderr_tail: str
    seconds: float
    warnings: tuple[str, ...] = ()


class Sandbox(Protocol):
    """Runs one job in a fresh box and leaves nothing behind, whatever the harness does. Thread-safe.

    Raises SandboxError when the sandbox itself fails. `identity` is recorded in environment.json
    (kind, image id, engine version). `fingerprint` names what a result may depend on, and belongs to its
    identity: the kind, and the contents of the image or the interpreter. `isolates_untrusted_code` claims
    that code written to do harm cannot get out or use more than its limits.
    """

    name: str  # "docker" | "process"
    isolates_untrusted_code: bool
    identity: dict[str, str]
    fingerprint: str

    def run(self, job: Job, handler: Handler) -> Outcome: ...

    def close(self) -> None: ...


class StatedSandbox(Sandbox, Protocol):
    """A sandbox that says in one plain line what it is and what it promises."""

    statement: str
