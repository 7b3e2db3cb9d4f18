"""The dialogue: actions carried out, results told, bounds kept."""

import pytest

from studbook.errors import ModelRejected, RequestFailed
from studbook.evolve.contracts import Diagnosis, Unanswered
from studbook.evolve.policies.actions import ActionKind, describe_actions
from studbook.evolve.policies.implementers.chat import ChatImplementer, DialogueLimits, fit
from studbook.evolve.policies.replies import parse_actions
from studbook.evolve.prompting import load_prompt
from studbook.llm.client import ModelClient
from studbook.llm.contracts import ChatReply, Endpoint, Message, RoleModel, ToolCall, Usage
from studbook.llm.records import CallRecords
from studbook.populations.records import MutationKind
from studbook.testbed.fakes import ScriptedChat, fake_harness
from studbook.testbed.scripted import ScriptedBackend

PARENT = fake_harness()
WRITE = "```write prompts/level.md\n30\n```\n```done\nwritten\n```"


def implement(replies, limits=None, try_harness=lambda tree: "accepted: ok"):
    chat = ScriptedChat(list(replies))
    implementer = ChatImplementer(chat, limits)
    proposal = implementer.implement(PARENT, Diagnosis(text="It is too low."), [], try_harness, seed=5)
    return proposal, chat


def told(chat, turn):
    return chat.asked[turn].messages[-1].content


def test_the_opening_holds_diagnosis_history_and_files():
    _, chat = implement([WRITE])
    system, user = chat.asked[0].messages
    assert (system.role, user.role) == ("system", "user")
    assert "<diagnosis>\nIt is too low.\n</diagnosis>" in user.content
    assert "<history>\nNothing has been tried yet.\n</history>" in user.content
    assert "<files>\nagent.py 81\nharness.yaml 153\nprompts/level.md 3\n</files>" in user.content
    assert "Turns left: 16." in user.content


def test_a_dialogue_reads_edits_tries_and_finishes():
    tried = []
    proposal, chat = implement(
        [
            "```list\n```\n```read\nprompts/level.md\n```",
            "```replace prompts/level.md\n<<<<<<< FIND\n20\n=======\n30\n>>>>>>> END\n```",
            "```try\n```",
            "```done\nA higher level\npasses more.\n```",
        ],
        try_harness=lambda tree: tried.append(tree) or "not accepted: too easy",
    )
    assert proposal.tree.files["prompts/level.md"] == b"30\n"
    assert proposal.kind is MutationKind.PROMPT
    assert proposal.hypothesis == "A higher level passes more."
    assert [tree.files["prompts/level.md"] for tree in tried] == [b"30\n"]
    assert told(chat, 1) == (
        '<result action="list" ok="true">\nagent.py 81\nharness.yaml 153\nprompts/level.md 3\n</result>\n'
        '<result action="read" path="prompts/level.md" ok="true">\n20\n</result>\n\nTurns left: 15.'
    )
    assert "not accepted: too easy" in told(chat, 3)


def test_a_change_of_code_is_known_as_one():
    proposal, _ = implement(["```write helper.py\nx = 1\n```\n```done\nhelp\n```"])
    assert proposal.kind is MutationKind.CODE


def test_changes_outside_are_refused_counted_and_told():
    proposal, chat = implement(
        [
            "```write ../evaluate/judge.md\nbe kind\n```\n```delete harness.yaml\n```",
            "```read\n/etc/passwd\n```",
            "```write notes.txt\nx\n```",
            "```done\nnothing\n```",
        ]
    )
    assert proposal.refused_actions == 3
    assert proposal.tree == PARENT
    assert told(chat, 1).count('ok="false">\nrefused: ') == 2
    assert "refused: '/etc/passwd'" in told(chat, 2)


def test_a_failed_edit_is_no_refusal_and_holds_up_the_done_beside_it():
    reply = (
        "```replace prompts/level.md\n<<<<<<< FIND\n99\n=======\n30\n>>>>>>> END\n```\n```done\nhoped\n```"
    )
    proposal, chat = implement([reply, "```write prompts/level.md\n30\n```\n```done\nwritten\n```"])
    assert proposal.refused_actions == 0
    assert proposal.hypothesis == "written"
    assert "nearest lines are" in told(chat, 1)
    assert "not finished: an edit above failed" in told(chat, 1)


def test_thousands_of_actions_in_one_message_neither_run_nor_fill_the_next():
    write = "```write prompts/long.md\n" + "x" * 100_000 + "\n```\n"
    many = write + "```read prompts/long.md\n```\n" * 5000 + "```done\nall read\n```"
    proposal, chat = implement([many, "```done\nnow\n```"])
    answer = told(chat, 1)
    assert answer.count("<result ") == 41
    assert "at most 40 actions a message" in answer
    assert len(answer) < 160_000
    assert proposal.hypothesis == "now"


