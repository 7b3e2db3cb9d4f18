"""Code ideas of upkeep: logging, caching, names, guards. What they bring shows when they are run."""

import ast

from studbook.testbed.ideas.code import at_entry, code_idea, on_entry_file, on_python
from studbook.testbed.ideas.source import (
    Change,
    apply_changes,
    calls_of,
    find_entry,
    functions_of,
    is_defined,
    parameters,
    span,
    text_of,
    with_helper,
)

_READ_ONCE = '''
def read_once(box, path, known={}):
    """A prompt is read from the folder once for each box."""
    if path not in known:
        known[path] = box.read(path)
    return known[path]
'''

_CAREFUL = '''
def careful(function):
    """Notes an unexpected reply instead of ending in a traceback."""

    def guarded(box):
        try:
            return function(box)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            box.log(f"gave up: {type(error).__name__}: {error}")
            return None

    return guarded
'''


def _cache_reads(source: str) -> str:
    if is_defined(source, "read_once"):
        return source
    changes = []
    for call in calls_of(source, "read"):
        if isinstance(call.func, ast.Attribute) and len(call.args) == 1 and not call.keywords:
            box, path = text_of(source, call.func.value), text_of(source, call.args[0])
            changes.append(Change(*span(source, call), f"read_once({box}, {path})"))
    return with_helper(apply_changes(source, changes), _READ_ONCE) if changes else source


def _guard_entry(source: str) -> str:
    entry = find_entry(source)
    if entry is None or is_defined(source, "careful") or len(parameters(entry)) != 1:
        return source
    first = min([decorator.lineno for decorator in entry.decorator_list] + [entry.lineno])
    lines = source.split("\n")
    guarded = "\n".join([*lines[: first - 1], "@careful", *lines[first - 1 :]])
    return with_helper(guarded, _CAREFUL)


def _document(source: str) -> str:
    """A docstring for every function that has none."""
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
    """Gives a local name of the first function that allows it a longer one."""
    for function in functions_of(source):
        name = _renamable(function)
        if name:
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == name]
            return apply_changes(source, [Change(*span(source, node), f"{name}_value") for node in names])
    return source


def _renamable(function: ast.FunctionDef) -> str:
    """A name that only this function's own body assigns and reads, outside f-strings."""
    nodes = list(ast.walk(function))
    if any(isinstance(node, ast.Global | ast.Nonlocal | ast.Lambda | ast.FunctionDef) for node in nodes[1:]):
        return ""
    texts = [inner for node in nodes if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)]
    in_texts = {node.id for node in texts if isinstance(node, ast.Name)}
    stored = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    taken = in_texts | {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    free = [name for name in stored if name not in taken and not name.startswith("_")]
    return next((name for name in free if not name.endswith("_value")), "")


UPKEEP_IDEAS = (
    code_idea(
        "log_start",
        ("logging", "log received", "failures visible"),
        at_entry('{box}.log("starting on a paper of " + str(len({box}.paper.text)) + " characters")'),
        "Log the length of each paper, to see later whether long ones fail more often.",
    ),
    code_idea(
        "log_title",
        ("logging", "failures visible"),
        at_entry('{box}.log("paper: " + {box}.paper.title)'),
        "Log the title at the start, so that trajectories are easier to tell apart.",
    ),
    code_idea(
        "cache_reads",
        ("repeated reads", "hygiene code"),
        on_python(_cache_reads),
        "Read each prompt once and keep it, instead of reading it every round.",
    ),
    code_idea(
        "guard_entry",
        ("guard code", "code stops", "crash"),
        on_entry_file(_guard_entry),
        "Catch unexpected replies at the entry and note them, instead of crashing.",
    ),
    code_idea(
        "document_functions",
        ("hygiene code", "unclear names"),
        on_entry_file(_document),
        "Document the functions that have no description; behaviour stays as it is.",
        weight=0.7,
    ),
    code_idea(
        "rename_locals",
        ("unclear names", "clean-up"),
        on_entry_file(_rename_locals),
        "Give a short local name a longer one, which makes the code easier to change.",
        weight=0.7,
    ),
)
