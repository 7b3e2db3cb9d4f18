"""An example that a frozen role cannot deal with is the example's failure; an outage never is."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from support.evaluation import PAPER, example_body, harness, mark_by_facts

from studbook.errors import Cause, ModelUnavailable, Outage, RequestRefused
from studbook.evaluate.control import (
    ROLE_FAULT,
    Unreadable,
    role_to_pause_for,
    roles_at_fault,
    roles_read,
)
from studbook.evaluate.evaluations import evaluate_many
from studbook.evaluate.paper_queue import PaperQueue
from studbook.evaluate.papers import make_paper
from studbook.evaluate.relay import malformed_round
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.llm.client import RetryPolicy
from studbook.llm.contracts import Usage
from studbook.populations.records import FailureCategory, PaperResult, PaperVerdict

BAD = "poison"  # stands in the context of an example; the judge sees only its question
TOO_LONG = RequestRefused("too long: maximum is 8192\nendpoint 'e' at http://secret.example, model 'm'\nstep")


def poisoned():
    return {**example_body(BAD), "question": f"Which facts hold, {BAD}?"}


def fails_on_poison(good, error=None, text="no JSON here"):
    """Refuses, or answers with `text`, whatever holds the poison."""

    def answer(request):
        if not any(BAD in message.content for message in request.messages):
            return good(request)
        if error is not None:
            raise error
        return text

    return answer


def solve(request):
    return "<0> <1> <2> <3>"


def judge(request):
    asked = request.messages[1].content
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
        "message": "the evaluator's model of role `weak` cannot take it: too long, or filtered",
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


@pytest.mark.parametrize("role", ["judge", "final_verifier"])
@pytest.mark.parametrize(
    ("reply", "category"), [("no JSON here", FailureCategory.UNREADABLE), ("cut", FailureCategory.TRUNCATED)]
)
def test_a_role_that_cannot_follow_the_form_at_all_is_a_category_and_never_an_acceptance(
    rig, role, reply, category
):
    rig.models.answers = {**ROLES, role: lambda _: CUT if reply == "cut" else reply}
    relay = rig.relay()
    errors = [relay.evaluate(example_body(marker))["error"] for marker in ("one", "two", "three")]
    assert "not this example's fault" in errors[0]["message"]
    assert [item.category for item in relay.relay.rounds] == [category] * 2
    told = "the evaluator's own models give no readable replies on this paper"
    assert errors[2] == {"type": "budget_spent", "message": told}
    assert roles_at_fault(result_of(relay.relay.rounds)) == {role}


def test_an_example_that_provokes_unreadable_replies_does_not_stop_the_run(rig):
    rig.models.answers = {**ROLES, "judge": fails_on_poison(judge)}
    relay = rig.relay()
    for n in range(4):
        bad = {**poisoned(), "rubric": example_body(f"criteria {n}")["rubric"]}
        assert "fewer or plainer criteria" in relay.evaluate(bad)["error"]["message"]
    assert roles_at_fault(result_of(relay.relay.rounds)) == frozenset()
    assert relay.evaluate(example_body("two"))["status"] == "accepted"
    assert roles_read(result_of(relay.relay.rounds)) == {"judge", "final_verifier"}


EVALUATE_TWICE = """
for marker in ("one", "two"):
    try:
        box.evaluate(example(marker))
    except Exception:
        pass
