"""How code ideas are made: a change of Python text tried on every .py file of the harness.

What each change is for stands in the modules that build ideas with this; nothing here has an opinion.
"""

import ast
import random
import re
from collections.abc import Callable, Sequence

from studbook.testbed.ideas.idea import Edit, Files, Idea, changed_only, python_files
from studbook.testbed.ideas.source import (
    Change,
    apply_changes,
    at_start_of,
    calls_of,
    find_entry,
    is_defined,
    parameters,
    parsed,
    span,
    text_of,
    with_helper,
)

Transform = Callable[[str], str]
"""Python text to Python text; the same text when the construct it looks for is not there."""

_ENTRY = re.compile(r"^entry:\s*[\"']?([\w./-]+\.py):", re.MULTILINE)


def on_python(transform: Transform) -> Edit:
    def edit(files: Files, luck: random.Random) -> dict[str, str]:  # noqa: ARG001  # an Edit is given luck
        sources = {path: files[path] for path in python_files(files) if parsed(files[path]) is not None}
        return changed_only(files, {path: transform(source) for path, source in sources.items()})

    return edit


def on_entry_file(transform: Transform) -> Edit:
    """As `on_python`, but only the file in which the harness starts."""

    def edit(files: Files, luck: random.Random) -> dict[str, str]:  # noqa: ARG001  # an Edit is given luck
        path = entry_file(files)
        return changed_only(files, {path: transform(files[path])}) if path else {}

    return edit


def entry_file(files: Files) -> str:
    """The file that the manifest names, else the first with a function that is given a box; "" for none."""
    manifest = next((text for path, text in files.items() if path.endswith((".yaml", ".yml"))), "")
    named = _ENTRY.search(manifest)
    if named and named[1] in files:
        return named[1]
    return next((path for path in python_files(files) if find_entry(files[path]) is not None), "")


def code_idea(name: str, cues: Sequence[str], edit: Edit, *hypotheses: str, weight: float = 1.0) -> Idea:
    return Idea(
        name=name,
        hypotheses=hypotheses,
        cues=tuple(cues),
        edit=edit,
        touches_code=True,
        weight=weight,
    )


def around_example(helper: str, imports: Sequence[str] = (), needs_box: bool = False) -> Edit:
    """Sends every evaluated example through `helper` first; the helper is `def name(example[, box])`."""
    name = _name_of(helper)

    def transform(source: str) -> str:
        if is_defined(source, name):
            return source
        changes = []
        for call in calls_of(source, "evaluate"):
            argument = _example_of(call)
            if argument is None or not isinstance(call.func, ast.Attribute):
                continue
            box = f", {text_of(source, call.func.value)}" if needs_box else ""
            start, end = span(source, argument)
            changes.append(Change(start, end, f"{name}({source[start:end]}{box})"))
        return with_helper(apply_changes(source, changes), helper, imports) if changes else source

    return on_python(transform)


def around_reply(helper: str, role: str, imports: Sequence[str] = ()) -> Edit:
    """Sends the text of each reply of `role` through `helper`, a `def name(text)`."""
    name = _name_of(helper)

    def transform(source: str) -> str:
        calls = chats_with(source, role)
        if is_defined(source, name) or not calls:
            return source
        changes = [Change(*span(source, call), f"{name}({text_of(source, call)})") for call in calls]
        return with_helper(apply_changes(source, changes), helper, imports)

    return on_python(transform)


def instead_of_chat(helper: str, role: str, imports: Sequence[str] = ()) -> Edit:
    """Calls `helper(box, …)` with the arguments of each chat with `role`."""
    name = _name_of(helper)

    def transform(source: str) -> str:
        calls = [call for call in chats_with(source, role) if isinstance(call.func, ast.Attribute)]
        if is_defined(source, name) or not calls:
            return source
        changes = [change for call in calls for change in _redirected(source, call, name)]
        return with_helper(apply_changes(source, changes), helper, imports)

    return on_python(transform)


def with_keyword(keyword: str, value: str, role: str) -> Edit:
    """Gives each chat with `role` a keyword argument, in place of one of that name."""

    def transform(source: str) -> str:
        changes = []
        for call in chats_with(source, role):
            old = next((item for item in call.keywords if item.arg == keyword), None)
            if old is not None:
                changes.append(Change(*span(source, old.value), value))
            else:
                changes.append(_appended(source, call, f"{keyword}={value}"))
        return apply_changes(source, changes)

    return on_python(transform)


def chats_with(source: str, role: str) -> list[ast.Call]:
    """Chats that name the role as a literal or a constant of that name; else one that names none."""
    calls = calls_of(source, "chat")
    named = [call for call in calls if role in _role_words(source, call)]
    unnamed = [call for call in calls if _role_words(source, call)[:1] not in ("'", '"')]
    return named or (unnamed if len(calls) == 1 else [])


def at_entry(statements: str) -> Edit:
    """Puts statements at the start of the entry function; `{box}` is its box."""
    return on_entry_file(_at_entry(statements))


def _at_entry(statements: str) -> Transform:
    def transform(source: str) -> str:
        entry = find_entry(source)
        if entry is None:
            return source
        text = statements.format(box=parameters(entry)[0])
        if text.split("\n")[0] in text_of(source, entry):
            return source
        return apply_changes(source, [at_start_of(source, entry, text)])

    return transform


def around_paper(helper: str, imports: Sequence[str] = ()) -> Edit:
    """Sends the paper's text through `helper`, a `def name(text)`, before anything else is done."""
    name = _name_of(helper)
    shorten = _at_entry(f"{{box}}.paper.text = {name}({{box}}.paper.text)")

    def transform(source: str) -> str:
        if is_defined(source, name):
            return source
        changed = shorten(source)
        return with_helper(changed, helper, imports) if changed != source else source

    return on_entry_file(transform)


def _name_of(helper: str) -> str:
    return helper.split("def ", 1)[1].split("(", 1)[0]


def _example_of(call: ast.Call) -> ast.expr | None:
    if call.args:
        return call.args[0]
    return next((item.value for item in call.keywords if item.arg == "example"), None)


def _role_words(source: str, call: ast.Call) -> str:
    role = (
        call.args[0]
        if call.args
        else next((item.value for item in call.keywords if item.arg == "role"), None)
    )
    return text_of(source, role).lower() if role is not None else ""


def _redirected(source: str, call: ast.Call, name: str) -> list[Change]:
    assert isinstance(call.func, ast.Attribute)
    start, end = span(source, call.func)
    box = text_of(source, call.func.value)
    opening = source.index("(", end) + 1
    return [Change(start, end, name), Change(opening, opening, f"{box}, ")]


def _appended(source: str, call: ast.Call, argument: str) -> Change:
    """A further argument before the closing bracket, whatever comma stands there."""
    closing = span(source, call)[1] - 1
    last = max(
        (span(source, item)[1] for item in [*call.args, *(k.value for k in call.keywords)]), default=closing
    )
    has_comma = "," in source[last:closing]
    text = f" {argument}" if has_comma else f", {argument}"
    at = last + source[last:closing].index(",") + 1 if has_comma else last
    return Change(at, at, text + ("," if has_comma and "\n" in source[at:closing] else ""))
