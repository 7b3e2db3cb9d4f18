"""Ways in which an edit goes wrong: mistakes in code, edits without effect, writes outside the harness.

The mistakes are those that engineers make: syntax, names, imports missing in the box, and code that works
only for most inputs. Deterministic for a given random generator.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from pydantic import with_config

from studbook.testbed.ideas.files import (
    Files,
    apply_changes,
    at_start_of,
    find_entry,
    functions_of,
    parameters,
    parsed,
    python_files,
)
from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.ideas"
DATA_FILES = ("accidents.toml",)

Edited = dict[str, str | None]
"""New text by path; None deletes the file."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Trespass:
    """A file the implementer must not edit, and the stated reason for editing it."""

    path: str
    text: str
    hypothesis: str


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _Accidents:
    foreign_imports: tuple[str, ...]
    bold_assumptions: tuple[str, ...]
    outside: tuple[Trespass, ...]


@cache
def _table() -> _Accidents:
    return read_table(PACKAGE, DATA_FILES[0], _Accidents)


def draw_trespass(rng: random.Random) -> Trespass:
    return rng.choice(_table().outside)


def broken(files: Files, edited: Mapping[str, str], rng: random.Random) -> Edited:
    """The edit with a mistake in it; if it edits only prompts, a prompt is written under another name."""
    touched = [path for path in python_files(edited) if parsed(edited[path]) is not None]
    if not touched:
        return _misplaced(edited, rng)
    path = rng.choice(touched)
    slips = list(_SLIPS)
    rng.shuffle(slips)
    for slip in slips:
        damaged = slip(files.get(path, ""), edited[path], rng)
        if damaged != edited[path]:
            return {**edited, path: damaged}
    return dict(edited)


def ineffective(files: Files, rng: random.Random) -> Edited:
    """A comment or some whitespace: the text differs, but the harness behaves the same."""
    sources = [path for path in python_files(files) if functions_of(files[path])]
    if sources and rng.random() < 0.6:
        path = rng.choice(sources)
        name = rng.choice(functions_of(files[path])).name
        return {path: files[path].rstrip("\n") + f"\n\n# {name}: looked at, left as it is.\n"}
    path = rng.choice(sorted(files))
    return {path: files[path].rstrip("\n") + "\n\n"}


def _lost_colon(before: str, after: str, rng: random.Random) -> str:
    known = set(before.split("\n"))
    lines = after.split("\n")
    fresh = [number for number, line in enumerate(lines) if line.endswith(":") and line not in known]
    candidates = fresh or [number for number, line in enumerate(lines) if line.endswith(":")]
    if candidates:
        number = rng.choice(candidates)
        lines[number] = lines[number][:-1]
    return "\n".join(lines)


def _misspelled(before: str, after: str, rng: random.Random) -> str:
    """A new function under a different name than its call uses, or a call to something undefined."""
    known = {function.name for function in functions_of(before)}
    fresh = [function.name for function in functions_of(after) if function.name not in known]
    if fresh:
        name = rng.choice(fresh)
        return after.replace(f"def {name}(", f"def {name}_text(", 1)
    return _at_entry(after, "settings = load_settings({box})")


def _foreign_import(before: str, after: str, rng: random.Random) -> str:  # noqa: ARG001  # slips share a shape
    tree = parsed(after)
    if tree is None:
        return after
    last = max((node.end_lineno or 0 for node in tree.body if "Import" in type(node).__name__), default=0)
    lines = after.split("\n")
    return "\n".join([*lines[:last], rng.choice(_table().foreign_imports), *lines[last:]])


def _bold_assumption(before: str, after: str, rng: random.Random) -> str:  # noqa: ARG001  # slips share a shape
    return _at_entry(after, rng.choice(_table().bold_assumptions))


def _at_entry(source: str, statement: str) -> str:
    entry = find_entry(source)
    if entry is None:
        return source
    return apply_changes(source, [at_start_of(source, entry, statement.format(box=parameters(entry)[0]))])


Slip = Callable[[str, str, random.Random], str]
_SLIPS: tuple[Slip, ...] = (_lost_colon, _misspelled, _foreign_import, _bold_assumption)


def _misplaced(edited: Mapping[str, str], rng: random.Random) -> Edited:
    path = rng.choice(sorted(edited))
    stem, dot, suffix = path.rpartition(".")
    moved = f"{stem}_v2{dot}{suffix}" if dot else f"{path}_v2"
    return {**edited, path: None, moved: edited[path]}
