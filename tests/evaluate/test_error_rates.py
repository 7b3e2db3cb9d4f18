"""Planted cases put to frozen models through the evaluator, and the rates that come of it."""

import json

from studbook.evaluate.planted.cases import PlantedAnswer, PlantedExample, shipped_cases
from studbook.evaluate.planted.error_rates import (
    MET,
    NOT_MET,
    Checked,
    CheckOutcome,
    Examiner,
    Marked,
    examine_all,
    judge_rows,
    markdown,
    verifier_rows,
)
from studbook.evaluate.settings import EvaluatorSettings, read_prompts
from studbook.llm.contracts import ChatReply, Usage
from studbook.rate import Rate

EXAMPLES, ANSWERS = shipped_cases("written")
GOOD = next(case for case in EXAMPLES if case.should_pass)
GENERIC = next(case for case in EXAMPLES if case.kind == "generic")
CORRECT = next(case for case in ANSWERS if case.kind == "correct")


class Replies:
    """A Chat that gives each role a fixed text and keeps what it was asked."""

    def __init__(self, **texts):
        self.texts = texts
        self.calls = []

    def chat(self, call):
        self.calls.append(call)
        return ChatReply(text=self.texts[call.role], usage=Usage())


def examiner(chat, draw=0):
    return Examiner(chat=chat, settings=EvaluatorSettings(), prompts=read_prompts(), run_seed=1, draw=draw)


def test_only_the_final_verifier_is_asked_about_an_example():
    chat = Replies(final_verifier='{"pass": false, "reason": "leak"}')
    checked = examiner(chat).check(GOOD)
    assert (checked.outcome, checked.reason) == (CheckOutcome.FAILED, "final check failed: leak")
    assert [call.role for call in chat.calls] == ["final_verifier"]
    assert chat.calls[0].messages[0].content == read_prompts()["final_verifier"]
    assert GOOD.submission["reference_answer"] in chat.calls[0].messages[1].content


def test_an_example_that_the_verifier_likes_passes_whatever_it_is():
    chat = Replies(final_verifier='{"pass": true, "reason": "fine"}')
    assert examiner(chat).check(GENERIC).outcome is CheckOutcome.PASSED


def test_an_example_that_the_door_refuses_does_not_pass():
    broken = PlantedExample(source="s", origin="o", kind="generic", submission={"context": ""})
    chat = Replies()
    assert examiner(chat).check(broken).outcome is CheckOutcome.REFUSED
    assert chat.calls == []


def test_the_judge_gets_the_planted_answer_and_nothing_else():
    marks = [True, False, True, False, False]
    chat = Replies(judge=json.dumps({"marks": marks}))
    assert examiner(chat).mark(CORRECT).marks == tuple(marks)
    assert [call.role for call in chat.calls] == ["judge"]
    told = chat.calls[0].messages[1].content
    assert CORRECT.answer in told and CORRECT.submission["reference_answer"] not in told


def test_draws_differ_by_their_seed_only():
    chat = Replies(final_verifier='{"pass": true, "reason": "fine"}')
    for draw in (0, 1, 0):
        examiner(chat, draw).check(GOOD)
    first, second, third = (call.seed for call in chat.calls)
    assert first == third != second


def test_a_judge_that_cannot_read_an_answer_is_wrong_about_all_of_it():
    class Silent(Replies):
        def chat(self, call):
            super().chat(call)
            strange = "strange words" in call.messages[1].content
            return ChatReply(
                text="?" if strange else '{"marks": [true, true, true, true, true]}', usage=Usage()
            )

    odd = PlantedAnswer(
        source="s",
        origin="o",
        kind="empty",
        submission=CORRECT.submission,
        answer="strange words",
        truth=(False,) * 5,
    )
    marked = examiner(Silent(judge="")).mark(odd)
    assert marked.marks is None
    assert judge_rows([marked], "s")[0].rates == {MET: Rate(5, 5)}


def test_all_are_asked_and_come_back_in_order():
    done = []
    chat = Replies(final_verifier='{"pass": true, "reason": "fine"}')
    results = examine_all(examiner(chat).check, EXAMPLES[:5], 3, lambda: done.append(None))
    assert [item.case for item in results] == EXAMPLES[:5] and len(done) == 5


def checked(case, outcome):
    return Checked(case=case, outcome=outcome, reason="")


def test_rates_count_what_should_not_have_happened():
    rows = verifier_rows(
        [
            checked(GOOD, CheckOutcome.FAILED),
            checked(GENERIC, CheckOutcome.PASSED),
            checked(GENERIC, CheckOutcome.REFUSED),
        ]
    )
    assert {row.name: row.rates for row in rows} == {
        "good": {"written": Rate(1, 1)},
        "bad": {"written": Rate(1, 2)},
        "generic": {"written": Rate(1, 2)},
    }


def test_marks_of_unknown_truth_are_not_counted():
    answer = PlantedAnswer(
        source="s",
        origin="o",
        kind="partial",
        submission=CORRECT.submission,
        answer="x",
        truth=(True, False, None, None, None),
    )
    rows = judge_rows([Marked(case=answer, marks=(False, True, True, True, True))], "s")
    assert rows[0].rates == {NOT_MET: Rate(1, 1), MET: Rate(1, 1)}
    assert [row.name for row in rows] == ["all", "partial", "criterion: plain", "criterion: figure"]


def test_a_table_shows_every_rate_with_n_and_interval():
    rows = verifier_rows([checked(GENERIC, CheckOutcome.PASSED)])
    assert markdown(rows, "first", ["written", "other"])[2] == (
        "| bad: a bad example passes | 100.0% (1/1, 95% CI 20.7–100.0) | – (n=0) |"
    )
