"""An example that a frozen role cannot deal with is the example's failure; an outage never is."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.evaluation import PAPER, example_body, harness, mark_by_facts

from populations.records import FailureCategory, PaperVerdict
from studbook.errors import ModelUnavailable, RequestRefused

BAD = "poison"  # stands in the context of an example; the judge sees only its question
TOO_LONG = RequestRefused("too long: maximum is 8192\nendpoint 'e' at http://secret.example, model 'm'\nstep")


def poisoned():
    return {**example_body(BAD), "question": f"Which facts hold, {BAD}?"}


def fails_on_poison(good, error=None, text="no JSON here"):
    """Refuses, or answers with `text`, whatever holds the poison."""

    def answer(request):
        if BAD not in request.messages[-1].content:
            return good(request)
        if error is not None:
            raise error
        return text

    return answer


def solve(request):
    return "<0> <1> <2> <3>"


def judge(request):
    asked = request.messages[-1].content
    return mark_by_facts(asked) if "fact 1." in asked else '{"marks": [true, true, true, true, false]}'


def verify(request):
    return '{"pass": true, "reason": "sound"}'


def solve_well(request):
    return " ".join(f"<{n}>" for n in range(8))


ROLES = {"weak": solve, "strong": solve_well, "judge": judge, "final_verifier": verify}


def test_an_example_that_a_model_refuses_costs_its_round_and_not_the_run(rig):
    rig.models.answers = {**ROLES, "weak": fails_on_poison(solve, TOO_LONG)}
    relay = rig.relay()
    assert relay.evaluate(poisoned())["error"] == {
        "type": "malformed_example",
        "message": "the evaluator's model of role `weak` cannot take it: "
        "too long, filtered, or no answer within its token limit",
    }
    assert [(item.number, item.category) for item in relay.relay.rounds] == [(1, FailureCategory.MALFORMED)]
    assert relay.evaluate(example_body("two"))["status"] == "accepted"


@pytest.mark.parametrize("role", ["weak", "strong"])
def test_an_example_that_talks_a_solver_into_silence_costs_its_round(rig, role):
    rig.models.answers = {**ROLES, role: fails_on_poison(ROLES[role], text=" ")}
    error = rig.relay().evaluate(poisoned())["error"]
    assert error["message"] == f"the evaluator's model of role `{role}` answers it with nothing"


@pytest.mark.parametrize("role", ["judge", "final_verifier"])
def test_an_example_that_no_reply_in_form_can_be_had_for_costs_its_round(rig, role):
    rig.models.answers = {**ROLES, role: fails_on_poison(ROLES[role])}
    error = rig.relay().evaluate(poisoned())["error"]
    assert f"role `{role}` gives it no reply in the required form" in error["message"]


@pytest.mark.parametrize(
    ("role", "failure"),
    [
        *((role, TOO_LONG) for role in ROLES),
        *((role, " ") for role in ROLES),
        ("judge", "no JSON here"),
        ("final_verifier", "no JSON here"),
    ],
)
def test_a_role_that_fails_on_an_ordinary_example_too_is_the_worlds_failure(rig, role, failure):
    def broken(request):
        if isinstance(failure, Exception):
            raise failure
        return failure

    rig.models.answers = {**ROLES, role: broken}
    relay = rig.relay()
    with pytest.raises((RequestRefused, ModelUnavailable)):
        relay.evaluate(poisoned())
    assert relay.relay.rounds == ()


def test_an_outage_is_never_scored_even_when_only_one_example_meets_it(rig):
    rig.models.answers = {**ROLES, "weak": fails_on_poison(solve, ModelUnavailable("timed out"))}
    relay = rig.relay()
    with pytest.raises(ModelUnavailable, match="timed out"):
        relay.evaluate(poisoned())
    assert relay.relay.rounds == ()


def test_a_refusal_that_does_not_last_changes_nothing(rig):
    errors = [TOO_LONG]

    def once(request):
        if errors and BAD in request.messages[-1].content:
            raise errors.pop()
        return solve(request)

    rig.models.answers = {**ROLES, "weak": once}
    assert rig.relay().evaluate(poisoned())["status"] == "accepted"


def test_strong_rollouts_that_fail_close_the_round_that_weak_ones_opened(rig):
    rig.models.answers = {**ROLES, "strong": fails_on_poison(solve_well, TOO_LONG)}
    relay = rig.relay()
    assert relay.evaluate(poisoned(), solvers="weak")["status"] == "undecided"
    assert relay.evaluate(poisoned())["error"]["type"] == "malformed_example"
    assert [(item.number, item.status) for item in relay.relay.rounds] == [(1, "rejected")]


def test_sending_it_again_costs_neither_a_round_nor_a_call(rig):
    rig.models.answers = {**ROLES, "weak": fails_on_poison(solve, TOO_LONG)}
    relay = rig.relay()
    first = relay.evaluate(poisoned())
    asked = len(rig.models.requests)
    assert [relay.evaluate(poisoned(), solvers=which) for which in ("weak", "both")] == [first, first]
    assert len(rig.models.requests) == asked
    assert len(relay.relay.rounds) == 1


def test_rollouts_side_by_side_are_counted_the_same(rig):
    rig.models.answers = {**ROLES, "weak": fails_on_poison(solve, TOO_LONG)}
    tree = harness(
        f"try:\n    box.evaluate(example({BAD!r}))\nexcept Exception:\n    box.evaluate(example())"
    )
    alone = rig.paper_evaluator().evaluate_paper(tree, PAPER, 0)
    with ThreadPoolExecutor(6) as pool:
        rig.folder = rig.folder / "other"
        together = rig.paper_evaluator(rollout_pool=pool).evaluate_paper(tree, PAPER, 0)
    assert together == alone
    assert (alone.verdict, alone.reason) == (PaperVerdict.ACCEPTED, "accepted in round 2")


def test_a_harness_is_not_told_which_endpoint_refused_it(rig):
    rig.models.answers["challenger"] = fails_on_poison(solve, TOO_LONG)
    reply = rig.relay().chat(messages=[{"role": "user", "content": BAD}])
    assert reply["error"] == {"type": "model_failed", "message": "too long: maximum is 8192"}
