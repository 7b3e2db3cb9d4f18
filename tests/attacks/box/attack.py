"""A row of the suite: a hostile harness, how its box may end, and what it may have achieved.

What is expected of a container is the standard. `plain` and `walled` say, case by case, where the process
sandbox without and with bubblewrap promises less; those weaker promises are asserted as well.
"""

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from studbook.sandbox.contract import BoxStatus

FINISHED = frozenset({BoxStatus.FINISHED})
CRASHED = frozenset({BoxStatus.CRASHED})
LIMITS = frozenset({BoxStatus.OUT_OF_LIMITS})
TIME = frozenset({BoxStatus.TIMED_OUT})
PROTOCOL = frozenset({BoxStatus.PROTOCOL_ERROR})

Kind = Literal["docker", "process", "bubblewrap"]
Achieved = tuple[str, ...]
ANYTHING: Achieved = ("anything",)
"""Achieved: what it logs does not matter, or differs from time to time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weaker:
    """What the process sandbox promises instead; None is "the same as a container".

    `leaves` are kinds of things that stay behind on the host. With `as_root`, only where the tests run as
    root; anybody else gets the promise of a container.
    """

    because: str
    ends: frozenset[BoxStatus] | None = None
    achieved: Achieved | None = None
    leaves: frozenset[str] = frozenset()
    as_root: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """An attack that would do real harm to the machine the tests run on: the promise is none at all."""

    because: str
    as_root: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """`source` defines `attack(box)`; the harness has an example measured and logs a line before it begins.

    `check` is handed the ground on which it ran, for what logs cannot show; `settings` are the evaluator's.
    """

    name: str
    tried: str
    source: str
    ends: frozenset[BoxStatus] = FINISHED
    achieved: Achieved = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    settings: Mapping[str, int] = field(default_factory=dict)
    machine: str = ""  # where it is tried, if only there
    asked: Callable[[Mapping[str, int]], bool] | None = None  # of the models: requests by role
    plain: Weaker | NotRun | None = None
    walled: Weaker | NotRun | None = None

    def promise(self, kind: Kind) -> "Weaker | NotRun | None":
        """What is less than a container's promise in this sandbox, for this user."""
        if self.machine not in ("", platform.machine()):
            return NotRun(because=f"its numbers are those of {self.machine}")
        found = {"docker": None, "process": self.plain, "bubblewrap": self.walled}[kind]
        return None if found is not None and found.as_root and os.geteuid() != 0 else found


def all_refused(*names: str) -> Achieved:
    return tuple(f"{name}: refused" for name in names)
