"""Edits of a harness's code: a change of Python text, tried on every .py file or on the entry file only.

`BUILDERS` makes an edit from the arguments that code_ideas.toml gives for it. That file also says what each
edit is for; nothing here knows which edits help.
"""

import ast
import random
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from studbook.testbed.ideas.files import (
    Change,
    Edit,
    Files,
    apply_changes,
    at_start_of,
    calls_of,
    changed_only,
    find_entry,
    functions_of,
    is_defined,
    nodes_of,
    parameters,
    parsed,
    python_files,
    span,
    text_of,
    with_helper,
)

Transform = Callable[[str], str]
"""Python text to Python text; returns the text unchanged when it lacks the construct to edit."""

_ENTRY = re.compile(r"^entry:\s*[\"']?([\w./-]+\.py):", re.MULTILINE)


def on_python(transform: Transform) -> Edit:
    def edit(files: Files, rng: random.Random) -> dict[str, str]:  # noqa: ARG001  # an Edit is given a generator
        sources = {path: files[path] for path in python_files(files) if parsed(files[path]) is not None}
        return changed_only(files, {path: transform(source) for path, source in sources.items()})

    return edit


def on_entry_file(transform: Transform) -> Edit:
    """Like `on_python`, but only for the entry file of the harness."""

    def edit(files: Files, rng: random.Random) -> dict[str, str]:  # noqa: ARG001  # an Edit is given a generator
        path = entry_file(files)
        return changed_only(files, {path: transform(files[path])}) if path else {}

    return edit


def entry_file(files: Files) -> str:
    """The entry file in the manifest, else the first with a function that takes a box; "" if none."""
    manifest = next((text for path, text in files.items() if path.endswith((".yaml", ".yml"))), "")
    named = _ENTRY.search(manifest)
    if named and named[1] in files:
        return named[1]
    return next((path for path in python_files(files) if find_entry(files[path]) is not None), "")


def around_example(helper: str, imports: Sequence[str] = (), needs_box: bool = False) -> Edit:
    """Passes every example through `helper`, a `def name(example[, box])`, before it is evaluated."""
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
    """Passes the text of each reply of `role` through `helper`, a `def name(text)`."""
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
    """Adds a keyword argument to each chat with `role`, replacing one with the same name."""

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
    """Chat calls that name the role as a literal or a constant; otherwise a call that names no role."""
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
    """Passes the paper's text through `helper`, a `def name(text)`, before anything else."""
    name = _name_of(helper)
    shorten = _at_entry(f"{{box}}.paper.text = {name}({{box}}.paper.text)")

    def transform(source: str) -> str:
        if is_defined(source, name):
            return source
        changed = shorten(source)
        return with_helper(changed, helper, imports) if changed != source else source

    return on_entry_file(transform)


def lenient_json(helper: str) -> Edit:
    """Passes text through `helper` where replies are parsed, or where they arrive if no parsing is found."""
    name = _name_of(helper)

    def before_parsing(source: str) -> str:
        """Skips functions that ask the verifier, whose replies have another format."""
        calls = [*calls_of(source, "loads"), *_kit_calls(source, "read_json")]
        texts = [call.args[0] for call in calls if len(call.args) == 1]
        if is_defined(source, name) or chats_with(source, "verifier") or not texts:
            return source
        changes = [Change(*span(source, text), f"{name}({text_of(source, text)})") for text in texts]
        return with_helper(apply_changes(source, changes), helper, ("re",))

    def edit(files: Files, rng: random.Random) -> dict[str, str]:
        if any(is_defined(files[path], name) for path in python_files(files)):
            return {}
        return on_python(before_parsing)(files, rng) or around_reply(helper, "challenger", ("re",))(
            files, rng
        )

    return edit


def _kit_calls(source: str, name: str) -> list[ast.Call]:
    """Calls of a function of the harness kit that was imported by its name."""
    tree = parsed(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree is not None else []
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == name]


