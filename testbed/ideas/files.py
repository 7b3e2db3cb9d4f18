"""A harness's files as the implementer's ideas see them, and edits of Python text by position.

Constructs are found with `ast`, and only the affected characters are changed: nothing is reformatted, so
diffs stay small. Text that does not parse is left alone: callers get no nodes. Contains no ideas.
"""

import ast
import random
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

Files = Mapping[str, str]

Edit = Callable[[Files, random.Random], dict[str, str]]
"""Returns the changed files with their new text; empty when the idea does not fit these files."""


def changed_only(files: Files, edited: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in edited.items() if files.get(path) != text}


def python_files(files: Files) -> list[str]:
    return sorted(path for path in files if path.endswith(".py"))


def prompt_files(files: Files) -> list[str]:
    """Text files that some code names, by file name or stem: editing an unused prompt has no effect."""
    code = "\n".join(files[path] for path in python_files(files))
    texts = sorted(path for path in files if path.endswith((".md", ".txt")))
    return [path for path in texts if _is_named(path, code)]


def _is_named(path: str, code: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    stem = name.rsplit(".", 1)[0]
    return name in code or f'"{stem}"' in code or f"'{stem}'" in code


@dataclass(frozen=True, slots=True)
class Change:
    """Replaces characters [start, end) with `text`."""

    start: int
    end: int
    text: str


@lru_cache(maxsize=256)
def parsed(source: str) -> ast.Module | None:
    """The tree, or None when the text is not valid Python; callers share it and must not modify it."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=256)
def nodes_of(source: str) -> tuple[ast.AST, ...]:
    """All nodes except those inside f-strings, whose positions Python 3.11 does not provide."""
    tree = parsed(source)
    return tuple(_walk_outside_fstrings(tree)) if tree is not None else ()


def _walk_outside_fstrings(tree: ast.AST) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.JoinedStr):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def functions_of(source: str) -> list[ast.FunctionDef]:
    return [node for node in nodes_of(source) if isinstance(node, ast.FunctionDef)]


def calls_of(source: str, attribute: str) -> list[ast.Call]:
    """Calls of a method of that name on any object: `box.chat(…)`, `self.box.chat(…)`."""
    return [
        node
        for node in nodes_of(source)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == attribute
    ]


@lru_cache(maxsize=256)
def _line_starts(source: str) -> tuple[int, ...]:
    starts = [0]
    for line in source.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return tuple(starts)


def offset(source: str, line: int, column: int) -> int:
    """Character offset of an `ast` position (1-based line, column in UTF-8 bytes)."""
    start = _line_starts(source)[line - 1]
    text = source[start : _line_starts(source)[line] - 1]
    return start + len(text.encode("utf-8")[:column].decode("utf-8", "ignore"))


def span(source: str, node: ast.expr | ast.stmt) -> tuple[int, int]:
    end_line = node.end_lineno or node.lineno
    return offset(source, node.lineno, node.col_offset), offset(source, end_line, node.end_col_offset or 0)


def text_of(source: str, node: ast.expr | ast.stmt) -> str:
    start, end = span(source, node)
    return source[start:end]


def apply_changes(source: str, changes: Sequence[Change]) -> str:
    """Apply all changes at once; of two that overlap, the one that starts first wins."""
    pieces, position = [], 0
    for change in sorted(changes, key=lambda change: (change.start, -change.end)):
        if change.start < position:
            continue
        pieces += [source[position : change.start], change.text]
        position = change.end
    return "".join(pieces) + source[position:]


def is_defined(source: str, name: str) -> bool:
    return any(function.name == name for function in functions_of(source))


def with_helper(source: str, helper: str, imports: Sequence[str] = ()) -> str:
    """Insert `helper` (a dedented function) before the first definition, with the imports it needs."""
    tree = parsed(source)
    if tree is None:
        return source
    text = textwrap.dedent(helper).strip("\n")
    last_import = max(
        (node.end_lineno or 0 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)),
        default=_docstring_end(tree),
    )
    lines = source.split("\n")
    at = max(_first_definition(tree, len(lines)), last_import)
    new = lines[:at] + ([] if at == 0 or not lines[at - 1].strip() else ["", ""])
    new += [text, "", "", *lines[at:]] if any(line.strip() for line in lines[at:]) else [text, ""]
    return with_imports("\n".join(new), imports)


def with_imports(source: str, imports: Sequence[str]) -> str:
    """Add missing `import x` lines, in order among the existing ones."""
    tree = parsed(source)
    if tree is None:
        return source
    present = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    missing = [f"import {name}" for name in imports if name not in present]
    if not missing:
        return source
    plain = [node for node in tree.body if isinstance(node, ast.Import)]
    if plain:
        before = [node for node in plain if node.names[0].name < missing[0].removeprefix("import ")]
        at = (before[-1].end_lineno or 0) if before else plain[0].lineno - 1
    else:
        future = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
        at = max([node.end_lineno or 0 for node in future] + [_docstring_end(tree)])
    lines = source.split("\n")
    return "\n".join([*lines[:at], *missing, *lines[at:]])


def _docstring_end(tree: ast.Module) -> int:
    return tree.body[0].end_lineno or 0 if tree.body and ast.get_docstring(tree) is not None else 0


def _first_definition(tree: ast.Module, default: int) -> int:
    """Number of lines before the first function or class, including its decorators."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return min([decorator.lineno for decorator in node.decorator_list] + [node.lineno]) - 1
    return default


def at_start_of(source: str, function: ast.FunctionDef, statements: str) -> Change:
    """Inserts statements before the function's first one, after its docstring."""
    body = function.body
    has_docstring = ast.get_docstring(function) is not None
    first = body[1] if has_docstring and len(body) > 1 else body[0]
    if has_docstring and len(body) == 1:
        end = span(source, body[0])[1]
        return Change(end, end, "\n" + textwrap.indent(statements, " " * body[0].col_offset))
    start = offset(source, first.lineno, 0)
    if function.lineno == first.lineno:
        start = span(source, first)[0]
        return Change(start, start, statements.replace("\n", "; ") + "; ")
    return Change(start, start, textwrap.indent(statements, " " * first.col_offset) + "\n")


def parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    return [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]


def find_entry(source: str) -> ast.FunctionDef | None:
    """`main`, or the first top-level function that takes a box."""
    tree = parsed(source)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)] if tree is not None else []
    boxed = [function for function in functions if parameters(function)[:1] == ["box"]]
    mains = [function for function in functions if function.name == "main" and parameters(function)]
    return next(iter(mains + boxed), None)