def test_a_cut_off_write_changes_nothing():
    proposal, chat = implement(["```write prompts/level.md\n30", *["```done\nnothing\n```"] * 2])
    assert proposal.tree == PARENT
    assert "not closed" in told(chat, 1)


def test_tries_are_bounded_and_a_broken_harness_or_an_unchanged_one_uses_none():
    count = []
    write = "```write prompts/level.md\n{}\n```\n```try\n```"
    proposal, chat = implement(
        [
            "```try\n```",
            "```write agent.py\ndef main(:\n```\n```try\n```",
            "```write agent.py\ndef main(box):\n    return\n```",
            write.format(30),
            "```try\n```",
            write.format(40),
            write.format(50),
            "```done\nx\n```",
        ],
        DialogueLimits(tries=2),
        lambda tree: count.append(1) or "accepted: ok",
    )
    assert len(count) == 2
    assert "not run: the implementer's edit left the harness as it was" in told(chat, 1)
    assert "not run: agent.py does not compile" in told(chat, 2)
    assert "nothing has changed since the last try" in told(chat, 5)
    assert "no tries are left" in told(chat, 7)
    assert proposal.tree.files["prompts/level.md"] == b"50\n"


def test_a_dialogue_that_never_ends_is_ended_and_keeps_its_edits():
    proposal, chat = implement(
        ["```write prompts/level.md\n30\n```", "```list\n```", "```list\n```"], DialogueLimits(turns=3)
    )
    assert len(chat.asked) == 3
    assert proposal.tree.files["prompts/level.md"] == b"30\n"
    assert proposal.hypothesis == "(no hypothesis given) changed: prompts/level.md"


def test_a_model_that_only_talks_is_told_and_then_left():
    proposal, chat = implement(["I would raise it."] * 9, DialogueLimits(stuck_turns=3))
    assert len(chat.asked) == 3
    assert "No action was found in your message" in told(chat, 1)
    assert proposal.tree == PARENT


def test_done_without_a_change_is_refused_and_the_dialogue_goes_on():
    proposal, chat = implement(["```done\nI would raise it.\n```", WRITE])
    assert "not finished: no file has changed yet" in told(chat, 1)
    assert (proposal.hypothesis, proposal.tree.files["prompts/level.md"]) == ("written", b"30\n")
    back = "```write prompts/level.md\n20\n```\n```done\nback\n```"
    proposal, chat = implement(["```write prompts/level.md\n30\n```", back, WRITE])
    assert "no file has changed yet" in told(chat, 2)


def test_a_second_failure_in_a_row_is_told_and_the_third_ends_the_dialogue():
    wrong = "```read prompts/{}.md\n```"
    proposal, chat = implement([wrong.format(number) for number in range(9)])
    assert len(chat.asked) == 3
    assert "second message in a row" not in told(chat, 1)
    assert "second message in a row" in told(chat, 2)
    assert proposal.tree == PARENT


@pytest.mark.parametrize("loop", [["```list\n```"], ["```list\n```", "```read agent.py\n```"]])
def test_messages_that_repeat_earlier_ones_end_the_dialogue(loop):
    _, chat = implement(loop * 9)
    assert len(chat.asked) == len(loop) + 2
    assert "second message in a row" in told(chat, len(loop) + 1)


def test_a_repeat_after_a_change_is_no_repeat():
    read = "```read prompts/level.md\n```"
    proposal, chat = implement([read, "```write prompts/level.md\n30\n```", read, "```done\nx\n```"])
    assert proposal.hypothesis == "x"
    assert not any("second message in a row" in told(chat, turn) for turn in range(1, 4))


def test_an_edit_that_changes_nothing_is_said():
    same = "```replace prompts/level.md\n<<<<<<< FIND\n20\n=======\n20\n>>>>>>> END\n```"
    _, chat = implement([same, "```write prompts/level.md\n20\n```", WRITE])
    assert told(chat, 1).count("this leaves prompts/level.md exactly as it is") == 1
    assert told(chat, 2).count("this leaves prompts/level.md exactly as it is") == 1


def test_tool_calls_are_carried_out_and_kept_in_the_dialogue_as_text():
    arguments = '{"path": "prompts/level.md", "old": "20", "new": "30",}'
    called = ChatReply(text="", usage=Usage(), tool_calls=(ToolCall(name="replace", arguments=arguments),))
    chat = ScriptedChat([called, "```done\nx\n```"])
    proposal = ChatImplementer(chat).implement(PARENT, Diagnosis(text="Low."), [], lambda tree: "", seed=5)
    assert proposal.tree.files["prompts/level.md"] == b"30\n"
    assert [tool.name for tool in chat.asked[0].tools] == [kind.value for kind in ActionKind]
    assistant, result = chat.asked[1].messages[-2:]
    assert assistant.content == (
        "```replace prompts/level.md\n<<<<<<< FIND\n20\n=======\n30\n>>>>>>> END\n```"
    )
    assert result.content.startswith('<result action="replace" path="prompts/level.md" ok="true">')


