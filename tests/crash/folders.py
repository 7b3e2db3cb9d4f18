"""Two run folders compared file by file and field by field: the names of the fields that differ, no more.

A run may have finished papers, and made calls, beyond the one that decided a race; how many hangs on timing.
They are counted as `more papers` and `more calls`, and nothing rests on them.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from studbook.populations.storage import RunFolder

MAY_DIFFER = frozenset(
    {
        "journal.jsonl: time",
        "journal.jsonl: check",
        "journal.jsonl.lock",
        "environment.json: started",
        "environment.json: check",
        "environment.json: commit",
        "spec.resolved.yaml: workers",
        "spec.resolved.yaml: speculation",
        "notices.jsonl",
        "report.html",
        "provenance",
        "calls.sqlite: more calls",
        "trajectories: more papers",
    }
)
"""docs/durability.md lists the same, with the reasons."""


def differing_fields(one: RunFolder, other: RunFolder) -> set[str]:
    return {
        *_lines("journal.jsonl", _json_lines(one.journal), _json_lines(other.journal)),
        *_values("environment.json", _json(one.environment), _json(other.environment)),
        *_values("spec.resolved.yaml", _yaml(one.spec), _yaml(other.spec)),
        *_tables(_rows(one.calls), _rows(other.calls)),
        *_trajectories(_files(one.trajectories), _files(other.trajectories)),
        *(f"lineage.git: {name}" for name in _differing(_files(one.lineage), _files(other.lineage))),
        *_rest(one, other),
    }


def _rest(one: RunFolder, other: RunFolder) -> set[str]:
    """Files at the top that are none of the above, by their bytes."""
    read = {one.journal.name, one.environment.name, one.spec.name}
    skipped = read | {one.calls.name + end for end in ("", "-wal", "-shm")}
    found = [
        {path.name: path.read_bytes() for path in folder.root.iterdir() if path.is_file()}
        for folder in (one, other)
    ]
    return {name for name in _differing(*found) if name not in skipped}


def _lines(name: str, one: list[dict[str, Any]], other: list[dict[str, Any]]) -> set[str]:
    if len(one) != len(other):
        return {f"{name}: number of lines"}
    pairs = zip(one, other, strict=True)
    return {field for left, right in pairs for field in _values(name, left, right)}


def _values(name: str, one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {f"{name}: {key}" for key in _differing(one, other)}


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def _tables(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    common = one.keys() & other.keys()
    changed = {"calls.sqlite: a call"} if any(one[key] != other[key] for key in common) else set()
    return changed | ({"calls.sqlite: more calls"} if one.keys() != other.keys() else set())


def _trajectories(one: dict[str, bytes], other: dict[str, bytes]) -> set[str]:
    common = one.keys() & other.keys()
    changed = {f"trajectories: {name}" for name in common if one[name] != other[name]}
    return changed | ({"trajectories: more papers"} if one.keys() != other.keys() else set())


def _rows(path: Path) -> dict[str, Any]:
    """All of a call's row: everything in it is part of the record."""
    with closing(sqlite3.connect(path)) as connection:
        return {row[0].hex(): row[1:] for row in connection.execute("SELECT * FROM calls")}


def _files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _yaml(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return value


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
