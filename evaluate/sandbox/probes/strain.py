"""The limits that show themselves only when a box goes past them: memory, swap, processes, cpu."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from evaluate.sandbox.contract import BoxStatus, Outcome, Sandbox
from evaluate.sandbox.probes.readings import Reading, Verdict, enforced, judged, missing, reading, untried
from evaluate.sandbox.probes.visits import LIMITS, Visit, finished, visit

MEMORY = replace(LIMITS, memory_bytes=64 << 20)
CPU = replace(LIMITS, cpus=0.5)
SHARE_ALLOWED = 0.8  # of a core, where 0.5 is allowed: a short measurement on a busy machine
IDLE_SHARE = 0.3  # of a core: four processes that spin leave none of it, if they may run
SLACK = 1.25
MEBIBYTE = 1 << 20


def probe_memory(sandbox: Sandbox) -> Iterator[Reading]:
    """Memory and swap, by one box."""
    found = visit(sandbox, "memory", MEMORY)
    memory = judge_memory(found, MEMORY.memory_bytes)
    yield reading("memory", memory, sandbox.name)
    yield reading("swap", judge_swap(found.facts, MEMORY.memory_bytes), sandbox.name)


def probe_processes(sandbox: Sandbox) -> Iterator[Reading]:
    found = finished(visit(sandbox, "processes")).facts
    text = f"{found['started']} started where {LIMITS.processes} are allowed in all"
    verdict = judged(
        bool(found["error"]) and found["started"] < LIMITS.processes,
        f"{text}, then {found['error'] or 'no end'}",
    )
    yield reading("processes", verdict, sandbox.name)


def probe_cpu(sandbox: Sandbox) -> Iterator[Reading]:
    yield reading("cpu", judge_cpu(finished(visit(sandbox, "spin", CPU)).facts), sandbox.name)


def judge_memory(found: Visit, allowed: int) -> Verdict:
    if not found.facts:
        return _by_its_end(found.outcome)
    held, asked = found.facts["held"], found.facts["asked"]
    text = f"three processes held {held // MEBIBYTE} MiB together where {allowed // MEBIBYTE} are allowed"
    if not found.facts["deaths"] or (held > SLACK * allowed and not found.facts["swap_total"]):
        return missing(f"{text} ({asked // MEBIBYTE} asked for)")
    return enforced(f"{text}, then the kernel ended one")


def _by_its_end(outcome: Outcome) -> Verdict:
    """Some engines end the whole box, not one process of it."""
    if outcome.status is BoxStatus.OUT_OF_LIMITS:
        return enforced(outcome.detail)
    return untried(f"the box ended with {outcome.status}: {outcome.detail}")


def judge_swap(facts: dict[str, Any], allowed: int) -> Verdict:
    if not facts:
        return untried("the box did not live to tell")
    extra, total = facts["swap_allowed"], facts["swap_total"]
    if extra:
        amount = "any amount" if extra >= 1 << 60 else f"{extra // MEBIBYTE} MiB"
        return missing(f"{amount} beside the memory by the kernel's own account")
    if not total:
        told = "and the kernel allows it none" if extra == 0 else "and the kernel does not tell"
        return untried(f"the engine's machine has no swap, {told}")
    held = facts["held"]
    return judged(
        held <= SLACK * allowed, f"{held // MEBIBYTE} MiB held with {total // MEBIBYTE} MiB of swap there"
    )


def judge_cpu(facts: dict[str, Any]) -> Verdict:
    """A small share alone proves nothing: on a busy machine nobody gets more."""
    share, idle, quota = facts["share"], facts["idle"], facts["quota"]
    text = f"{share:.2f} of a core in {facts['seconds']:.1f} s where {CPU.cpus:g} is allowed"
    if share > SHARE_ALLOWED:
        return missing(f"{text} ({facts['cores']} there)")
    if facts["periods"] == 0:
        return missing(f"{text}, on a busy machine: the kernel keeps no account of a quota")
    if quota is not None and quota > CPU.cpus:
        return missing(f"{text}, on a busy machine: the kernel's quota is {quota:g}")
    if facts["throttled"]:
        return enforced(f"{text}; made to wait {facts['throttled']} times")
    if facts["periods"] and quota is not None:
        return enforced(f"{text}; the kernel keeps a quota of {quota:g}, a busy machine left less")
    if idle is not None and idle > IDLE_SHARE * facts["seconds"]:
        return enforced(f"{text}, while {idle / facts['seconds']:.2f} were idle")
    return untried(f"{text}, which may be all that this busy machine had left: try again when it is idle")
