"""The bounds of the published predicates, and validation of the ruling that any predicate returns.

A ruling has three values, because weak rollouts alone can reject an example but never accept it. Scores are
exact fractions. Quality is not judged here: the final verifier checks whatever a predicate would accept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from studbook.errors import PluginError
from studbook.evaluate.contracts import Predicate, Ruling, Status
from studbook.evaluate.rubric import average
from studbook.populations.records import FailureCategory


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Bounds on the rollouts of one example. `None` means the preset has no such bound."""

    name: str
    weak_average_max: Fraction
    weak_average_max_allowed: bool  # may the weak average equal its bound?
    weak_best_max: Fraction | None
    zero_allowed: bool
    strong_average_min: Fraction
    strong_average_below: Fraction | None
    gap_min: Fraction

    def rule(self, weak: Sequence[Fraction], strong: Sequence[Fraction] = ()) -> Ruling:
        """Rule on the weak rollouts, and on the strong ones if there are any.

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


def show(value: Fraction) -> str:
    """For reasons and displays: two decimals if that is exact, otherwise three."""
    short = f"{float(value):.2f}"
    return short if Fraction(short) == value else f"{float(value):.3f}"


def ruled(predicate: Predicate, weak: Sequence[Fraction], strong: Sequence[Fraction] = ()) -> Ruling:
    """The predicate's ruling, converted to enums. Raises PluginError for an invalid ruling."""
    said = predicate.rule(weak, strong)
    try:
        status = Status(said.status)
        category = FailureCategory(said.category) if said.category is not None else None
    except (AttributeError, ValueError) as error:
        raise PluginError(f"the predicate gave no ruling: {said!r:.200} ({error})") from error
    if status is Status.ACCEPTED and not strong:
        raise PluginError("the predicate accepted an example without strong rollouts; it may say UNDECIDED")
    if status is Status.UNDECIDED and strong:
        raise PluginError("the predicate left an example undecided though all rollouts were run")
    return Ruling(status=status, category=category, reason=str(said.reason))