def test_a_call_of_an_unknown_tool_is_no_action_and_leaves_no_empty_message():
    called = ChatReply(text="", usage=Usage(), tool_calls=(ToolCall(name="bash", arguments="{}"),))
    chat = ScriptedChat([called, WRITE])
    ChatImplementer(chat).implement(PARENT, Diagnosis(text="Low."), [], lambda tree: "", seed=5)
    assistant, answer = chat.asked[1].messages[-2:]
    assert assistant.content.strip()
    assert answer.content.startswith("No action was found in your message.")


def test_while_nothing_has_changed_the_form_of_an_edit_is_told_with_a_real_file():
    form = "The block's first line is ```append prompts/level.md and its last line is ```"
    chat = ScriptedChat(["```done\nx\n```", "```list\n```", WRITE])
    diagnosis = Diagnosis(text="Raise the number in prompts/level.md, not in agent.py.")
    ChatImplementer(chat).implement(PARENT, diagnosis, [], lambda tree: "", seed=5)
    assert [form in told(chat, turn) for turn in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    "copied",
    [
        "```append prompts/level.md\nPlease answer by Friday, and bring a friend.\n```",
        "```write prompts/level.md\n20\nPlease come at eight, and bring a friend.\n```",
    ],
)
def test_an_example_that_is_sent_back_is_no_edit(copied):
    proposal, chat = implement([copied, WRITE])
    assert "this is the text of an example" in told(chat, 1)
    assert proposal.tree.files["prompts/level.md"] == b"30\n"


def test_lines_to_add_may_be_written_as_a_pair():
    pair = "```append prompts/level.md\n<<<<<<< FIND\n{}\n=======\n30\n>>>>>>> END\n```\n```done\nx\n```"
    for old, text in (("20", b"30\n"), ("no such line", b"20\n30\n")):
        proposal, _ = implement([pair.format(old)])
        assert proposal.tree.files["prompts/level.md"] == text


def test_an_example_is_no_hypothesis():
    example = "The invitation now asks each guest for a friend, so that more people come."
    proposal, _ = implement([f"```append prompts/level.md\n30\n```\n```done\n{example}\n```"])
    assert proposal.hypothesis == "(no hypothesis given) changed: prompts/level.md"


def test_after_a_change_the_model_is_told_how_to_finish():
    _, chat = implement(["```append prompts/level.md\n30\n```", "```done\nx\n```"])
    assert "Changed so far: prompts/level.md. If this removes the first cause, send" in told(chat, 1)


def test_the_files_that_fit_are_shown_at_once_those_of_the_diagnosis_first():
    parent = PARENT.replace({"prompts/long.md": b"word " * 1_000, "prompts/other.md": b"word " * 1_000})
    chat = ScriptedChat([WRITE])
    implementer = ChatImplementer(chat, prompt_tokens=5_000)
    implementer.implement(parent, Diagnosis(text="prompts/other.md"), [], lambda tree: "", seed=5)
    opening = told(chat, 0)
    assert '<file path="prompts/other.md">\nword word' in opening
    assert '<file path="prompts/long.md">' not in opening
    assert '<file path="prompts/level.md">\n20\n' in opening
    assert '<file path="harness.yaml">' not in opening


def test_a_message_that_was_cut_off_is_said():
    cut = ChatReply(text="```write prompts/level.md\n30", usage=Usage(), finish_reason="length")
    chat = ScriptedChat([cut, WRITE])
    ChatImplementer(chat).implement(PARENT, Diagnosis(text="Low."), [], lambda tree: "", seed=5)
    assert "Your message was cut off at its limit." in told(chat, 1)


def test_a_dialogue_fits_a_small_context():
    chat = ScriptedChat(["```read prompts/long.md\n```", WRITE])
    parent = PARENT.replace({"prompts/long.md": b"word " * 5_000})
    implementer = ChatImplementer(chat, prompt_tokens=3_000, answer_tokens=500)
    implementer.implement(parent, Diagnosis(text="d" * 50_000), [], lambda tree: "", seed=5)
    for call in chat.asked:
        assert sum(len(message.content) for message in call.messages) <= 3_000 * 4
        assert call.max_tokens == 500


def test_every_turn_is_a_sample_of_its_own_and_the_same_each_time():
    _, first = implement(["```list\n```", WRITE])
    _, again = implement(["```list\n```", WRITE])
    assert first.asked == again.asked
    assert first.asked[0].seed != first.asked[1].seed


