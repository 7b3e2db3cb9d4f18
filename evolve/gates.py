"""The gates: cheap checks that a proposal must pass before any validation paper is run.

A gate returns a verdict with a reason, or None. It judges files and results given by the caller, and runs
nothing. A harness is a duplicate when it has the same normal form, without layout and comments, as any
earlier mutant of the run, admitted or not. Trees with the same normal form behave the same; trees that behave
the same may have different normal forms.
"""

import ast
import io
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from threading import Lock

from studbook.errors import ManifestError
from studbook.evolve.contracts import GateFailure, TreeStore
from studbook.harnesses.folder import INJECTED, TEXT_SUFFIXES, check_files
from studbook.harnesses.strict_yaml import load_mapping
from studbook.harnesses.text_files import read_text
from studbook.harnesses.tree import MANIFEST_NAME, HarnessTree, Manifest, changed_paths
from studbook.identity import Json, hash_bytes, hash_json
from studbook.populations.records import Mutant, PaperResult, PaperVerdict, Verdict

DEADLY = frozenset(
    {
        PaperVerdict.CRASHED,
        PaperVerdict.PROTOCOL_ERROR,
        PaperVerdict.TIMED_OUT,
        PaperVerdict.OUT_OF_LIMITS,
    }
)
"""Verdicts that fail the survival test; a paper without an accepted example does not."""

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
_SHAPE = {tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE}


def check_static(parent: HarnessTree, tree: HarnessTree) -> GateFailure | None:
    """Checks that the tree changed, only in editable files, and decodes, compiles and has a valid entry."""
    touched = changed_paths(parent.files, tree.files)
    if not touched:
        return GateFailure(
            verdict=Verdict.NO_CHANGE, reason="the implementer's edit left the harness as it was"
        )
    reason = _outside(parent, tree, touched) or _broken_code(tree.files) or _no_entry(tree)
    return GateFailure(verdict=Verdict.BROKEN, reason=reason) if reason else None


def check_duplicate(name: str | None) -> GateFailure | None:
    """`name`: the harness with the same normalized tree, if any."""
    if name is None:
        return None
    return GateFailure(verdict=Verdict.DUPLICATE, reason=f"the same harness as {name}")


def check_survival(result: PaperResult) -> GateFailure | None:
    """Did the mutant finish normally on one training paper?"""
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
    """A manifest may change only in its knob values."""
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
    """What the gates need from a Python file: why it does not compile, or the functions it defines."""

    problem: str
    functions: frozenset[str] = frozenset()


@lru_cache(maxsize=512)
def _read_python(data: bytes) -> _Python:
    """Cached: a mutant shares most files with its parent, and parsing Python takes milliseconds."""
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


class SeenTrees:
    """Caches the normal forms of the mutants of one run, whose trees never change. Thread-safe."""

    def __init__(self, trees: TreeStore) -> None:
        self._trees = trees
        self._lock = Lock()
        self._read = 0
        self._first: dict[bytes, str] = {}

    def find_twin(self, tree: HarnessTree, mutants: Mapping[str, Mutant]) -> str | None:
        """The first of `mutants` with the same normal form.

        `mutants` are those of the run at some time, in the order in which they were made; only those made
        since the last call are read.
        """
        wanted = bytes.fromhex(normal_hash(tree))
        with self._lock:
            for mutant in islice(mutants.values(), self._read, None):
                form = bytes.fromhex(normal_hash(self._trees.get(mutant)))
                self._first.setdefault(form, mutant.harness_id)
            self._read = max(self._read, len(mutants))
            twin = self._first.get(wanted)
            return twin if twin in mutants else None  # if the first twin is not among them, no later one is


def normal_hash(tree: HarnessTree) -> str:
    """Equal for trees that differ only in Python layout and comments, YAML layout, or trailing spaces."""
    return hash_json({path: _file_hash(path, data) for path, data in tree.files.items()})


@lru_cache(maxsize=512)
def _file_hash(path: str, data: bytes) -> str:
    """Cached: a mutant shares most files with its parent, and parsing Python takes milliseconds."""
    return hash_json(_normal_file(path, data))


def _normal_file(path: str, data: bytes) -> Json:
    if not path.endswith(TEXT_SUFFIXES):
        return hash_bytes(data)
    text = read_text(data)
    if path.endswith(".py"):
        return _normal_python(text)
    if path == MANIFEST_NAME:
        try:
            return _normal_value(load_mapping(text, path))
        except ManifestError:  # an unreadable manifest is compared as text
            return _normal_text(text)
    return _normal_text(text)


def _normal_value(value: object) -> str:
    """Any YAML value as text, with the keys of its mappings sorted, whatever their types."""
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{key!r}: {_normal_value(each)}' for key, each in value.items()))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_normal_value, value))}]"
    return repr(value)


def _normal_text(text: str) -> str:
    lines = [line.rstrip() for line in text.split("\n")]
    return "\n".join(lines).strip("\n")


def _normal_python(text: str) -> Json:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):  # does not parse: compared as text
        return _normal_text(text)
    return [
        [token.type, "" if token.type in _SHAPE else token.string]
        for token in tokens
        if token.type not in _LAYOUT
    ]
