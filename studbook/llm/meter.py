"""The cost of each role's calls: a meter that adds it up, and a gate that enforces the budget.

Recorded answers are counted separately, because they cost nothing. Prints nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from threading import Condition, Lock

from studbook.errors import BudgetExceeded
from studbook.llm.contracts import Usage, whole_picodollars


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """`calls` were paid, `recorded_calls` were not; `usage`, `dollars` and `seconds` are of paid calls."""

    calls: int = 0
    recorded_calls: int = 0
    retries: int = 0
    failures: int = 0
    usage: Usage = field(default_factory=Usage)
    dollars: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            calls=self.calls + other.calls,
            recorded_calls=self.recorded_calls + other.recorded_calls,
            retries=self.retries + other.retries,
            failures=self.failures + other.failures,
            usage=self.usage + other.usage,
            dollars=whole_picodollars(self.dollars + other.dollars),
            seconds=self.seconds + other.seconds,
        )

    @property
    def tokens(self) -> int:
        return self.usage.prompt_tokens + self.usage.completion_tokens


def sum_totals(per_role: Mapping[str, Totals]) -> Totals:
    total = Totals()
    for part in per_role.values():
        total += part
    return total


class Meter:
    """Thread-safe totals per role."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._per_role: dict[str, Totals] = {}

    def add(self, role: str, more: Totals) -> None:
        with self._lock:
            self._per_role[role] = self._per_role.get(role, Totals()) + more

    def snapshot(self) -> dict[str, Totals]:
        """Totals per role so far, roles in alphabetical order."""
        with self._lock:
            return dict(sorted(self._per_role.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The limits of a run; None is no limit. Hours count from the start of the process, not of the run."""

    max_calls: int | None = None
    max_tokens: int | None = None
    max_dollars: float | None = None
    max_hours: float | None = None


NO_LIMIT = Budget()


class BudgetGate:
    """Admits calls within the budget, and reserves what calls in flight may still cost.

    Calls are counted when they start, so `max_calls` is never exceeded. Tokens and dollars are known only
    when a call ends: more than `workers` calls are in flight only if all of them together cannot exceed the
    limit. So the limit is exceeded by at most one call per worker. When the hours are over, no call starts,
    but calls in flight may finish. `clock` counts seconds.
    """

    def __init__(
        self,
        budget: Budget,
        spent: Totals = Totals(),
        *,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget = budget
        self._spent = spent
        self._workers = workers
        self._clock = clock
        self._began = clock()
        self._reserved: list[Totals] = []
        self._changed = Condition()

    @contextmanager
    def admit(self, most: Totals) -> Iterator[None]:
        """Calls `enter`, and `leave` at the end of the block; a call that raises is not counted."""
        self.enter(most)
        has_answered = False
        try:
            yield
            has_answered = True
        finally:
            self.leave(most, answered=has_answered)

    def enter(self, most: Totals) -> None:
        """Counts a call that costs at most `most`, or raises BudgetExceeded. May wait near the limit."""
        with self._changed:
            while True:
                self.check()
                if len(self._reserved) < self._workers or self._has_room_for(most):
                    break
                self._changed.wait()
            self._reserved.append(most)
            self._spent = replace(self._spent, calls=self._spent.calls + 1)

    def leave(self, most: Totals, *, answered: bool) -> None:
        """Records the end of a call; a failed call is not counted."""
        with self._changed:
            self._reserved.remove(most)
            if not answered:
                self._spent = replace(self._spent, calls=self._spent.calls - 1)
            self._changed.notify_all()

    def check(self) -> None:
        """Raises BudgetExceeded if the budget is used up."""
        with self._changed:
            self._refuse(self._spent.calls, self._budget.max_calls, "calls")
            self._refuse(self._spent.tokens, self._budget.max_tokens, "tokens")
            self._refuse(self._spent.dollars, self._budget.max_dollars, "dollars")
        self.check_hours()

    def check_hours(self) -> None:
        """Raises BudgetExceeded if the hours are over."""
        if self.seconds_left <= 0:
            raise BudgetExceeded(
                f"budget reached: {self._budget.max_hours:,.6g} hours (budget.hours)\n"
                "resume for as long again, or with another budget.hours; what is finished is saved",
                key="budget.hours",
                more=f"{self._budget.max_hours:.6g}",
            )

    @property
    def seconds_left(self) -> float:
        hours = self._budget.max_hours
        return inf if hours is None else hours * 3600 - (self._clock() - self._began)

    @property
    def share_left(self) -> float:
        """From 0 to 1: of the limit of which the smallest share is left; 1 without limits."""
        budget, spent = self._budget, self._spent
        used = [
            (spent.calls, budget.max_calls),
            (spent.tokens, budget.max_tokens),
            (spent.dollars, budget.max_dollars),
            (self._clock() - self._began, None if budget.max_hours is None else budget.max_hours * 3600),
        ]
        return max(0.0, min((1 - amount / limit for amount, limit in used if limit), default=1.0))

    def paid(self, usage: Usage, dollars: float) -> None:
        with self._changed:
            self._spent += Totals(usage=usage, dollars=dollars)

    @property
    def weighs_calls(self) -> bool:
        """Whether a call's maximum cost matters; only then is it computed."""
        return self._budget.max_tokens is not None or self._budget.max_dollars is not None

    def _has_room_for(self, most: Totals) -> bool:
        tokens, dollars = self._budget.max_tokens, self._budget.max_dollars
        if not self.weighs_calls:
            return True
        worst = sum(self._reserved, self._spent + most)
        return (tokens is None or worst.tokens <= tokens) and (dollars is None or worst.dollars <= dollars)

    def _refuse(self, spent: float, limit: float | None, unit: str) -> None:
        if limit is not None and spent >= limit:
            used = (
                f"${spent:,.2f} of ${limit:,.2f}"
                if unit == "dollars"
                else f"{spent:,.0f} of {limit:,.0f} {unit}"
            )
            raise BudgetExceeded(
                f"budget reached: {used} (budget.{unit})\n"
                f"raise budget.{unit} and resume; what is finished is saved",
                key=f"budget.{unit}",
                more=f"{2 * limit:.12g}" if limit else "null",
            )
