"""Reads tool calls: those of an endpoint, and those that models write as JSON or XML text.

Models differ in the names of fields and arguments; the content is not guessed.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from studbook.evolve.policies.actions import Action, ActionKind, Hunk, read_help
from studbook.evolve.policies.text_edits import clean_path, problem_of
from studbook.llm.contracts import ToolCall
from studbook.llm.json_reader import find_objects, find_values

ALIASES: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "file_path", "filepath", "filename"),
    "old": ("old", "find", "search", "old_text", "old_string", "old_str", "old_lines"),
    "new": ("new", "replace", "replacement", "new_text", "new_string", "new_str", "new_lines"),
    "text": ("text", "content", "contents", "body", "query", "pattern", "message", "summary", "hypothesis"),
}
_ARGUMENTS = ("arguments", "parameters", "args", "input", "params")
_NAMES = ("name", "tool", "action", "tool_name")

_XML_CALL = re.compile(
    r"<(?:function=|invoke name=\"|function name=\")(?P<name>\w+)\"?>(?P<inner>.*?)</(?:function|invoke)>",
    re.DOTALL,
)
_XML_ARGUMENT = re.compile(
    r"<parameter(?:=| name=\")(?P<name>\w+)\"?>\n?(?P<value>.*?)\n?</parameter>", re.DOTALL
)


def action_of_call(call: ToolCall) -> Action | None:
    """None for a tool that there is not."""
    return _of_arguments(call.name, call.arguments)


def calls_in_xml(text: str) -> Iterator[Action]:
    for call in _XML_CALL.finditer(text):
        arguments = {each["name"]: each["value"] for each in _XML_ARGUMENT.finditer(call["inner"])}
        action = _of_arguments(call["name"], arguments)
        if action is not None:
            yield action


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
        action = _of_arguments(name, arguments)
        if action is not None:
            yield action


def _of_arguments(name: str, arguments: object) -> Action | None:
    """`arguments`: an object, or its JSON text, which may be broken."""
    plain = re.sub(r"_files?$", "", name.strip().lower())
    if plain not in ActionKind.__members__.values():
        return None
    kind = ActionKind(plain)
    wanted = read_help()[kind].arguments
    if isinstance(arguments, str):
        arguments = next(find_objects(arguments), {} if not wanted else None)
    if not isinstance(arguments, dict):
        return Action(kind=kind, problem=f"its arguments must be one JSON object with {', '.join(wanted)}")
    given = {name: _argument(arguments, name) for name in wanted}
    path = clean_path(given.get("path") or "")
    missing = [name for name, value in given.items() if value is None]
    if missing and kind is not ActionKind.DONE:
        return Action(kind=kind, path=path, problem=f"`{kind}` lacks {' and '.join(missing)}")
    if kind is ActionKind.REPLACE:
        return _of_pair(path, str(given["old"]), str(given["new"]))
    body = given.get("text") or ""
    return Action(kind=kind, path=path, body=body, problem=problem_of(kind, path, body))


def _argument(arguments: Mapping[str, Any], name: str) -> str | None:
    value = next((arguments[alias] for alias in ALIASES[name] if alias in arguments), None)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = "\n".join(value)
    return value.replace("\r\n", "\n") if isinstance(value, str) else None


def _of_pair(path: str, old: str, new: str) -> Action:
    kind = ActionKind.REPLACE
    if not old.strip():
        return Action(kind=kind, path=path, problem="the old text is empty; to write a whole file, use write")
    return Action(kind=kind, path=path, hunks=(Hunk(old=old, new=new),), problem=problem_of(kind, path, old))
