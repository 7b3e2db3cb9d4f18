"""What a probe found out about one limit. Data; how it is shown is not decided here."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from evaluate.sandbox.probes.limits import LIMITS, NO_ENGINE

Facts = dict[str, Any]
"""What a guest told, as JSON gives it."""


class State(StrEnum):
    ENFORCED = "enforced"
    NOT_ENFORCED = "not enforced"
    UNTRIED = "could not be tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`measured` is what was seen, or why nothing could be; `next_step` is empty where all is well.

    `is_hole`: not enforced, and without it hostile code is not contained.
    """

    limit: str
    state: State
    measured: str
    is_hole: bool = False
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge's answer. `is_mild`: not what was asked for, and yet no hole in a wall."""

    state: State
    measured: str
    is_mild: bool = False


def enforced(measured: str) -> Verdict:
    return Verdict(State.ENFORCED, measured)


def missing(measured: str, *, is_mild: bool = False) -> Verdict:
    return Verdict(State.NOT_ENFORCED, measured, is_mild)


def untried(reason: str) -> Verdict:
    return Verdict(State.UNTRIED, reason)


def judged(holds: bool, measured: str) -> Verdict:
    return enforced(measured) if holds else missing(measured)


def reading(name: str, verdict: Verdict, sandbox: str) -> Reading:
    limit = LIMITS[name]
    is_missing = verdict.state is State.NOT_ENFORCED
    step = limit.next_step if sandbox == "docker" else NO_ENGINE
    return Reading(
        limit=name,
        state=verdict.state,
        measured=verdict.measured,
        is_hole=is_missing and limit.is_wall and not verdict.is_mild,
        next_step=step if is_missing else "",
    )


def few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
