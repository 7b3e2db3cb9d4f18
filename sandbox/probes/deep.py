"""Runs all probes one after another, to find which of a box's limits this engine really enforces.

Ships with the package, because a user's engine is not the one that the attack suite ran on. Each probe runs
one of our own guests in a fresh box and judges what it reports. The census exceeds nothing; the others exceed
one limit each, or check what a box leaves behind. The guests are modules of this package, linted and typed
like all others; a box receives them as a harness's files. Repairs nothing.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studbook.errors import SandboxError
from studbook.sandbox.contract import BoxStatus, Frame, Job, Limits, Outcome, Sandbox
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.owner import OWNER_LABEL, labels_on, this_process
from studbook.sandbox.probes.judges import (
    BOX_LIMITS,
    SECTIONS,
    LimitJudgment,
    Reading,
    enforced,
    judge_environment,
    judge_section,
    judged,
    missing,
    reading,
    secrets_of,
    untried,
)
from studbook.sandbox.process_box import ProcessSandbox, all_pids, box_folders, command_line
from studbook.sandbox.shim import read_source

PACKAGE = "studbook.sandbox.probes.guest"
GUESTS = ("attempts", "census", "strain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """`facts` is the merged JSON of the guest's log; `heard_at` is the clock time of its first log line."""

    outcome: Outcome
    facts: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    heard_at: float | None = None
    ended_at: float = 0.0


def visit(
    sandbox: Sandbox,
    guest: str,
    limits: Limits = BOX_LIMITS,
    on_word: Callable[[str], None] | None = None,
    **knobs: int,
) -> Visit:
    """`on_word` is called with every line the guest logs, while its box runs. Raises SandboxError."""
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
    """Raises SandboxError for a guest that did not finish, which says nothing about any limit."""
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
    folder = PACKAGE.replace(".", "/")
    parents = ["/".join(folder.split("/")[:depth]) for depth in range(1, 5)]
    packages = {f"{parent}/__init__.py": b"" for parent in parents}
    sources = {f"{folder}/{name}.py": read_source(PACKAGE, name).encode() for name in GUESTS}
    paper = {"id": "probe", "title": "", "text": ""}
    return Job(
        files={**packages, **sources},
        entry=f"{folder}/{'census' if guest == 'census' else 'strain'}.py:{guest}",
        payload={"paper": paper, "knobs": {**sizes, **knobs}, "max_rounds": 1},
        limits=limits,
    )


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


DEADLINE = replace(BOX_LIMITS, wall_seconds=1.0)
OVERSHOOT_SECONDS = 2.0
GOING_SECONDS = 1.0  # time for a killed process to disappear from /proc


def probe_deadline(sandbox: Sandbox) -> Iterator[Reading]:
    yield reading("deadline", judge_deadline(visit(sandbox, "stay", DEADLINE)), sandbox.name)


def judge_deadline(found: Visit) -> LimitJudgment:
    if found.heard_at is None:
        return untried(f"the box ended with {found.outcome.status}: {found.outcome.detail}")
    over = max(0.0, found.ended_at - found.heard_at - DEADLINE.wall_seconds)
    text = f"ended and removed {over:.2f} s after its deadline of {DEADLINE.wall_seconds:g} s"
    if found.outcome.status is not BoxStatus.TIMED_OUT:
        return missing(f"a box ran to its own end, {over:.1f} s past its deadline")
    return enforced(text) if over <= OVERSHOOT_SECONDS else missing(text, is_mild=True)


def probe_output(sandbox: Sandbox) -> Iterator[Reading]:
    outcome = visit(sandbox, "flood").outcome
    text = f"{4 * BOX_LIMITS.output_bytes >> 20} MiB printed where {BOX_LIMITS.output_bytes >> 20} is allowed"
    verdict = judged(outcome.status is BoxStatus.OUT_OF_LIMITS, f"{text}: {outcome.detail}")
    if outcome.status not in (BoxStatus.OUT_OF_LIMITS, BoxStatus.FINISHED):
        verdict = untried(f"the box ended with {outcome.status}: {outcome.detail}")
    yield reading("output", verdict, sandbox.name)


def probe_leaving(sandbox: Sandbox) -> Iterator[Reading]:
    """The engine's log of a running box, and what is left of the box after it ended."""
    token = str(secrets.randbelow(10**15) + 10**15)
    logs: list[str] = []
    seen: set[int] = set()

    def look(_word: str) -> None:
        seen.update(marked_processes(token))
        logs.extend(kept_logs(sandbox))

    finished(visit(sandbox, "leave", on_word=look, token=int(token)))
    yield reading("log", judge_log(sandbox, logs), sandbox.name)
    yield reading("removal", judge_removal(sandbox, token, bool(seen)), sandbox.name)


