"""Reading actions out of what models really send."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.evolve.policies.actions import Action, ActionKind, Hunk, render_action, tools
from studbook.evolve.policies.replies import parse_actions, read_reply
from studbook.evolve.policies.text_edits import parse_hunks
from studbook.llm.contracts import ChatReply, ToolCall, Usage


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
        ("```append a.md\none more\n```", [("append", "a.md", "one more")]),
        ("```append a.md\none more\n>>>>>>> END\n```", [("append", "a.md", "one more")]),
        ("```append a.md\n=======\none more\n>>>>>>> END\n```", [("append", "a.md", "one more")]),
        ("append a.md\none more\nand more", [("append", "a.md", "one more\nand more")]),
        ("Read a.md\n", [("read", "a.md", "")]),
        (
            "append a.md\none\nappend b.md\ntwo\ndone",
            [("append", "a.md", "one"), ("append", "b.md", "two"), ("done", "", "")],
        ),
        ("write it down\nmore", []),
        ("I append a.md\nmore", []),
        ("```delete\na.md\n```", [("delete", "a.md", "")]),
        ("```try\n```\n```done\nIt should help.\n```", [("try", "", ""), ("done", "", "It should help.")]),
        ("```done It should help.\n```", [("done", "", "It should help.")]),
        ("```done\nIt should help.", [("done", "", "It should help.")]),
        (
            "```write a.md\n<think>\nb\n</think>\n```\n```list\n```",
            [("write", "a.md", "<think>\nb\n</think>"), ("list", "", "")],
        ),
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
    (action,) = parse_actions(render_action(Action(kind=ActionKind(kind), path=path, body=body)))
    assert (action.kind, action.path, action.body, action.problem) == (kind, path, body, "")


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a.md", "b/c.py"]), bodies.filter(str.strip)), max_size=4))
def test_actions_between_prose_are_all_found_in_order(writes):
    blocks = [render_action(Action(kind=ActionKind.WRITE, path=path, body=body)) for path, body in writes]
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


AIDER = """prompts/a.md
```markdown
<<<<<<< SEARCH
a
=======
b
>>>>>>> REPLACE
```"""
AIDER_INSIDE = """```
prompts/a.md
<<<<<<< SEARCH
a
=======
b
>>>>>>> REPLACE
```"""
AIDER_BARE = """I change **prompts/a.md**:

`prompts/a.md`
<<<<<<< SEARCH
a
=======
b
>>>>>>> REPLACE
Done."""
DIFF = """```diff
--- a/prompts/a.md
+++ b/prompts/a.md
@@ -1,3 +1,3 @@
 x
-a
+b
 y
```"""
DIFF_BARE = DIFF.removeprefix("```diff\n").removesuffix("\n```")
NATIVE = '{"name": "replace", "arguments": {"path": "prompts/a.md", "old": "a", "new": "b"}}'
IN_FUNCTION = json.dumps(
    {
        "function": {
            "name": "replace",
            "arguments": json.dumps({"path": "prompts/a.md", "old": "a", "new": "b"}),
        }
    }
)
XML = """<function=replace>
<parameter=path>
prompts/a.md
</parameter>
<parameter=old>
a
</parameter>
<parameter=new>
b
</parameter>
</function>"""
PAIR = Hunk(old="a", new="b")
IN_CONTEXT = Hunk(old="x\na\ny", new="x\nb\ny")


@pytest.mark.parametrize(
    ("reply", "hunk"),
    [
        (AIDER, PAIR),
        (AIDER_INSIDE, PAIR),
        (AIDER_BARE, PAIR),
        (DIFF, IN_CONTEXT),
        (DIFF_BARE, IN_CONTEXT),
        ("```replace prompts/a.md\n@@ -1 +1 @@\n x\n-a\n+b\n y\n```", IN_CONTEXT),
        ("```replace prompts/a.md\n-a\n+b\n```", PAIR),
        ("```replace prompts/a.md\n<<<<<<< FIND\na\n=======\nb\n```", PAIR),
        ("```replace prompts/a.md\n<<<<<<< FIND\na\n=======\nb\n>>>>>>> END\nThat is all.", PAIR),
        ("```write prompts/a.md\n<<<<<<< FIND\na\n=======\nb\n>>>>>>> END\n```", PAIR),
        ("```replace\nprompts/a.md\n<<<<<<< FIND\na\n=======\nb\n>>>>>>> END\n```", PAIR),
        (
            "```replace prompts/a.md\n<<<<<<< FIND\n```\na\n```\n=======\nb\n>>>>>>> END\n```",
            Hunk(old="```\na\n```", new="b"),
        ),
        (NATIVE, PAIR),
        (f"I do this:\n<tool_call>\n{NATIVE}\n</tool_call>", PAIR),
        (f"```json\n{NATIVE}\n```", PAIR),
        (f"```json\n[{NATIVE}]\n```", PAIR),
        (IN_FUNCTION, PAIR),
        ('{"action": "replace", "file": "prompts/a.md", "search": "a", "replace": "b"}', PAIR),
        ('{"tool": "replace", "parameters": {"path": "prompts/a.md", "old": ["a"], "new": ["b"]}}', PAIR),
        (XML, PAIR),
    ],
)
def test_the_edits_of_other_tools_are_understood(reply, hunk):
    (action,) = parse_actions(reply)
    assert action == Action(kind=ActionKind.REPLACE, path="prompts/a.md", hunks=(hunk,))


def test_a_diff_may_touch_several_files_and_make_or_delete_them():
    diff = """--- a/a.md