_FEEDBACK_NAME = re.compile(r"feedback|failure|failed|refine|lesson|so_far|retry|grouped", re.IGNORECASE)
_FAILURES_NAME = re.compile(
    r"(?:self\.)?\w*(?:fail|attempt|histor|earlier|tries|past|report|items|record)\w*", re.IGNORECASE
)


def _feedback_functions(source: str) -> list[ast.FunctionDef]:
    """Functions that describe failures, judging by their name and a text return type."""
    return [
        function
        for function in functions_of(source)
        if _FEEDBACK_NAME.search(function.name) and _returns_text(function)
    ]


def _returns_text(function: ast.FunctionDef) -> bool:
    annotation = ast.unparse(function.returns) if function.returns is not None else "str"
    returns_value = any(isinstance(node, ast.Return) and node.value for node in ast.walk(function))
    return annotation == "str" and returns_value


def _without_feedback(source: str) -> str:
    changes = [
        at_start_of(source, function, 'return ""')
        for function in _feedback_functions(source)
        if 'return ""' not in text_of(source, function)
    ]
    return apply_changes(source, changes)


def of_failures(template: str) -> Edit:
    """Rewrites each read of the failures, a name or a field, in a feedback function by `template`."""

    def transform(source: str) -> str:
        inside = {id(node) for function in _feedback_functions(source) for node in ast.walk(function)}
        reads = [node for node in _reads_of_failures(source) if id(node) in inside]
        pairs = [(node, template.format(text_of(source, node))) for node in reads]
        fresh = [(node, text) for node, text in pairs if text not in source]
        return apply_changes(source, [Change(*span(source, node), text) for node, text in fresh])

    return on_python(transform)


def _reads_of_failures(source: str) -> list[ast.Name | ast.Attribute]:
    reads = [node for node in nodes_of(source) if isinstance(node, ast.Name | ast.Attribute)]
    loads = [node for node in reads if isinstance(node.ctx, ast.Load)]
    return [node for node in loads if _FAILURES_NAME.fullmatch(text_of(source, node))]


def rounds(template: str) -> Edit:
    """Rewrites each read of the number of rounds by `template`."""

    def transform(source: str) -> str:
        changes = []
        for node in nodes_of(source):
            if isinstance(node, ast.expr) and _reads_rounds(source, node):
                text = template.format(text_of(source, node))
                changes += [Change(*span(source, node), text)] if text not in source else []
        return apply_changes(source, changes)

    return on_python(transform)


def _reads_rounds(source: str, node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "max_rounds" and isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Subscript):
        return isinstance(node.ctx, ast.Load) and text_of(source, node.slice).strip("\"'") == "max_rounds"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        return bool(node.args) and text_of(source, node.args[0]).strip("\"'") == "max_rounds"
    return False


_WAVED_THROUGH = {
    "bool": "return True",
    "str": "return ''",
    "tuple[bool, str]": "return (True, '')",
    "dict[str, Any]": "return {'pass': True, 'feedback': ''}",
    "dict": "return {'pass': True, 'feedback': ''}",
    "str | None": "return None",
    "Optional[str]": "return None",
    "None": "return None",
}
"""What a checking function returns when it has no objection, by return annotation."""


_YES = re.compile(r"return (?:\w+\()?\(?(?:passed=)?True(?:, \w*=?['\"]{2})?\)?\)?")


def _without_verifier(source: str) -> str:
    """Makes the function that asks the verifier approve at once."""
    asking = {id(call) for call in chats_with(source, "verifier")}
    changes = []
    for function in functions_of(source):
        statement = _blessing(function)
        asks = any(id(node) in asking for node in ast.walk(function))
        opening = [ast.unparse(node) for node in function.body[:2]]
        if asks and statement and statement not in opening:
            changes.append(at_start_of(source, function, statement))
    return apply_changes(source, changes)


def _blessing(function: ast.FunctionDef) -> str:
    """A return statement of the function that means approval, or one that fits its annotation."""
    own = [ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Return)]
    said = [text for text in own if _YES.fullmatch(text)]
    annotation = ast.unparse(function.returns) if function.returns is not None else ""
    return said[0] if said else _WAVED_THROUGH.get(annotation, "")


