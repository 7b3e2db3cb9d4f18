"""The comparison of two run folders sees every field that differs, and the docs list those that may."""

import json
import re
import sqlite3
from pathlib import Path

from crash.folders import MAY_DIFFER, differing_fields

from studbook.populations.storage import RunFolder

ROOT = Path(__file__).resolve().parents[2]


def write_folder(
    root: Path, *, verdict: str = "admitted", time: str = "09:00", workers: int = 1
) -> RunFolder:
    folder = RunFolder(root)
    (folder.trajectories / "ab").mkdir(parents=True)
    (folder.lineage / "refs").mkdir(parents=True)
    line = {"data": {"verdict": verdict}, "hash": "h", "time": time}
    folder.journal.write_text(json.dumps(line) + "\n")
    folder.environment.write_text(json.dumps({"started": time, "python": "3.11"}))
    folder.spec.write_text(f"seed: 1\nworkers: {workers}\n")
    with sqlite3.connect(folder.calls) as connection:
        connection.execute("CREATE TABLE calls (key BLOB PRIMARY KEY, reply BLOB)")
        connection.execute("INSERT INTO calls VALUES (?, ?)", (b"k", b"why not"))
    connection.close()
    (folder.trajectories / "ab" / "abc.json.zst").write_bytes(b"said")
    (folder.lineage / "refs" / "m0001").write_text("c0ffee")
    return folder


def test_only_what_differs_is_named(tmp_path):
    one = write_folder(tmp_path / "one")
    other = write_folder(tmp_path / "other", verdict="rejected", time="10:00", workers=8)
    assert differing_fields(one, one) == set()
    assert differing_fields(one, other) == {
        "journal.jsonl: data",
        "journal.jsonl: time",
        "environment.json: started",
        "spec.resolved.yaml: workers",
    }


def test_a_changed_call_paper_or_ref_is_named_and_more_of_them_are_told_apart(tmp_path):
    one, other = write_folder(tmp_path / "one"), write_folder(tmp_path / "other")
    with sqlite3.connect(other.calls) as connection:
        connection.execute("INSERT INTO calls VALUES (?, ?)", (b"l", b"another"))
    connection.close()
    (other.trajectories / "ab" / "abd.json.zst").write_bytes(b"more")
    assert differing_fields(one, other) == {"calls.sqlite: more calls", "trajectories: more papers"}
    with sqlite3.connect(other.calls) as connection:
        connection.execute("UPDATE calls SET reply = x'00' WHERE key = ?", (b"k",))
    connection.close()
    (other.trajectories / "ab" / "abc.json.zst").write_bytes(b"forged")
    (other.lineage / "refs" / "m0001").write_text("decaf")
    (other.root / "extra").write_text("")
    assert differing_fields(one, other) - MAY_DIFFER == {
        "calls.sqlite: a call",
        "trajectories: ab/abc.json.zst",
        "lineage.git: refs/m0001",
        "extra",
    }


def test_the_docs_list_exactly_the_fields_that_may_differ():
    text = (ROOT / "docs" / "durability.md").read_text(encoding="utf-8")
    section = text.partition("## What may differ")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)) == MAY_DIFFER
