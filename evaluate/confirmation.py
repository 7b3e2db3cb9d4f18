"""An accepted example measured once more, by nobody's choice: how much of the acceptance was chance?

The same predicate over fresh rollouts, after the box has ended, so that no harness can see, wait for or
influence it. There is no second final check: that one is not drawn by lot. Changes no verdict; see
docs/decisions/008-confirmation.md.
"""

from dataclasses import dataclass, replace

from studbook.evaluate.contracts import Example, Rollout, Status
from studbook.evaluate.control import Unmeasurable
from studbook.evaluate.evaluator import Evaluator, SeedScope
from studbook.evaluate.reports import average_of
from studbook.populations.records import Confirmation

UNMEASURED = "could not be measured again: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The record, and the rollouts it rests on."""

    record: Confirmation
    weak: tuple[Rollout, ...] = ()
    strong: tuple[Rollout, ...] = ()


def confirmation_seeds(seeds: SeedScope) -> SeedScope:
    """Every seed of the confirmation differs from every seed of the rounds."""
    return replace(seeds, run_seed=seeds.seed("confirmation"))


def confirm(evaluator: Evaluator, example: Example, round_number: int) -> Confirmed:
    """`evaluator` has fresh seeds. Weak first; strong only if they leave it open, as in a round.

    Raises what the world does wrong. An example that can suddenly not be measured does not hold.
    """
    try:
        report = evaluator.evaluate(example, round_number, "weak")
        report = evaluator.measure_strong(example, report)
    except Unmeasurable as problem:
        reason = f"{UNMEASURED}{problem}"
        return Confirmed(
            record=Confirmation(holds=False, reason=reason, weak_average=None, strong_average=None)
        )
    return Confirmed(
        record=Confirmation(
            holds=report.status is Status.ACCEPTED,
            reason=report.reason,
            weak_average=str(average_of(report.weak)),
            strong_average=str(average_of(report.strong)) if report.strong else None,
        ),
        weak=report.weak,
        strong=report.strong,
    )