"""


def result_of(rounds):
    return PaperResult(
        key="k",
        paper_id="p",
        replicate=0,
        verdict=PaperVerdict.NOT_ACCEPTED,
        reason="",
        rounds=rounds,
        usage=Usage(),
        calls=0,
        trajectory_hash="",
    )


AT_FAULT = result_of(
    (malformed_round(1, f"the evaluator's model of role `judge` {ROLE_FAULT}", FailureCategory.UNREADABLE),)
)
NOT_ASKED = result_of((malformed_round(1, "no question"),))
READ = result_of((replace(malformed_round(1, "too easy"), weak_average="1/2"),))


@pytest.mark.parametrize(
    ("results", "role"),
    [
        ([AT_FAULT] * 2, ""),
        ([AT_FAULT] * 3, "judge"),
        ([AT_FAULT, NOT_ASKED, AT_FAULT, AT_FAULT], "judge"),
        ([AT_FAULT, AT_FAULT, AT_FAULT, NOT_ASKED], ""),
        ([AT_FAULT, AT_FAULT, READ, AT_FAULT], ""),
        ([], ""),
    ],
)
def test_what_pauses_a_run_is_a_row_of_papers_in_their_order(results, role):
    assert role_to_pause_for(results) == role


def evaluate_all(evaluator, tree, papers, workers, guess=()):
    with ThreadPoolExecutor(workers) as pool:
        queue = PaperQueue(evaluator, pool)
        for paper in guess:
            queue.ask(tree, paper, 0, (1,), lambda: True).future.result(60)
        return evaluate_many(
            queue, tree, papers, harness_id="x", split="validation", replicate=0, workers=workers
        )


@pytest.mark.parametrize(("workers", "guessed"), [(1, 0), (4, 0), (1, 5), (2, 3)])
def test_a_judge_that_reads_nothing_pauses_the_run_and_a_resume_draws_afresh(rig, workers, guessed):
    """At the same paper with the same result, however many run at once or before they are needed."""
    is_repaired = [False]
    rig.models.answers = {
        **ROLES,
        "judge": lambda request: judge(request) if is_repaired[0] else "All met.",
    }
    tree = harness(EVALUATE_TWICE)
    papers = [make_paper(f"# Paper {n}\n\n" + "Text. " * 500, "p.md") for n in range(5)]
    with pytest.raises(Unreadable, match=r"`judge` gave no usable reply on 3 papers in a row"):
        evaluate_all(rig.paper_evaluator(), tree, papers, workers, papers[::-1][:guessed])
    is_repaired[0] = True
    results = evaluate_all(rig.paper_evaluator(), tree, papers, workers).results
    store = rig.paper_evaluator().store
    found = [store.get(result.key) for result in results]
    assert [each.category for result in results[:2] for each in result.rounds] == [
        FailureCategory.UNREADABLE
    ] * 4
    assert [result.verdict for result in results[2:]] == [PaperVerdict.ACCEPTED] * 3
    assert [each.redraws for each in found] == [0, 0, 1, 1, 1]
    # rounds, rollouts; three replies, the control's, three more
    assert [each.unreadable_by_role for each in found] == [{"judge": 2 * 3 * 9}] * 2 + [{}] * 3
    asked = len(rig.models.requests)
    rig.folder = rig.folder / "replay"
    TrajectoryStore(rig.folder).put_redraws(results[2].key, 1)
    assert rig.paper_evaluator().evaluate_paper(tree, papers[2], 0) == results[2]
    assert len(rig.models.requests) == asked  # answered from the records


def test_a_guess_alone_neither_pauses_a_run_nor_draws_again(rig):
    rig.models.answers = {**ROLES, "judge": lambda request: "All met."}
    evaluator, tree = rig.paper_evaluator(), harness(EVALUATE_TWICE)
    for n in range(4):
        paper = make_paper(f"# Paper {n}\n\n" + "Text. " * 500, "p.md")
        assert evaluator.evaluate_paper(tree, paper, 0).verdict is PaperVerdict.NOT_ACCEPTED
    assert not list(rig.folder.rglob("*.redraws"))


TIMED_OUT = ModelUnavailable("timed out", cause=Cause.TIMEOUT)


def test_an_outage_is_never_scored_even_when_only_one_example_meets_it(rig):
    """The rig tries twice: too rarely to tell a request that never works from bad luck."""
    rig.models.answers = {**ROLES, "weak": fails_on_poison(solve, TIMED_OUT)}
    relay = rig.relay()
    with pytest.raises(ModelUnavailable, match="timed out"):
        relay.evaluate(poisoned())
    assert relay.relay.rounds == ()


def test_an_example_that_time_and_again_gets_no_answer_costs_its_round_and_not_the_run(rig):
    rig.retry = RetryPolicy(attempts=6)
    rig.models.answers = {**ROLES, "weak": fails_on_poison(solve, TIMED_OUT)}
    relay = rig.relay()
    error = relay.evaluate(poisoned())["error"]
    assert error["message"] == (
        "the evaluator's model of role `weak` "
        "does not answer it in time, or fails on it, while it answers others"
    )
    assert [item.category for item in relay.relay.rounds] == [FailureCategory.MALFORMED]
    assert relay.evaluate(example_body("two"))["status"] == "accepted"


@pytest.mark.parametrize("cause", [Cause.LIMITED, Cause.UNREACHED])
def test_who_was_not_let_in_was_not_heard_so_nothing_is_scored(rig, cause):
    rig.retry = RetryPolicy(attempts=6)
    rig.models.answers = {**ROLES, "weak": fails_on_poison(solve, ModelUnavailable("no entry", cause=cause))}
    relay = rig.relay()
    assert relay.evaluate(example_body("two"), solvers="weak")["status"] == "undecided"
    with pytest.raises(Outage, match="no entry"):
        relay.evaluate(poisoned())
    assert len(relay.relay.rounds) == 1


def test_a_paper_gets_few_requests_that_never_end(rig):
    rig.retry = RetryPolicy(attempts=6)
    rig.models.answers = {**ROLES, "weak": fails_on_poison(solve, TIMED_OUT)}
    relay = rig.relay()
    for n in range(2):
        bad = {**poisoned(), "rubric": example_body(f"criteria {n}")["rubric"]}
        assert relay.evaluate(bad)["error"]["type"] == "malformed_example"
    told = {"type": "budget_spent", "message": "2 requests of this paper were never answered"}
    assert relay.evaluate(example_body("two"))["error"] == told
    assert relay.chat()["error"] == told


def test_a_replay_repeats_what_a_role_could_not_answer_without_asking_it(rig):
    rig.models.answers = {**ROLES, "weak": fails_on_poison(solve, TOO_LONG)}
    first = rig.relay().evaluate(poisoned())
    asked = len(rig.models.requests)
    again = rig.replay().evaluate(poisoned())
    assert again == first
    assert len(rig.models.requests) == asked


def test_a_replay_repeats_replies_out_of_form(rig):
    rig.models.answers = {**ROLES, "judge": fails_on_poison(judge)}
    first = rig.relay().evaluate(poisoned())
    assert rig.replay().evaluate(poisoned()) == first
    assert "no reply in the required form" in first["error"]["message"]


def test_a_control_question_is_asked_anew_each_time(rig):
    """Else an outage that begins after the first one would be scored."""
    is_down = [False]

    def refuses(request):
        if is_down[0] or BAD in request.messages[-1].content:
            raise TOO_LONG
        return solve(request)

    rig.models.answers = {**ROLES, "weak": refuses}
    relay = rig.relay()
    assert relay.evaluate(poisoned())["error"]["type"] == "malformed_example"
    is_down[0] = True
    with pytest.raises(RequestRefused):
        relay.evaluate(example_body("two"))
    assert len(relay.relay.rounds) == 1


CUT = "I think that criterion one is met because the answer says so, and criterion two" + " and so on" * 2000


@pytest.mark.parametrize("role", ["judge", "final_verifier"])
def test_a_judgement_that_never_comes_to_its_end_is_a_category_of_its_own(rig, role):
    rig.models.answers = {**ROLES, role: fails_on_poison(ROLES[role], text=CUT)}
    relay = rig.relay()
    told = relay.evaluate(poisoned())["error"]["message"]
    assert told == (
        f"the evaluator's model of role `{role}` does not come to an end about it within its token limit"
    )
    assert [item.category for item in relay.relay.rounds] == [FailureCategory.TRUNCATED]
    assert relay.meter.truncated_by_role == {role: 18 if role == "judge" else 6}


@pytest.mark.parametrize(
    ("role", "early"),
    [
        ("judge", '{"marks": [true, true, true, true, false, false, false, false, false, false]}'),
        ("final_verifier", '{"pass": true, "reason": "sound"}'),
    ],
)
def test_marks_in_a_reply_that_was_cut_off_are_not_read(rig, role, early):
    """It drafted before it decided, and what it decided is missing."""
    rig.models.answers = {**ROLES, role: lambda request: early + CUT}
    relay = rig.relay()
    assert relay.evaluate(example_body())["error"]["type"] == "malformed_example"
    assert [item.category for item in relay.relay.rounds] == [FailureCategory.TRUNCATED]


def test_an_answer_that_was_cut_off_is_scored_as_it_is_and_counted(rig):
    rig.models.answers = {**ROLES, "weak": lambda request: solve(request) + CUT}
    relay = rig.relay()
    report = relay.evaluate(example_body())
    assert (report["status"], report["weak"]["truncated"], report["strong"]["truncated"]) == (
        "accepted",
        3,
        0,
    )
    assert relay.meter.truncated_by_role == {"weak": 3}
    events = [event for event in relay.transcript.events if event["kind"] == "report"]
    assert [rollout["truncated"] for rollout in events[0]["weak"]] == [True, True, True]


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
