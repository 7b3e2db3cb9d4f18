import pytest
from support.evaluation import EXAMPLE, HOPELESS, PAPER, LossySandbox, WarningSandbox, harness

from studbook.errors import BoxRefused, ModelUnavailable, SandboxError
from studbook.evaluate.paper_evaluator import SandboxedEvaluator, accepted_example, rule_on_box
from studbook.evaluate.papers import make_paper
from studbook.evaluate.settings import EvaluatorSettings, Frozen
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.populations.records import PaperVerdict
from studbook.sandbox.contract import BoxStatus, Outcome

GOOD_HARNESS = harness(
    "box.chat('challenger', [{'role': 'user', 'content': box.paper.text}])\nbox.evaluate(example())"
)


def outcome(status, detail=""):
    return Outcome(status=status, detail=detail, stderr_tail="", seconds=1.0)


def test_a_paper_passes_when_the_evaluator_accepted_an_example(rig):
    result = rig.paper_evaluator().evaluate_paper(GOOD_HARNESS, PAPER, 0)
    assert (result.verdict, result.reason) == (PaperVerdict.ACCEPTED, "accepted in round 1")
    assert (result.paper_id, result.replicate, result.calls) == (PAPER.paper_id, 0, 26)
    assert result.rounds[0].weak_average == "2/5"
    assert result.rounds[0].strong_average == "4/5"


@pytest.mark.parametrize(
    ("body", "verdict", "reason"),
    [
        ("return {'status': 'accepted'}", "no_example", "ended without evaluating an example"),
        ("raise KeyError('x')", "crashed", "the box crashed: KeyError: 'x'"),
        (
            "box.evaluate(example())\nraise ValueError('late')",
            "accepted",
            "accepted in round 1; the box then crashed: ValueError: late",
        ),
    ],
)
def test_only_what_the_evaluator_saw_decides(rig, body, verdict, reason):
    result = rig.paper_evaluator().evaluate_paper(harness(body), PAPER, 0)
    assert (result.verdict.value, result.reason) == (verdict, reason)


def test_rounds_without_acceptance_are_not_accepted(rig):
    rig.models.knows = HOPELESS
    result = rig.paper_evaluator().evaluate_paper(
        harness("box.evaluate(example('one'))\nbox.evaluate(example('two'))"), PAPER, 0
    )
    assert (result.verdict.value, result.reason) == ("not_accepted", "no example accepted in 2 rounds")
    assert [item.category.value for item in result.rounds] == ["strong_failed", "strong_failed"]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (BoxStatus.CRASHED, PaperVerdict.CRASHED),
        (BoxStatus.TIMED_OUT, PaperVerdict.TIMED_OUT),
        (BoxStatus.OUT_OF_LIMITS, PaperVerdict.OUT_OF_LIMITS),
        (BoxStatus.PROTOCOL_ERROR, PaperVerdict.PROTOCOL_ERROR),
    ],
)
def test_each_way_a_box_can_die_is_a_verdict_unless_an_example_was_accepted_before(status, verdict):
    assert rule_on_box(outcome(status), accepted_round=None, rounds=3)[0] is verdict
    assert rule_on_box(outcome(status), accepted_round=2, rounds=3)[0] is PaperVerdict.ACCEPTED


def test_the_box_is_told_the_paper_its_knobs_and_the_rounds_and_nothing_else(rig):
    body = "box.log(repr((sorted(vars(box.paper)) if hasattr(box.paper, '__dict__') else 0, box.paper.id, "
    body += "box.paper.title, box.knobs, box.max_rounds)))"
    rig.settings = EvaluatorSettings(max_rounds=4)
    evaluator = rig.paper_evaluator()
    result = evaluator.evaluate_paper(harness(body), PAPER, 3)
    logged = evaluator.store.get(result.key).events[0]["text"]
    assert logged == repr((0, PAPER.paper_id, "Ten facts", {"tries": 3}, 4))


def test_a_finished_paper_is_answered_again_without_a_box_or_a_call(rig):
    first = rig.paper_evaluator().evaluate_paper(GOOD_HARNESS, PAPER, 0)
    asked = len(rig.models.requests)
    rig.sandbox = LossySandbox(losses=99)
    assert rig.paper_evaluator().evaluate_paper(GOOD_HARNESS, PAPER, 0) == first
    assert len(rig.models.requests) == asked