+++ b/a.md
@@ -1 +1 @@
-a
+b
--- /dev/null
+++ b/new.md
@@ -0,0 +1,2 @@
+one
+two
--- a/old.md
+++ /dev/null
@@ -1 +0,0 @@
-gone"""
    assert [(a.kind.value, a.path, a.body, a.hunks) for a in parse_actions(diff)] == [
        ("replace", "a.md", "", (PAIR,)),
        ("write", "new.md", "one\ntwo", ()),
        ("delete", "old.md", "", ()),
    ]


def test_changed_lines_that_look_like_the_header_of_a_file_are_changed_lines():
    diff = """--- a/q.sql
+++ b/q.sql
@@ -1,3 +1,3 @@
 select 1;
--- x
+++ y
 select 2;
--- a/a.md
+++ b/a.md
@@ -1 +1 @@
-a
+b"""
    assert [(each.path, each.hunks) for each in parse_actions(diff)] == [
        ("q.sql", (Hunk(old="select 1;\n-- x\nselect 2;", new="select 1;\n++ y\nselect 2;"),)),
        ("a.md", (PAIR,)),
    ]


def test_a_diff_that_counts_its_lines_wrongly_still_has_its_files():
    """Models miscount: after too high a number the next header of a file is one all the same."""
    diff = """--- a/a.md
+++ b/a.md
@@ -1,9 +1,9 @@
-a
+b
--- a/b.md
+++ b/b.md
@@ -1 +1 @@
-a
+b"""
    assert [(each.path, each.hunks) for each in parse_actions(diff)] == [
        ("a.md", (PAIR,)),
        ("b.md", (PAIR,)),
    ]


def test_other_tool_calls_in_text_are_read_in_order():
    calls = (
        '{"name": "read_file", "arguments": {"path": "a.md"}}\n{"name": "done", "parameters": {"text": "ok"}}'
    )
    assert shape(calls) == [("read", "a.md", ""), ("done", "", "ok")]


@pytest.mark.parametrize(
    "reply",
    [
        '{"criterion": "names the dose", "weight": 3}',
        "The rubric is [1, 2, 3] and {x}.",
        '```json\n{"name": "deploy", "arguments": {}}\n```',
        "a\n- one\n- two\n+ three",
        "```\n- a list\n- of points\n```",
    ],
)
def test_what_only_looks_like_an_edit_is_none(reply):
    assert parse_actions(reply) == ()


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("prompts/a.md\n<<<<<<< SEARCH\na\n=======\nb", "not closed"),
        ("<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE", "exactly one path"),
        ('{"name": "replace", "arguments": {"path": "a.md", "old": "a"}}', "lacks new"),
        ('{"name": "replace", "arguments": {"path": "a.md", "old": " ", "new": "b"}}', "old text is empty"),
        ("```diff\n--- a/a.md\n+++ b/a.md\n@@ -0,0 +1 @@\n+b\n```", "repeats no line"),
    ],
)
def test_a_foreign_edit_that_cannot_be_carried_out_says_why(reply, problem):
    (action,) = parse_actions(reply)
    assert problem in action.problem


def native(*calls):
    return ChatReply(text="```delete a.md\n```", usage=Usage(), tool_calls=calls)


def test_an_endpoints_tool_calls_come_before_the_text():
    (action,) = read_reply(native(ToolCall(name="read", arguments='{"path": "a.md"}')))
    assert (action.kind, action.path) == (ActionKind.READ, "a.md")


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "problem"),
    [
        ("list", "", "list", ""),
        ("list", "{", "list", ""),
        ("write", "{'path': 'a.md', 'text': 'x',}", "write", ""),
        ("write", '{"path": "a.md", "text": "never clo', "write", "one JSON object with path, text"),
        ("done", "{}", "done", ""),
        ("unknown", "{}", "delete", ""),
    ],
)
def test_the_arguments_of_a_call_may_be_broken(name, arguments, kind, problem):
    (action,) = read_reply(native(ToolCall(name=name, arguments=arguments)))
    assert action.kind == kind
    assert problem in action.problem


def test_every_tool_names_what_it_needs():
    required = {tool.name: tool.parameters["required"] for tool in tools()}
    assert required["replace"] == ["path", "old", "new"]
    assert set(required) == set(ActionKind)


@settings(deadline=None)
@given(st.text(st.sampled_from("`<>=-+@{}[]\"':,\n afp/.md"), max_size=300))
def test_no_text_breaks_the_reading_of_foreign_edits(reply):
    for action in parse_actions(reply):
        assert action.kind in ActionKind


PATCH = """*** Begin Patch
*** Update File: prompts/a.md
@@
 x
