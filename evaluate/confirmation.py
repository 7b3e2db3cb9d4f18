"""Measures an accepted example again after its box has ended, on fresh rollouts with the same predicate.

No harness can see, wait for or influence this. It estimates how much of the acceptance was chance; it changes
no verdict (docs/decisions/008-confirmation.md).
"""

from dataclasses import dataclass

from studbook.evaluate.contracts import Example, Rollout, Status
from studbook.evaluate.control import Unmeasurable
from studbook.evaluate.evaluator import Evaluator
from studbook.evaluate.rubric import average
from studbook.populations.records import Confirmation

UNMEASURED = "could not be measured again: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The record, and the rollouts behind it."""

    record: Confirmation
    weak: tuple[Rollout, ...] = ()
    strong: tuple[Rollout, ...] = ()


def confirm(evaluator: Evaluator, example: Example, round_number: int) -> Confirmed:
    """Measure the example again; `evaluator` needs fresh seeds. Strong rollouts run only if weak ones pass.

    Raises infrastructure errors. An example that can no longer be measured counts as not confirmed.
    """
    try:
        report = evaluator.evaluate(example, round_number, "weak")
        report = evaluator.measure_strong(example, report)
    except Unmeasurable as problem:
        reason = f"{UNMEASURED}{problem}"
        record = Confirmation(holds=False, reason=reason, weak_average=None, strong_average=None)
        return Confirmed(record=record)
    return Confirmed(
        record=Confirmation(
            holds=report.status is Status.ACCEPTED,
            reason=report.reason,
            weak_average=str(average(each.score for each in report.weak)),
            strong_average=str(average(each.score for each in report.strong)) if report.strong else None,
        ),
        weak=report.weak,
        strong=report.strong,
    )
