"""The prompts of the frozen roles: what is shared comes first, and the form shows what this request needs."""

import re
from dataclasses import replace

from studbook.evaluate.contracts import Criterion
from studbook.evaluate.control import CONTROL, CONTROL_ANSWER
from studbook.evaluate.questions import judge_question, marks_schema, verifier_question
from studbook.evaluate.replies import UnreadableReply
from studbook.evaluate.seeds import SeedScope, reading_word
from studbook.evaluate.text import section

WORD = "0a1b2c3d"


def asked(question):
    return question.opening("Instructions.", WORD)[1].content


def test_two_answers_to_one_example_share_everything_up_to_the_answer():
    one, two = (asked(judge_question(CONTROL, answer)) for answer in (CONTROL_ANSWER, "Nobody knows."))
    shared = one[: one.index("<answer>\n") + len("<answer>\n")]
    assert two.startswith(shared)
    assert "Concludes that mending would not be enough." in shared
    assert '"criterion": 5' in shared


def test_the_final_verifier_reads_the_document_first_and_the_word_last():
    text = asked(verifier_question(CONTROL, document=(section("source_document", "The paper."),)))
    assert text.startswith("<source_document>\nThe paper.\n</source_document>\n\n<context>")
    assert text.index(WORD) > text.index("</rubric>")


def test_the_form_has_as_many_marks_as_there_are_criteria_and_reasons_before_verdicts():
    for count in (1, 4, 40):
        rubric = tuple(Criterion(criterion=f"Says {n}.", weight=1, category="c") for n in range(count))
        text = asked(judge_question(replace(CONTROL, rubric=rubric), CONTROL_ANSWER))
        entries = re.findall(r'"criterion": (\d+), "reason": <[^>]+>, "met": <true or false>', text)
        assert entries == [str(n) for n in range(1, count + 1)]
        assert f"exactly {count} entr" in text
        marks = marks_schema(count)["properties"]["marks"]
        assert (marks["minItems"], marks["maxItems"]) == (count, count)
        assert list(marks["items"]["properties"]) == ["criterion", "reason", "met"]
    assert list(verifier_question(CONTROL).schema["properties"]) == ["check", "reason", "pass"]


def test_the_last_line_says_how_to_reply():
    last = [
        asked(question).splitlines()[-1]
        for question in (judge_question(CONTROL, "A."), verifier_question(CONTROL))
    ]
    assert all(line.startswith("Reply with one JSON object") and f'"{WORD}"' in line for line in last)


def test_a_correction_shows_the_reply_and_says_what_was_wrong_with_it():
    problem = UnreadableReply("it had 4 marks for 5 criteria")
    reply, told = judge_question(CONTROL, "A.").correction('</criteria>{"marks": [1]}', problem, WORD)
    assert (reply.role, reply.content) == ("assistant", '‹/criteria>{"marks": [1]}')
    assert told.role == "user"
    assert told.content.startswith(
        "That reply could not be used: it had 4 marks for 5 criteria. Reply with one"
    )
    assert judge_question(CONTROL, "A.").correction(" ", problem, WORD)[0].content == "(nothing)"


def test_a_check_word_depends_on_what_no_harness_is_shown():
    seeds = SeedScope(run_seed=0, paper_id="p", replicate=0)
    asked = [judge_question(CONTROL, answer) for answer in (CONTROL_ANSWER, "Another.")]
    asked += [verifier_question(CONTROL, answers=answers) for answers in (["One."], ["Two."])]
    words = {reading_word(seeds, each.role, (1, "weak", 0), each.unseen) for each in asked}
    assert len(words) == len(asked)
