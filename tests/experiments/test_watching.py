"""What a run says of its seed: a judge that cannot be read must not look like a poor harness."""

import pytest

from studbook.experiments.run.watching import seed_warning
from studbook.llm.contracts import Usage
from studbook.populations.records import (
    Evaluation,
    FailureCategory,
    PaperResult,
    PaperVerdict,
    RoundResult,
)


def evaluation(categories):
    rounds = tuple(
        RoundResult(
            number=number,
            status="rejected",
            category=category,
            reason=f"why {category.value}",
            weak_average=None,
            strong_average=None,
        )
        for number, category in enumerate(categories, 1)
    )
    result = PaperResult(
        key="k",
        paper_id="p",
        replicate=0,
        verdict=PaperVerdict.NOT_ACCEPTED,
        reason="no example accepted",
        rounds=rounds,
        usage=Usage(),
        calls=1,
        trajectory_hash="h",
    )
    return Evaluation(
        harness_id="seed",
        tree_hash="t",
        evaluator_hash="e",
        split="validation",
        replicate=0,
        results=(result,),
    )


@pytest.mark.parametrize(
    ("unreadable", "easy", "warning"),
    [
        (3, 0, "3 of the seed's 3 rounds could not be judged: why unreadable"),
        (2, 8, "2 of the seed's 10 rounds could not be judged: why unreadable"),
        (1, 9, ""),
        (0, 4, ""),
    ],
)
def test_rounds_that_could_not_be_judged_are_said(unreadable, easy, warning):
    categories = [FailureCategory.TOO_EASY] * easy + [FailureCategory.UNREADABLE] * unreadable
    assert seed_warning(evaluation(categories)) == warning
