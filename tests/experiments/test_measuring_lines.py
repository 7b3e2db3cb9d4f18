"""What `studbook evaluate` says of confirmations and attempts."""

from dataclasses import replace

from studbook.evaluate.evaluations import summarize
from studbook.experiments.cli.evaluating import summary_lines
from studbook.rate import Rate

NOTHING = summarize([])


def said(summary):
    return "\n".join(line.plain for line in summary_lines(summary, 1.0))


def test_how_many_acceptances_held_is_said_with_its_interval():
    assert "12 of 17 accepted examples reproduced on fresh rollouts (95% CI 46.9–86.7)" in said(
        replace(NOTHING, confirmed=Rate(12, 17))
    )


def test_without_a_confirmation_nothing_is_said_of_it():
    assert "reproduced" not in said(NOTHING)


def test_remarks_to_the_scorer_are_counted_aloud():
    assert "3 passages that may address the solver, judge or verifier" in said(replace(NOTHING, attempts=3))
    assert "remarks" not in said(NOTHING)


def test_the_share_of_unreadable_replies_is_said_by_role():
    counted = replace(NOTHING, unreadable_by_role={"judge": 12}, calls_by_role={"judge": 108})
    assert "unreadable: judge 12 of 108 replies" in said(counted)
    assert "unreadable" not in said(NOTHING)