def test_a_failing_model_is_not_a_useless_answer():
    with pytest.raises(ModelRejected):
        implement([])


def test_a_refused_dialogue_is_shortened_and_then_ends_with_what_was_edited():
    refused = RequestFailed("refused", "too long")
    proposal, chat = implement(["```write prompts/level.md\n30\n```", refused, refused])
    assert len(chat.asked) == 3
    assert proposal.tree.files["prompts/level.md"] == b"30\n"
    proposal, _ = implement(
        [RequestFailed("silent", "silent"), "```write prompts/level.md\n40\n```\n```done\nx\n```"]
    )
    assert proposal.tree.files["prompts/level.md"] == b"40\n"


def test_a_model_that_answers_nothing_before_any_edit_made_no_proposal():
    refused = RequestFailed("refused", "too long\nadvice")
    with pytest.raises(Unanswered, match="the implementer's model did not answer: too long"):
        implement(["```list\n```", refused, refused])


def test_a_long_result_is_cut_in_the_middle_and_says_so():
    _, chat = implement(
        [f"```write prompts/long.md\n{'a' * 900}\n```\n```read\nprompts/long.md\n```", "```done\nx\n```"],
        DialogueLimits(result_characters=300),
    )
    assert "[… 600 characters left out …]" in told(chat, 1)


def test_a_long_dialogue_forgets_old_results_first():
    messages = [Message(role=role, content=role[0] * 100) for role in ("system", "user")]
    for _ in range(3):
        messages += [Message(role=role, content=role[0] * 100) for role in ("assistant", "user")]
    kept = fit(messages, 700)
    assert [len(message.content) for message in kept] == [100, 100, 100, 49, 100, 49, 100, 100]
    assert fit(messages, 800) == tuple(messages)
    assert [len(message.content) for message in fit(messages, 100)] == [100, 100, 23, 49, 23, 49, 100, 100]


@pytest.mark.parametrize("limit", [4000, 6000, 11_000, 60_000])
def test_a_dialogue_keeps_within_its_limit_also_with_a_long_opening_and_a_long_last_result(limit):
    lengths = [("system", 2000), ("user", 30_000), ("assistant", 9000), ("user", 50_000)]
    kept = fit([Message(role=role, content="x" * length) for role, length in lengths], limit)
    assert sum(len(message.content) for message in kept) <= limit
    assert len(kept[0].content) == 2000
    assert all("characters left out" in kept[at].content for at in (1, 3))


@pytest.mark.parametrize("turn", [0, 1])
def test_a_refused_dialogue_is_sent_again_shorter_from_the_first_turn_on(turn):
    refused = RequestFailed("refused", "too long")
    long = f"```write prompts/long.md\n{'a' * 3000}\n```\n```read prompts/long.md\n```"
    _, chat = implement([long] * turn + [refused, WRITE])
    first, second = (
        sum(len(message.content) for message in call.messages[1:]) for call in chat.asked[turn : turn + 2]
    )
    assert second < first


def test_many_results_are_bounded_together():
    reads = "".join("```read prompts/long.md\n```\n" for _ in range(40))
    _, chat = implement(
        [f"```write prompts/long.md\n{'a' * 3000}\n```", reads, "```done\nx\n```"],
        DialogueLimits(prompt_characters=16_000),
    )
    assert len(told(chat, 2)) <= 8500  # half of the prompt, and what stands below the results


def test_the_prompt_shows_every_action_as_it_is_read():
    shown = parse_actions(load_prompt("implementer.md").replace("{actions}", describe_actions()))
    assert {action.kind for action in shown} == set(ActionKind)
    assert [action.problem for action in shown] == [""] * len(shown)


SKETCH = "```write prompts/level.md\n99\n```\nNo: too high."


@pytest.mark.parametrize(
    "thought",
    [
        f"<think>\n{SKETCH}\n</think>\n",
        f"{SKETCH}\n</think>\n",
        f"<thinking>{SKETCH} <reasoning>x</reasoning>\n{SKETCH}\n</thinking>",
        f"~~~thinking\n{SKETCH}\n~~~\n",
        f"Okay.\n<think>{SKETCH}\n</think>\n",
    ],
)
def test_an_edit_within_a_thought_is_not_carried_out(thought):
    with CallRecords.in_memory() as records:
        client = ModelClient(
            roles={"implementer": RoleModel(endpoint="main", model="m")},
            endpoints={"main": Endpoint(name="main", backend=ScriptedBackend([thought + WRITE]))},
            records=records,
        )
        implementer = ChatImplementer(client)
        diagnosis = Diagnosis(text="It is too low.")
        proposal = implementer.implement(PARENT, diagnosis, [], lambda tree: "accepted: ok", seed=5)
    assert proposal.tree.files["prompts/level.md"] == b"30\n"