def cache_reads(helper: str) -> Edit:
    """Makes each file read go through `helper`, a `def name(box, path)`."""
    name = _name_of(helper)

    def transform(source: str) -> str:
        if is_defined(source, name):
            return source
        changes = []
        for call in calls_of(source, "read"):
            if isinstance(call.func, ast.Attribute) and len(call.args) == 1 and not call.keywords:
                box, path = text_of(source, call.func.value), text_of(source, call.args[0])
                changes.append(Change(*span(source, call), f"{name}({box}, {path})"))
        return with_helper(apply_changes(source, changes), helper) if changes else source

    return on_python(transform)


def guard_entry(helper: str) -> Edit:
    """Decorates the entry function with `helper`."""
    name = _name_of(helper)

    def transform(source: str) -> str:
        entry = find_entry(source)
        if entry is None or is_defined(source, name) or len(parameters(entry)) != 1:
            return source
        first = min([decorator.lineno for decorator in entry.decorator_list] + [entry.lineno])
        lines = source.split("\n")
        guarded = "\n".join([*lines[: first - 1], f"@{name}", *lines[first - 1 :]])
        return with_helper(guarded, helper)

    return on_entry_file(transform)


def _document(source: str) -> str:
    """Adds a docstring to every function that has none."""
    changes = []
    for function in functions_of(source):
        if ast.get_docstring(function) is None and function.body[0].lineno > function.lineno:
            words = function.name.strip("_").replace("_", " ")
            line = function.body[0].lineno - 1
            start = sum(len(text) + 1 for text in source.split("\n")[:line])
            indent = " " * function.body[0].col_offset
            changes.append(Change(start, start, f'{indent}"""Does the step “{words}”."""\n'))
    return apply_changes(source, changes)


def _rename_locals(source: str) -> str:
    """Renames a local variable to a longer name, in the first function where that is possible."""
    for function in functions_of(source):
        name = _renamable(function)
        if name:
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == name]
            return apply_changes(source, [Change(*span(source, node), f"{name}_value") for node in names])
    return source


def _renamable(function: ast.FunctionDef) -> str:
    """A name that is assigned and read only in this function's own body, outside f-strings."""
    nodes = list(ast.walk(function))
    if any(isinstance(node, ast.Global | ast.Nonlocal | ast.Lambda | ast.FunctionDef) for node in nodes[1:]):
        return ""
    texts = [inner for node in nodes if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)]
    in_texts = {node.id for node in texts if isinstance(node, ast.Name)}
    stored = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    taken = in_texts | {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    free = [name for name in stored if name not in taken and not name.startswith("_")]
    return next((name for name in free if not name.endswith("_value")), "")


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
    """Adds an argument before the closing parenthesis, with or without a trailing comma there."""
    closing = span(source, call)[1] - 1
    last = max(
        (span(source, item)[1] for item in [*call.args, *(k.value for k in call.keywords)]), default=closing
    )
    has_comma = "," in source[last:closing]
    text = f" {argument}" if has_comma else f", {argument}"
    at = last + source[last:closing].index(",") + 1 if has_comma else last
    return Change(at, at, text + ("," if has_comma and "\n" in source[at:closing] else ""))


BUILDERS: Mapping[str, Callable[..., Edit]] = MappingProxyType(
    {
        "around_example": around_example,
        "around_reply": around_reply,
        "instead_of_chat": instead_of_chat,
        "with_keyword": with_keyword,
        "at_entry": at_entry,
        "around_paper": around_paper,
        "lenient_json": lenient_json,
        "of_failures": of_failures,
        "rounds": rounds,
        "no_feedback": lambda: on_python(_without_feedback),
        "skip_verifier": lambda: on_python(_without_verifier),
        "cache_reads": cache_reads,
        "guard_entry": guard_entry,
        "document_functions": lambda: on_entry_file(_document),
        "rename_locals": lambda: on_entry_file(_rename_locals),
    }
)
