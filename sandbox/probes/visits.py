"""Sends one of our own guests into a fresh box and keeps what it told.

The guests are real modules of this package, checked like all others; a box gets them as a harness's files.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from studbook.errors import SandboxError
from studbook.sandbox.bundle import read_source
from studbook.sandbox.contract import BoxStatus, Frame, Job, Limits, Outcome, Sandbox

PACKAGE = "studbook.sandbox.probes.guest"
GUESTS = (
    "attempts",
    "census",
    "files",
    "flood",
    "kernel",
    "leave",
    "memory",
    "network",
    "processes",
    "spin",
    "stay",
    "surroundings",
)

LIMITS = Limits(
    wall_seconds=20,
    memory_bytes=128 << 20,
    cpus=1.0,
    processes=32,
    open_files=64,
    tmpfs_bytes=4 << 20,
    tmpfs_inodes=128,
    output_bytes=1 << 20,
)
"""Small, so that going past them is quick and harmless where nothing holds a box to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """`facts` is the JSON that the guest told, put together; `heard_at` when it first spoke, by the clock."""

    outcome: Outcome
    facts: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    heard_at: float | None = None
    ended_at: float = 0.0


def visit(
    sandbox: Sandbox,
    guest: str,
    limits: Limits = LIMITS,
    on_word: Callable[[str], None] | None = None,
    **knobs: int,
) -> Visit:
    """`on_word` is called with everything the guest logs, while its box lives. Raises SandboxError."""
    lines: list[str] = []
    times: list[float] = []

    def listen(_kind: str, body: Frame) -> Frame:
        times.append(time.monotonic())
        lines.append(str(body.get("text")))
        if on_word is not None:
            on_word(lines[-1])
        return {}

    outcome = sandbox.run(_job(guest, limits, knobs), listen)
    return Visit(
        outcome=outcome,
        facts=_facts(lines),
        lines=tuple(lines),
        heard_at=times[0] if times else None,
        ended_at=time.monotonic(),
    )


def finished(found: Visit) -> Visit:
    """Raises SandboxError for a guest that did not come to its end, which says nothing about any limit."""
    outcome = found.outcome
    if outcome.status is not BoxStatus.FINISHED:
        raise SandboxError(
            f"the probe's box ended with {outcome.status}: {outcome.detail} {outcome.stderr_tail}".strip()
        )
    return found


def _job(guest: str, limits: Limits, knobs: dict[str, int]) -> Job:
    sizes = {
        "wall_seconds": limits.wall_seconds,
        "memory_bytes": limits.memory_bytes,
        "processes": limits.processes,
        "open_files": limits.open_files,
        "tmpfs_bytes": limits.tmpfs_bytes,
        "tmpfs_inodes": limits.tmpfs_inodes,
        "output_bytes": limits.output_bytes,
    }
    paper = {"id": "probe", "title": "", "text": ""}
    return Job(
        files=_files(),
        entry=f"{PACKAGE.replace('.', '/')}/{guest}.py:main",
        payload={"paper": paper, "knobs": {**sizes, **knobs}, "max_rounds": 1},
        limits=limits,
    )


def _files() -> dict[str, bytes]:
    folder = PACKAGE.replace(".", "/")
    parents = ["/".join(folder.split("/")[:depth]) for depth in range(1, 5)]
    packages = {f"{parent}/__init__.py": b"" for parent in parents}
    return {**packages, **{f"{folder}/{name}.py": read_source(PACKAGE, name).encode() for name in GUESTS}}


def _facts(lines: list[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            facts.update(told)
    return facts