def judge_log(sandbox: Sandbox, logs: list[str]) -> LimitJudgment:
    if not isinstance(sandbox, DockerSandbox):
        return enforced("the output of a child process is not stored")
    return missing(f"the engine kept {logs[0]!r}") if logs else enforced("the engine kept no log")


def kept_logs(sandbox: Sandbox) -> list[str]:
    if not isinstance(sandbox, DockerSandbox):
        return []
    logs = [sandbox.engine.find_log(box) for box in own_containers(sandbox)]
    return [text for text in logs if text]


def own_containers(sandbox: DockerSandbox) -> list[str]:
    me = str(this_process())
    return [box for box, labels in sandbox.engine.labelled(OWNER_LABEL).items() if labels[OWNER_LABEL] == me]


def judge_removal(sandbox: Sandbox, token: str, was_seen: bool) -> LimitJudgment:
    left = leftovers(sandbox, token)
    if left:
        return missing(f"left: {', '.join(left)}")
    what = "container" if isinstance(sandbox, DockerSandbox) else "folder"
    seen = (
        "its daemon was visible from here and is gone" if was_seen else "its processes are not visible here"
    )
    return enforced(f"no {what} is left; {seen}")


def leftovers(sandbox: Sandbox, token: str) -> list[str]:
    until = time.monotonic() + GOING_SECONDS
    while (pids := marked_processes(token)) and time.monotonic() < until:
        time.sleep(0.02)
    left = [f"process {pid}" for pid in pids]
    if isinstance(sandbox, DockerSandbox):
        return left + [f"container {box[:12]}" for box in own_containers(sandbox)]
    return left + [f"folder {folder}" for folder in own_folders(sandbox)]


def own_folders(sandbox: Sandbox) -> list[Path]:
    folder = sandbox.folder if isinstance(sandbox, ProcessSandbox) else None
    me = str(this_process())
    return [box for box in box_folders(folder) if labels_on(box).get(OWNER_LABEL) == me]


def marked_processes(token: str) -> set[int]:
    """Processes anywhere on this machine that have the token as an argument."""
    return {pid for pid in all_pids() if token.encode() in command_line(pid).split(b"\0")}


MEMORY = replace(BOX_LIMITS, memory_bytes=64 << 20)
CPU = replace(BOX_LIMITS, cpus=0.5)
SHARE_ALLOWED = 0.8  # of a core, with 0.5 allowed: tolerance for a short measurement on a busy machine
IDLE_SHARE = 0.3  # of a core: four busy processes leave no idle time unless they are limited
SLACK = 1.25
MEBIBYTE = 1 << 20


def probe_memory(sandbox: Sandbox) -> Iterator[Reading]:
    """Memory and swap, measured with one box."""
    found = visit(sandbox, "memory", MEMORY)
    memory = judge_memory(found, MEMORY.memory_bytes)
    yield reading("memory", memory, sandbox.name)
    yield reading("swap", judge_swap(found.facts, MEMORY.memory_bytes), sandbox.name)


def probe_processes(sandbox: Sandbox) -> Iterator[Reading]:
    found = finished(visit(sandbox, "processes")).facts
    text = f"{found['started']} started where {BOX_LIMITS.processes} are allowed in total"
    verdict = judged(
        bool(found["error"]) and found["started"] < BOX_LIMITS.processes,
        f"{text}, then {found['error'] or 'no error'}",
    )
    yield reading("processes", verdict, sandbox.name)


def probe_cpu(sandbox: Sandbox) -> Iterator[Reading]:
    yield reading("cpu", judge_cpu(finished(visit(sandbox, "spin", CPU)).facts), sandbox.name)


def judge_memory(found: Visit, allowed: int) -> LimitJudgment:
    if not found.facts:
        return _by_its_end(found.outcome)
    held, asked = found.facts["held"], found.facts["asked"]
    text = f"three processes held {held // MEBIBYTE} MiB together where {allowed // MEBIBYTE} are allowed"
    if not found.facts["deaths"] or (held > SLACK * allowed and not found.facts["swap_total"]):
        return missing(f"{text} ({asked // MEBIBYTE} requested)")
    return enforced(f"{text}, then the kernel killed one")


