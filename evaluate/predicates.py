"""Named, frozen rules that decide which examples are accepted, on exact fractions.

A ruling is three-valued: weak rollouts alone can rule acceptance out, but never in. Quality is not judged
here: the evaluator's final verifier has the last word on what a predicate would accept.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from studbook.errors import SpecError
from studbook.evaluate.contracts import Status
from studbook.evaluate.rubric import average
from studbook.identity import Json
from studbook.populations.records import FailureCategory


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    status: Status
    category: FailureCategory | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """Bounds on the rollouts of one example. `None` means the preset has no such bound."""

    name: str
    weak_average_max: Fraction
    weak_average_max_allowed: bool  # may the weak average stand exactly at its bound?
    weak_best_max: Fraction | None
    zero_allowed: bool
    strong_average_min: Fraction
    strong_average_below: Fraction | None
    gap_min: Fraction

    def rule(self, weak: Sequence[Fraction], strong: Sequence[Fraction] = ()) -> Ruling:
        """Rule on weak rollouts, and on strong ones when there are any.

        Without strong rollouts the ruling is REJECTED or UNDECIDED, never ACCEPTED.
        """
        against = self._against_weak(weak) or (self._against_strong(weak, strong) if strong else None)
        if against is not None:
            return Ruling(status=Status.REJECTED, category=against[0], reason=against[1])
        if not strong:
            reason = f"weak average {show(average(weak))} is within bounds; strong rollouts not run yet"
            return Ruling(status=Status.UNDECIDED, category=None, reason=reason)
        reason = (
            f"weak average {show(average(weak))}, strong average {show(average(strong))}: within all bounds"
        )
        return Ruling(status=Status.ACCEPTED, category=None, reason=reason)

    def _against_weak(self, weak: Sequence[Fraction]) -> tuple[FailureCategory, str] | None:
        mean, best = average(weak), max(weak)
        over = mean > self.weak_average_max or (
            mean == self.weak_average_max and not self.weak_average_max_allowed
        )
        if over:
            relation = "over" if self.weak_average_max_allowed else "not below"
            bound = show(self.weak_average_max)
            return FailureCategory.TOO_EASY, f"weak average {show(mean)} is {relation} {bound}"
        if self.weak_best_max is not None and best > self.weak_best_max:
            return (
                FailureCategory.TOO_EASY,
                f"best weak rollout {show(best)} is over {show(self.weak_best_max)}",
            )
        if not self.zero_allowed and 0 in weak:
            return FailureCategory.TOO_HARD, "a weak rollout scored 0"
        return None

    def _against_strong(
        self, weak: Sequence[Fraction], strong: Sequence[Fraction]
    ) -> tuple[FailureCategory, str] | None:
        mean = average(strong)
        gap = mean - average(weak)
        if mean < self.strong_average_min:
            bound = show(self.strong_average_min)
            return FailureCategory.STRONG_FAILED, f"strong average {show(mean)} is under {bound}"
        if self.strong_average_below is not None and mean >= self.strong_average_below:
            bound = show(self.strong_average_below)
            return FailureCategory.STRONG_FAILED, f"strong average {show(mean)} is not below {bound}"
        if gap < self.gap_min:
            return FailureCategory.SMALL_GAP, f"gap {show(gap)} is under {show(self.gap_min)}"
        return None

    def to_json(self) -> Json:
        """Every bound, exactly: part of what is hashed into an evaluation."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}


def show(value: Fraction) -> str:
    """For reasons and screens: two digits where they are exact, three where they are not."""
    short = f"{float(value):.2f}"
    return short if Fraction(short) == value else f"{float(value):.3f}"


def _plain(value: str | bool | Fraction | None) -> str | bool | None:
    return str(value) if isinstance(value, Fraction) else value


DEPLOYED = Predicate(
    name="deployed",
    weak_average_max=Fraction(65, 100),
    weak_average_max_allowed=True,
    weak_best_max=Fraction(75, 100),
    zero_allowed=False,
    strong_average_min=Fraction(60, 100),
    strong_average_below=Fraction(95, 100),
    gap_min=Fraction(20, 100),
)
"""The published prompt and the outer loop's criterion."""

PROSE = Predicate(
    name="prose",
    weak_average_max=Fraction(50, 100),
    weak_average_max_allowed=False,
    weak_best_max=None,
    zero_allowed=True,
    strong_average_min=Fraction(65, 100),
    strong_average_below=None,
    gap_min=Fraction(20, 100),
)
"""Section 3.1 of the paper."""

PRESETS = {preset.name: preset for preset in (DEPLOYED, PROSE)}


def get_predicate(name: str) -> Predicate:
    """Raises SpecError naming the presets there are, and the nearest one."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    raise SpecError(f"predicate `{name}` is not known.{hint}\nKnown predicates: {', '.join(PRESETS)}.")
