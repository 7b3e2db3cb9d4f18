"""Planted cases put to judge and final verifier: what one call each tells about a model."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from studbook.errors import RequestFailed
from studbook.evaluate.planted.canary import ROLES, Canary, canary_cases
from studbook.evaluate.settings import EvaluatorSettings, read_prompts
from studbook.llm.contracts import ChatReply, RoleModel, Usage
from studbook.populations.records import CanaryScore, CanaryVerdict
from studbook.testbed.models.backend import TestbedBackend

EXAMPLES, ANSWERS = canary_cases()


class Answering:
    """A Chat that gives every call of a role the text that a function makes of it, and counts calls."""

    def __init__(self, **texts):
        self.texts = texts
        self.calls = []

    def chat(self, call):
        self.calls.append(call)
        return ChatReply(text=self.texts[call.role](call), usage=Usage())


class Testbed:
    """The testbed's programs, which are right about most cases."""

    __test__ = False

    def chat(self, call):
        to = RoleModel(endpoint="here", model=f"testbed-{call.role.replace('_', '-')}")
        return TestbedBackend().complete(to.resolve(call))


def ask(chat, roles=ROLES):
    canary = Canary(chat=chat, settings=EvaluatorSettings(), prompts=read_prompts(), run_seed=1)
    with ThreadPoolExecutor(4) as pool:
        return tuple(result.score for result in canary.ask(roles, pool))


def ask_for_wrong(chat, role):
    canary = Canary(chat=chat, settings=EvaluatorSettings(), prompts=read_prompts(), run_seed=1)
    with ThreadPoolExecutor(4) as pool:
        return canary.ask([role], pool)[0].wrong


def verdict_for(marks):
    return ask(Answering(judge=lambda call: json.dumps({"marks": marks})), ["judge"])[0]


def test_half_of_the_marks_are_met_and_half_of_the_examples_good():
    truth = [mark for case in ANSWERS for mark in case.truth]
    assert (truth.count(True), truth.count(False)) == (10, 10)
    assert [case.should_pass for case in EXAMPLES].count(True) == len(EXAMPLES) / 2 == 6
    assert all(case.document for case in EXAMPLES)


def test_models_that_are_right_are_above_chance():
    scores = ask(Testbed())
    assert [score.role for score in scores] == ["judge", "final_verifier"]
    assert [score.verdict for score in scores] == [CanaryVerdict.ABOVE_CHANCE] * 2
    assert [(score.readable, score.asked) for score in scores] == [(4, 4), (12, 12)]


@pytest.mark.parametrize("mark", [True, False])
def test_a_judge_that_always_says_the_same_is_at_chance(mark):
    score = verdict_for([mark] * 5)
    assert (score.right, score.n, score.verdict) == (10, 20, CanaryVerdict.NEAR_CHANCE)


@pytest.mark.parametrize("says", ["true", "false"])
def test_a_verifier_that_always_says_the_same_is_at_chance(says):
    chat = Answering(final_verifier=lambda call: f'{{"pass": {says}, "reason": "as always"}}')
    (score,) = ask(chat, ["final_verifier"])
    assert (score.right, score.n, score.verdict) == (6, 12, CanaryVerdict.NEAR_CHANCE)


def test_a_judge_with_the_wrong_number_of_marks_is_unreadable():
    score = verdict_for([True, False, True])
    assert (score.n, score.readable, score.asked) == (0, 0, 4)
    assert score.verdict is CanaryVerdict.UNREADABLE


def test_a_model_that_repeats_what_it_was_shown_is_not_above_chance():
    echo = Answering(
        judge=lambda call: call.messages[0].content, final_verifier=lambda call: call.messages[0].content
    )
    assert all(score.verdict is not CanaryVerdict.ABOVE_CHANCE for score in ask(echo))


def test_every_case_is_one_call_however_unreadable_the_replies_are():
    chat = Answering(judge=lambda call: "Well.", final_verifier=lambda call: "")
    ask(chat)
    assert len(chat.calls) == 16


def test_a_request_that_the_model_refuses_is_unreadable_and_no_error():
    def refuse(call):
        raise RequestFailed("refused", "too long")

    (score,) = ask(Answering(judge=refuse), ["judge"])
    assert score.verdict is CanaryVerdict.UNREADABLE


def test_wrong_cases_are_told_with_the_replies():
    wrong = ask_for_wrong(Answering(judge=lambda call: json.dumps({"marks": [True] * 5})), "judge")
    assert sorted(each.fault for each in wrong) == ["2 of 5 marks wrong"] * 2 + ["3 of 5 marks wrong"] * 2
    assert all("true" in each.reply for each in wrong)
    passing = Answering(final_verifier=lambda call: '{"pass": true, "reason": "fine"}')
    wrong = ask_for_wrong(passing, "final_verifier")
    assert [(each.fault, "fine" in each.reply) for each in wrong] == [("passed", True)] * 6
    assert not any("good example" in each.case for each in wrong)


def test_a_request_that_fails_is_told_in_its_words():
    def refuse(call):
        raise RequestFailed("refused", "the prompt is too long")

    wrong = ask_for_wrong(Answering(judge=refuse), "judge")
    assert [(each.fault, each.reply) for each in wrong] == [("unreadable", "the prompt is too long")] * 4


def test_the_same_run_asks_the_same():
    first, second = Answering(judge=lambda call: "{}"), Answering(judge=lambda call: "{}")
    ask(first, ["judge"])
    ask(second, ["judge"])
    assert sorted(call.seed for call in first.calls) == sorted(call.seed for call in second.calls)


@pytest.mark.parametrize(
    ("right", "n", "readable", "asked", "verdict"),
    [
        (15, 20, 4, 4, "above chance"),
        (14, 20, 4, 4, "near chance"),
        (10, 12, 12, 12, "above chance"),
        (9, 12, 12, 12, "near chance"),
        (10, 10, 2, 4, "above chance"),
        (5, 5, 1, 4, "unreadable"),
        (0, 20, 4, 4, "near chance"),
    ],
)
def test_the_interval_decides_and_too_few_replies_are_unreadable(right, n, readable, asked, verdict):
    score = CanaryScore(role="judge", right=right, n=n, readable=readable, asked=asked)
    assert score.verdict == verdict
