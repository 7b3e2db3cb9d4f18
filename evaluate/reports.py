"""A report in its three outward forms: what a harness is told, what is recorded, what the journal keeps.

Pure. Floats appear only in what people and harnesses read; the journal keeps exact fractions.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from studbook.evaluate.contracts import Example, Report, Rollout, Status
from studbook.evaluate.examples import example_hash
from studbook.evaluate.rubric import average
from studbook.populations.records import FailureCategory, RoundResult


def report_to_frame(report: Report, example: Example, rounds_left: int) -> dict[str, Any]:
    """What the harness is told: no answers, no marks of single rollouts."""
    gap = average_of(report.strong) - average_of(report.weak) if report.strong else None
    return {
        "round": report.round_number,
        "status": report.status.value,
        "category": report.category.value if report.category else None,
        "reason": report.reason,
        "weak": _scores(report.weak),
        "strong": _scores(report.strong),
        "gap": None if gap is None else round(float(gap), 4),
        "criteria": [
            {
                "weak_met": sum(rollout.marks[number] for rollout in report.weak),
                "strong_met": sum(rollout.marks[number] for rollout in report.strong)
                if report.strong
                else None,
            }
            for number in range(len(example.rubric))
        ],
        "rounds_left": rounds_left,
    }


def report_to_round(report: Report) -> RoundResult:
    return RoundResult(
        number=report.round_number,
        status=report.status.value,
        category=report.category,
        reason=report.reason,
        weak_average=str(average_of(report.weak)) if report.weak else None,
        strong_average=str(average_of(report.strong)) if report.strong else None,
    )


def near_duplicate(example: Example, number: int, repeated: int) -> Report:
    """Of an example that was not measured, because round `repeated` nearly had it."""
    return Report(
        example_hash=example_hash(example),
        round_number=number,
        status=Status.REJECTED,
        category=FailureCategory.NEAR_DUPLICATE,
        reason=(
            f"nearly the example of round {repeated}, so it was not measured again: "
            "ask another question, or write other criteria"
        ),
        weak=(),
        strong=(),
    )


def malformed_round(
    number: int, reason: str, category: FailureCategory = FailureCategory.MALFORMED
) -> RoundResult:
    return RoundResult(
        number=number,
        status="rejected",
        category=category,
        reason=reason,
        weak_average=None,
        strong_average=None,
    )


def rollout_to_json(rollout: Rollout) -> dict[str, Any]:
    return {
        "solver": rollout.solver,
        "index": rollout.index,
        "seed": rollout.seed,
        "answer": rollout.answer,
        "marks": list(rollout.marks),
        "score": str(rollout.score),
        "truncated": rollout.is_truncated,
    }


def average_of(rollouts: Sequence[Rollout]) -> Fraction:
    return average(rollout.score for rollout in rollouts)


def _scores(rollouts: Sequence[Rollout]) -> dict[str, Any] | None:
    if not rollouts:
        return None
    scores = [rollout.score for rollout in rollouts]
    return {
        "average": round(float(average(scores)), 4),
        "best": round(float(max(scores)), 4),
        "scores": [round(float(score), 4) for score in scores],
        "truncated": sum(rollout.is_truncated for rollout in rollouts),
    }