-a
+b
 y
*** Add File: new.md
+one
+```
+two
*** Delete File: old.md
*** End Patch"""
FROM_PATCH = [
    ("replace", "prompts/a.md", "", (IN_CONTEXT,)),
    ("write", "new.md", "one\n```\ntwo", ()),
    ("delete", "old.md", "", ()),
]
PATCH_CALL = json.dumps({"name": "apply_patch", "arguments": {"input": PATCH}})


def whole(actions):
    assert not any(action.problem for action in actions)
    return [(action.kind.value, action.path, action.body, action.hunks) for action in actions]


@pytest.mark.parametrize("reply", [PATCH, f"So:\n```\n{PATCH}\n```", f"```patch\n{PATCH}\n```", PATCH_CALL])
def test_patches_are_read(reply):
    assert whole(parse_actions(reply)) == FROM_PATCH


def test_a_patch_that_was_cut_off_is_not_applied():
    assert "not closed" in parse_actions(PATCH.partition("+two")[0])[-1].problem


EDIT = '{"file_path": "prompts/a.md", "old_string": "a", "new_string": "b"}'
BY_COMMAND = '{"command": "str_replace", "path": "prompts/a.md", "old_str": "a", "new_str": "b"}'
KEYED = """<tool_call>edit
<arg_key>path</arg_key>
<arg_value>prompts/a.md</arg_value>
<arg_key>old</arg_key>
<arg_value>a</arg_value>
<arg_key>new</arg_key>
<arg_value>b</arg_value>
</tool_call>"""
TAGGED = """<replace_in_file>
<path>prompts/a.md</path>
<diff>
<<<<<<< SEARCH
a
=======
b
>>>>>>> REPLACE
</diff>
</replace_in_file>"""
FENCED = "Use:\n```\nx\n```"
TAGGED_FILE = f"""I write:
<write_to_file>
<path>a.md</path>
<content>
{FENCED}
</content>
</write_to_file>"""
CREATED = {"command": "create", "path": "a.md", "file_text": FENCED}
EDITED = [("replace", "prompts/a.md", "", (PAIR,))]


@pytest.mark.parametrize(
    "reply",
    [
        f'{{"name": "Edit", "arguments": {EDIT}}}',
        f'{{"name": "functions.edit_file", "arguments": {EDIT}}}',
        f'{{"name": "str_replace_editor", "arguments": {BY_COMMAND}}}',
        f'{{"name": "str_replace_based_edit_tool", "input": {BY_COMMAND}}}',
        f"<|tool_call_begin|>functions.edit:0<|tool_call_argument_begin|>{EDIT}<|tool_call_end|>",
        f"[TOOL_CALLS]edit[ARGS]{EDIT}",
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>edit\n```json\n{EDIT}\n```<｜tool▁call▁end｜>",
        f"<｜tool▁call▁begin｜>edit<｜tool▁sep｜>{EDIT}<｜tool▁call▁end｜>",
        KEYED,
        TAGGED,
    ],
)
def test_the_tools_of_other_programs_are_understood(reply):
    assert whole(parse_actions(reply)) == EDITED


@pytest.mark.parametrize(
    "reply",
    [
        TAGGED_FILE,
        json.dumps({"name": "create_file", "arguments": {"path": "a.md", "content": FENCED}}),
        json.dumps({"name": "str_replace_editor", "arguments": CREATED}),
    ],
)
def test_whole_files_of_other_programs_keep_their_fences(reply):
    assert shape(reply) == [("write", "a.md", FENCED)]


def test_a_command_that_there_is_not_is_told_and_an_unknown_tool_is_no_action():
    call = '{"name": "str_replace_editor", "arguments": {"command": "%s", "path": "a.md"}}'
    assert "by number" in parse_actions(call % "insert")[0].problem
    assert shape(call % "view") == [("read", "a.md", "")]
    assert parse_actions(call % "undo_edit") == ()


def test_a_file_with_bare_fences_is_written_whole_where_its_end_is_clear():
    reply = "```write a.md\nUse:\n```\nx\n```\nend\n```\n\n```done\nok\n```"
    assert shape(reply) == [("write", "a.md", "Use:\n```\nx\n```\nend"), ("done", "", "ok")]


@pytest.mark.parametrize(
    "reply",
    [
        "```write a.md\nUse:\n```\nx\n```",
        "```write a.md\nUse\n```\nx\n```\nend\n```",
        "```append a.md\nx\n```\nIt prints\n```\ny\n```",
    ],
)
def test_where_the_end_of_a_file_is_unclear_nothing_is_written(reply):
    (action,) = parse_actions(reply)
    assert "longer fence" in action.problem
