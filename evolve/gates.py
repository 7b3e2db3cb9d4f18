"""The gates before money: what a proposal must pass before a single validation paper is run. Pure.

A gate answers with the verdict and the reason, or None. Survival is judged from a result that the caller got.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from studbook.errors import ManifestError
from studbook.evolve.policies.worktree import INJECTED, changed_paths
from studbook.harnesses.folder import check_files
from studbook.harnesses.manifest import Manifest
from studbook.harnesses.tree import MANIFEST_NAME, HarnessTree
from studbook.populations.records import PaperResult, PaperVerdict, Verdict

DEADLY = frozenset(
    {
        PaperVerdict.CRASHED,
        PaperVerdict.PROTOCOL_ERROR,
        PaperVerdict.TIMED_OUT,
        PaperVerdict.OUT_OF_LIMITS,
    }
)
"""Ends that a harness does not survive; an example that was not accepted is a mere failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFailure:
    verdict: Verdict
    reason: str


def check_static(parent: HarnessTree, tree: HarnessTree) -> GateFailure | None:
    """Changed, inside the editable part, text that decodes, code that compiles, a manifest and its entry."""
    touched = changed_paths(parent.files, tree.files)
    if not touched:
        return GateFailure(verdict=Verdict.NO_CHANGE, reason="the proposal changes nothing")
    reason = _outside(parent, tree, touched) or _broken_code(tree.files) or _no_entry(tree)
    return GateFailure(verdict=Verdict.BROKEN, reason=reason) if reason else None


def check_duplicate(name: str | None) -> GateFailure | None:
    """`name`: the harness that has the same normalised tree, if any."""
    if name is None:
        return None
    return GateFailure(verdict=Verdict.DUPLICATE, reason=f"the same harness as {name}")


def check_survival(result: PaperResult) -> GateFailure | None:
    """Did the mutant end in order on one training paper?"""
    if result.verdict not in DEADLY:
        return None
    kind = result.verdict.value.replace("_", " ")
    return GateFailure(verdict=Verdict.BROKEN, reason=f"{kind} on a training paper: {result.reason}")


def _outside(parent: HarnessTree, tree: HarnessTree, touched: tuple[str, ...]) -> str:
    manifest = parent.manifest
    for path in touched:
        if path == MANIFEST_NAME and _only_knobs_differ(parent, tree):
            continue
        if path == INJECTED or not manifest.is_editable(path):
            return f"{path} is not editable"
    try:
        check_files(tree.files)
    except ManifestError as error:
        return str(error)
    return ""


def _only_knobs_differ(parent: HarnessTree, tree: HarnessTree) -> bool:
    """A manifest may change in nothing but knob values."""
    try:
        before, after = parent.manifest, tree.manifest
    except ManifestError:
        return False
    return _without_values(before) == _without_values(after)


def _without_values(manifest: Manifest) -> Manifest:
    return replace(manifest, knobs=tuple(replace(knob, value=knob.low) for knob in manifest.knobs))


def _broken_code(files: Mapping[str, bytes]) -> str:
    for path, data in files.items():
        problem = _read_python(data).problem if path.endswith(".py") else ""
        if problem:
            return f"{path} does not compile: {problem}"
    return ""


@dataclass(frozen=True, slots=True)
class _Python:
    """What the gates ask of a Python file: why it does not compile, or the functions it defines."""

    problem: str
    functions: frozenset[str] = frozenset()


@lru_cache(maxsize=512)
def _read_python(data: bytes) -> _Python:
    """A mutant shares most of its files with its parent, and reading Python takes milliseconds."""
    try:
        body = ast.parse(data).body
    except SyntaxError as error:
        return _Python(f"{error.msg} (line {error.lineno})")
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, hostile nesting
        return _Python(type(error).__name__)
    functions = (node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return _Python("", frozenset(functions))


def _no_entry(tree: HarnessTree) -> str:
    try:
        entry = tree.manifest.entry
    except ManifestError as error:
        return str(error)
    path, _, function = entry.partition(":")
    if path not in tree.files:
        return f"the entry file {path} is gone"
    return (
        "" if function in _read_python(tree.files[path]).functions else f"{path} no longer defines {function}"
    )