def test_paper_replicate_harness_and_evaluator_each_make_another_result(rig):
    evaluator = rig.paper_evaluator()
    keys = {
        evaluator.evaluate_paper(GOOD_HARNESS, PAPER, 0).key,
        evaluator.evaluate_paper(GOOD_HARNESS, PAPER, 1).key,
        evaluator.evaluate_paper(harness("box.evaluate(example())"), PAPER, 0).key,
        evaluator.evaluate_paper(GOOD_HARNESS, make_paper("Other words. " * 300, "o.md"), 0).key,
    }
    rig.settings = EvaluatorSettings(max_rounds=1)
    keys.add(rig.paper_evaluator().evaluate_paper(GOOD_HARNESS, PAPER, 0).key)
    assert len(keys) == 5


def test_the_same_work_twice_leaves_the_same_trajectory(rig, tmp_path):
    def once(folder):
        evaluator = SandboxedEvaluator(
            chat=rig.chat(),
            sandbox=rig.sandbox,
            store=TrajectoryStore(folder),
            frozen=Frozen(settings=rig.settings, run_seed=7, models={}),
        )
        return evaluator.evaluate_paper(GOOD_HARNESS, PAPER, 0)

    assert once(tmp_path / "a") == once(tmp_path / "b")  # the second is answered from the call records


def test_a_box_the_sandbox_lost_is_run_again_and_told_of(rig):
    rig.sandbox = LossySandbox(losses=2)
    result = rig.paper_evaluator().evaluate_paper(GOOD_HARNESS, PAPER, 0)
    assert result.verdict is PaperVerdict.ACCEPTED
    assert result.calls == 26
    assert rig.notices == [
        f"box for paper {PAPER.paper_id} lost (attempt {n}): the engine went away" for n in (1, 2)
    ]


def test_an_engine_has_the_time_to_be_started_again_before_a_run_gives_up(rig):
    rig.sandbox = LossySandbox(losses=4)
    result = rig.paper_evaluator().evaluate_paper(GOOD_HARNESS, PAPER, 0)
    assert result.verdict is PaperVerdict.ACCEPTED
    assert rig.pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_box_lost_five_times_is_raised_and_leaves_no_result(rig):
    rig.sandbox = LossySandbox(losses=5)
    evaluator = rig.paper_evaluator()
    with pytest.raises(SandboxError, match="engine went away"):
        evaluator.evaluate_paper(GOOD_HARNESS, PAPER, 0)
    assert list(rig.folder.rglob("*")) == []


def test_a_box_that_the_engine_refuses_is_not_tried_again(rig):
    rig.sandbox = LossySandbox(losses=5, error=BoxRefused("unknown option"))
    with pytest.raises(BoxRefused, match="unknown option"):
        rig.paper_evaluator().evaluate_paper(GOOD_HARNESS, PAPER, 0)
    assert (rig.pauses, rig.notices) == ([], [])


def test_a_warning_of_every_box_is_told_once(rig):
    rig.sandbox = WarningSandbox()
    evaluator = rig.paper_evaluator()
    for replicate in range(2):
        evaluator.evaluate_paper(GOOD_HARNESS, PAPER, replicate)
    assert rig.notices == ["every box: no system call filter"]


def test_a_model_that_is_down_is_raised_and_leaves_no_result(rig):
    def down(request):
        raise ModelUnavailable("no connection")

    rig.models.answers["weak"] = down
    with pytest.raises(ModelUnavailable):
        rig.paper_evaluator().evaluate_paper(GOOD_HARNESS, PAPER, 0)
    assert list(rig.folder.rglob("*")) == []


def test_the_accepted_example_is_the_one_that_was_measured(rig):
    evaluator = rig.paper_evaluator()
    result = evaluator.evaluate_paper(GOOD_HARNESS, PAPER, 0)
    assert accepted_example(evaluator.store.get(result.key)) == EXAMPLE


def test_without_acceptance_there_is_no_example_to_export(rig):
    rig.models.knows = HOPELESS
    evaluator = rig.paper_evaluator()
    result = evaluator.evaluate_paper(GOOD_HARNESS, PAPER, 0)
    assert accepted_example(evaluator.store.get(result.key)) is None