def _by_its_end(outcome: Outcome) -> LimitJudgment:
    """Some engines end the whole box instead of one of its processes."""
    if outcome.status is BoxStatus.OUT_OF_LIMITS:
        return enforced(outcome.detail)
    return untried(f"the box ended with {outcome.status}: {outcome.detail}")


def judge_swap(facts: dict[str, Any], allowed: int) -> LimitJudgment:
    if not facts:
        return untried("the box ended before it reported anything")
    extra, total = facts["swap_allowed"], facts["swap_total"]
    if extra:
        amount = "any amount" if extra >= 1 << 60 else f"{extra // MEBIBYTE} MiB"
        return missing(f"{amount} in addition to memory, according to the kernel")
    if not total:
        told = "and the kernel allows none" if extra == 0 else "and the kernel reports no limit"
        return untried(f"the engine's machine has no swap, {told}")
    held = facts["held"]
    return judged(
        held <= SLACK * allowed, f"{held // MEBIBYTE} MiB held with {total // MEBIBYTE} MiB of swap available"
    )


def judge_cpu(facts: dict[str, Any]) -> LimitJudgment:
    """A small share alone proves nothing: on a busy machine no process gets more."""
    share, idle, quota = facts["share"], facts["idle"], facts["quota"]
    text = f"{share:.2f} of a core in {facts['seconds']:.1f} s where {CPU.cpus:g} is allowed"
    if share > SHARE_ALLOWED:
        return missing(f"{text} ({facts['cores']} available)")
    if facts["periods"] == 0:
        return missing(f"{text}, on a busy machine: the kernel reports no CPU quota")
    if quota is not None and quota > CPU.cpus:
        return missing(f"{text}, on a busy machine: the kernel's quota is {quota:g}")
    if facts["throttled"]:
        return enforced(f"{text}; throttled {facts['throttled']} times")
    if facts["periods"] and quota is not None:
        return enforced(f"{text}; the kernel's quota is {quota:g}, and a busy machine left less")
    if idle is not None and idle > IDLE_SHARE * facts["seconds"]:
        return enforced(f"{text}, while {idle / facts['seconds']:.2f} cores were idle")
    return untried(f"{text}, which may be all that this busy machine had free: try again when it is idle")


def probe_census(
    sandbox: Sandbox, environment: Mapping[str, str], image_environment: Mapping[str, str]
) -> Iterator[Reading]:
    """`environment` is this machine's; variables set by the image are not a leak. Raises SandboxError."""
    facts = finished(visit(sandbox, "census")).facts
    hidden = secrets_of(environment, image_environment)
    sections = {**SECTIONS, "surroundings": {"environment": lambda found: judge_environment(found, hidden)}}
    for section, judges in sections.items():
        found = facts.get(section, {"failure": "the box did not report it"})
        for name, judge in judges.items():
            yield reading(name, judge_section(judge, found, name, sandbox.name), sandbox.name)


Probe = Callable[[Sandbox], Iterable[Reading]]

PROBES: tuple[tuple[Probe, tuple[str, ...]], ...] = (
    (probe_memory, ("memory", "swap")),
    (probe_processes, ("processes",)),
    (probe_cpu, ("cpu",)),
    (probe_deadline, ("deadline",)),
    (probe_output, ("output",)),
    (probe_leaving, ("log", "removal")),
)


def look_around(sandbox: Sandbox, environment: Mapping[str, str]) -> Iterator[Reading]:
    """What one box can find out without exceeding any limit: the quick part. Raises SandboxError."""
    yield from probe_census(sandbox, environment, image_environment(sandbox))


def probe_limits(sandbox: Sandbox, environment: Mapping[str, str]) -> Iterator[Reading]:
    """Yield a reading for every limit as soon as it is known.

    Raises SandboxError when not even the first box runs; a later failure gives readings that are UNTRIED.
    """
    yield from look_around(sandbox, environment)
    for probe, names in PROBES:
        try:
            found = list(probe(sandbox))
        except SandboxError as error:
            found = [reading(name, untried(str(error)), sandbox.name) for name in names]
        yield from found


def image_environment(sandbox: Sandbox) -> dict[str, str]:
    """The environment variables that a box's image sets itself."""
    if not isinstance(sandbox, DockerSandbox):
        return {}
    image = sandbox.engine.find_image(sandbox.image.image_id) or {}
    pairs = (text.partition("=") for text in (image.get("Config") or {}).get("Env") or [])
    return {name: value for name, _, value in pairs}
