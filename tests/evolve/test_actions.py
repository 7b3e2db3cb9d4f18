"""Reading actions out of what models really send."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.evolve.policies.actions import ActionKind, Hunk, parse_actions, parse_hunks, render_action


def shape(reply):
    return [(action.kind.value, action.path, action.body) for action in parse_actions(reply)]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("```list\n```", [("list", "", "")]),
        ("I look first.\n\n```read\nprompts/a.md\n```\nThen I decide.", [("read", "prompts/a.md", "")]),
        ("```read prompts/a.md\n```", [("read", "prompts/a.md", "")]),
        ("```read\npath: prompts/a.md\n```", [("read", "prompts/a.md", "")]),
        ("```read\n`prompts/a.md`\n```", [("read", "prompts/a.md", "")]),
        ("~~~read\na.md\n~~~", [("read", "a.md", "")]),
        ("  ```READ\n  a.md\n  ```", [("read", "a.md", "")]),
        ("```search\ntwo words\n```", [("search", "", "two words")]),
        ("```search two words\n```", [("search", "", "two words")]),
        ("```write a.py\nx = 1\n```", [("write", "a.py", "x = 1")]),
        ('```write path="a.py"\nx = 1\n```', [("write", "a.py", "x = 1")]),
        ("```write: a.py\nx = 1\n```", [("write", "a.py", "x = 1")]),
        ("```action=write a.py\nx = 1\n```", [("write", "a.py", "x = 1")]),
        ("```write\nfile: a.py\nx = 1\n```", [("write", "a.py", "x = 1")]),
        ("``` write a.py\r\nx = 1\r\n```\r\n", [("write", "a.py", "x = 1")]),
        ("````write a.md\n```\ninner\n```\n````", [("write", "a.md", "```\ninner\n```")]),
        ("```write a.md\n```python\nx = 1\n```\nend\n```", [("write", "a.md", "```python\nx = 1\n```\nend")]),
        ("```write a.md\n~~~\nx\n~~~\n```", [("write", "a.md", "~~~\nx\n~~~")]),
        ("```delete\na.md\n```", [("delete", "a.md", "")]),
        ("```try\n```\n```done\nIt should help.\n```", [("try", "", ""), ("done", "", "It should help.")]),
        ("```done It should help.\n```", [("done", "", "It should help.")]),
        ("```done\nIt should help.", [("done", "", "It should help.")]),
        ("<think>\n```delete a.md\n```\n</think>\n```list\n```", [("list", "", "")]),
        ("```python\nprint('list')\n```", []),
        ("Use ```list``` to list.", []),
        ("```list```", []),
        ("```listing\n```", []),
        ("no block at all", []),
        ("", []),
    ],
)
def test_actions_are_read_from_sloppy_replies(reply, expected):
    assert shape(reply) == expected


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("```write a.py\nx = 1", "not closed"),
        ("```replace a.py\n<<<<<<< FIND\na\n=======\nb", "not closed"),
        ("```write a.py\nx = 1\n```read b.py\n```", "not closed"),
        ("```write\nx = 1\n```", "exactly one path"),
        ("```read\n```", "exactly one path"),
        ("```delete\na.md\nb.md\n```", "exactly one path"),
        ("```search\n\n```", "text to look for"),
    ],
)
def test_what_cannot_be_carried_out_is_a_problem_and_not_a_guess(reply, problem):
    assert problem in parse_actions(reply)[0].problem


bodies = st.text(st.sampled_from("ab`~ \n#<>=é"), max_size=60).filter(lambda text: "\n" not in text[-1:])


@settings(deadline=None)
@given(kind=st.sampled_from(["write", "search", "done"]), body=bodies.filter(str.strip))
def test_a_rendered_action_is_read_back_exactly(kind, body):
    path = "prompts/a.md" if kind == "write" else ""
    (action,) = parse_actions(render_action(ActionKind(kind), path, body))
    assert (action.kind, action.path, action.body, action.problem) == (kind, path, body, "")


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a.md", "b/c.py"]), bodies.filter(str.strip)), max_size=4))
def test_actions_between_prose_are_all_found_in_order(writes):
    blocks = [render_action(ActionKind.WRITE, path, body) for path, body in writes]
    reply = "\n".join(f"Now this:\n\n{block}\n" for block in blocks)
    assert shape(reply) == [("write", path, body) for path, body in writes]


@settings(deadline=None)
@given(st.text(st.sampled_from("`~\n readwritdonelsp.<=>"), max_size=200))
def test_no_reply_breaks_the_parser(reply):
    for action in parse_actions(reply):
        assert action.kind in ActionKind


def test_one_replace_may_hold_several_hunks():
    body = "<<<<<<< FIND\na\n=======\nb\n>>>>>>> END\n\n<<<<<<< SEARCH\nc\nd\n=======\n>>>>>>> REPLACE"
    assert parse_hunks(body) == (Hunk(old="a", new="b"), Hunk(old="c\nd", new=""))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("a -> b", "a replace body is"),
        ("<<<<<<< FIND\na\n=======\nb", "a replace body is"),
        ("<<<<<<< FIND\na\n>>>>>>> END", "exactly one ======="),
        ("<<<<<<< FIND\na\n=======\nb\n=======\nc\n>>>>>>> END", "exactly one ======="),
        ("<<<<<<< FIND\n\n=======\nb\n>>>>>>> END", "old text is empty"),
    ],
)
def test_a_malformed_replace_is_explained(body, message):
    with pytest.raises(ValueError, match=message):
        parse_hunks(body)
