"""Reads tool calls: those of an endpoint, and those that models write as JSON or XML text.

Models differ in the names of tools and arguments, and write those of other programs that they were trained
for; `actions.toml` lists them. The content is not guessed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from studbook.evolve.policies.actions import Action, ActionKind, Hunk, foreign_names, read_help
from studbook.evolve.policies.patches import BEGIN, END, read_patch
from studbook.evolve.policies.text_edits import clean_path, problem_of, read_replace
from studbook.llm.contracts import ToolCall
from studbook.llm.json_reader import find_objects, find_values

_ARGUMENTS = ("arguments", "parameters", "args", "input", "params")
_NAMES = ("name", "tool", "action", "tool_name")

_XML_CALL = re.compile(
    r"<(?:function=|invoke name=\"|function name=\")(?P<name>[\w.]+)\"?>(?P<inner>.*?)</(?:function|invoke)>",
    re.DOTALL,
)
_XML_ARGUMENT = re.compile(
    r"<parameter(?:=| name=\")(?P<name>\w+)\"?>\n?(?P<value>.*?)\n?</parameter>", re.DOTALL
)


_TAG_CALL = re.compile(r"<(?P<name>[a-z]+(?:_[a-z]+)+)>(?P<inner>.*?)</(?P=name)>", re.DOTALL)
_TAG_ARGUMENT = re.compile(
    r"<(?P<long>content|diff|result)>\n?(?P<body>.*)</(?P=long)>|<(?P<name>\w+)>(?P<value>.*?)</(?P=name)>",
    re.DOTALL,
)
_KEYED_CALL = re.compile(r"<tool_call>\s*(?P<name>[\w.]+)\s*(?P<inner><arg_key>.*?)</tool_call>", re.DOTALL)
_KEYED_ARGUMENT = re.compile(
    r"<arg_key>(?P<name>.*?)</arg_key>\s*<arg_value>\n?(?P<value>.*?)\n?</arg_value>", re.DOTALL
)
_TOKEN_CALL = re.compile(
    r"(?:\[TOOL_CALLS\]|<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?|<\|tool_call_begin\|>)\s*"
    r"(?P<name>[\w.:-]+)\s*(?:\[CALL_ID\]\w+)?(?:\[ARGS\]|<｜tool▁sep｜>|<\|tool_call_argument_begin\|>|\n)"
)
_ENDS = {
    "<tool_call>": "</tool_call>",
    "<function=": "</function>",
    "<invoke name=": "</invoke>",
    "<｜tool▁call▁begin｜>": "<｜tool▁call▁end｜>",
    BEGIN: END,
}


def end_of_call(line: str) -> str:
    """What ends the call or patch that this line begins: fences before it are content. "" if none begins."""
    tag = re.match(r"\s*<(\w+)>", line)
    if tag and "_" in tag[1] and _kind_name(tag[1]):
        return f"</{tag[1]}>"
    return next((end for begin, end in _ENDS.items() if begin in line), "")


def action_of_call(call: ToolCall) -> list[Action]:
    """[] for a tool that there is not."""
    return _of_arguments(call.name, call.arguments)


def calls_in_xml(text: str) -> Iterator[Action]:
    """Calls written with tags or special tokens."""
    for form, argument in ((_XML_CALL, _XML_ARGUMENT), (_KEYED_CALL, _KEYED_ARGUMENT)):
        for call in form.finditer(text):
            yield from _of_arguments(
                call["name"], {each["name"]: each["value"] for each in argument.finditer(call["inner"])}
            )
    for call in _TAG_CALL.finditer(text):
        given = {}
        for each in _TAG_ARGUMENT.finditer(call["inner"]):
            given[each["long"] or each["name"]] = (each["body"] or each["value"] or "").removesuffix("\n")
        yield from _of_arguments(call["name"], given)
    heads = list(_TOKEN_CALL.finditer(text))
    ends = [each.start() for each in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends, strict=False):
        yield from _of_arguments(head["name"], text[head.end() : end])


def calls_in_json(text: str) -> list[Action]:
    return [action for value in find_values(text) for action in _of_value(value)] if "{" in text else []


def _of_value(value: object) -> Iterator[Action]:
    """The tool calls in a JSON value, in any of the usual shapes."""
    if isinstance(value, list):
        for each in value:
            yield from _of_value(each)
    elif isinstance(value, dict):
        inner = value.get("function", value.get("tool_calls"))
        if isinstance(inner, dict | list):
            yield from _of_value(inner)
            return
        name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), "")
        arguments = next((value[key] for key in _ARGUMENTS if key in value), value)
        yield from _of_arguments(name, arguments)


def _kind_name(name: str) -> str:
    """The key of the table of tools under which a name stands: `functions.Edit:0` -> `replace`; or ""."""
    plain = re.sub(r":\d+$", "", name.strip()).rpartition(".")[2]
    plain = re.sub(r"_files?$", "", _snake(plain))
    return next((kind for kind, names in foreign_names("tools").items() if plain in names), "")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _of_arguments(name: str, arguments: object) -> list[Action]:
    """`arguments`: an object, or its JSON text, which may be broken."""
    found = _kind_name(name)
    if found == PATCH:
        return _of_patch(arguments)
    if found == BY_COMMAND:
        arguments = next(find_objects(arguments), {}) if isinstance(arguments, str) else arguments
        command = arguments.get("command") if isinstance(arguments, dict) else None
        found = _kind_name(str(command))
        if command == "insert":
            path = _argument(arguments, "path") if isinstance(arguments, dict) else None
            told = "lines cannot be inserted by number; use replace or append"
            return [Action(kind=ActionKind.APPEND, path=clean_path(path or ""), problem=told)]
    if found not in ActionKind.__members__.values():
        return []
    return [_of_kind(ActionKind(found), arguments)]


PATCH, BY_COMMAND = "patch", "by_command"


def _of_patch(arguments: object) -> list[Action]:
    text = arguments if isinstance(arguments, str) else ""
    given = next(find_objects(text), {}) if isinstance(arguments, str) else arguments
    if isinstance(given, dict):
        text = next((each for each in given.values() if isinstance(each, str) and BEGIN in each), text)
    return read_patch(text) or [Action(kind=ActionKind.REPLACE, problem=f"a patch begins with {BEGIN}")]


def _of_kind(kind: ActionKind, arguments: object) -> Action:
    wanted = read_help()[kind].arguments
    if isinstance(arguments, str):
        arguments = next(find_objects(arguments), {} if not wanted else None)
    if not isinstance(arguments, dict):
        return Action(kind=kind, problem=f"its arguments must be one JSON object with {', '.join(wanted)}")
    given = {name: _argument(arguments, name) for name in wanted}
    path = clean_path(given.get("path") or "")
    missing = [name for name, value in given.items() if value is None]
    if missing and kind is ActionKind.REPLACE and (others := _of_other_edit(path, arguments)):
        return others
    if missing and kind is not ActionKind.DONE:
        return Action(kind=kind, path=path, problem=f"`{kind}` lacks {' and '.join(missing)}")
    if kind is ActionKind.REPLACE:
        return _of_pairs(path, [(str(given["old"]), str(given["new"]))])
    body = given.get("text") or ""
    return Action(kind=kind, path=path, body=body, problem=problem_of(kind, path, body))


def _of_other_edit(path: str, arguments: Mapping[str, Any]) -> Action | None:
    """A replace with a `diff`, with a list of `edits`, or with the whole text of the file."""
    diff, edits = arguments.get("diff"), arguments.get("edits")
    if isinstance(diff, str):
        return read_replace(path, _LINE_NOTE.sub("", diff.replace("\r\n", "\n")), is_closed=True)
    if isinstance(edits, list) and edits and all(isinstance(each, dict) for each in edits):
        pairs = [(_argument(each, "old"), _argument(each, "new")) for each in edits]
        whole = [(old, new) for old, new in pairs if old is not None and new is not None]
        return _of_pairs(path, whole) if len(whole) == len(pairs) else None
    text = _argument(arguments, "text")
    return None if text is None else read_replace(path, text, is_closed=True)


_LINE_NOTE = re.compile(r"^:(?:start|end)_line:\s*\d+\n(?:-{5,}\n)?", re.MULTILINE)


def _argument(arguments: Mapping[str, Any], name: str) -> str | None:
    given = {_snake(key): value for key, value in arguments.items()}
    value = next((given[alias] for alias in foreign_names("arguments")[name] if alias in given), None)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = "\n".join(value)
    return value.replace("\r\n", "\n") if isinstance(value, str) else None


def _of_pairs(path: str, pairs: Sequence[tuple[str, str]]) -> Action:
    kind = ActionKind.REPLACE
    if any(not old.strip() for old, _ in pairs):
        return Action(kind=kind, path=path, problem="the old text is empty; to write a whole file, use write")
    hunks = tuple(Hunk(old=old, new=new) for old, new in pairs)
    return Action(kind=kind, path=path, hunks=hunks, problem=problem_of(kind, path, ""))
