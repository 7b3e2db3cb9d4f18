"""Call records read to find what was changed: every fault is named, and nothing is written."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from studbook.errors import RequestFailed
from studbook.findings import Findings
from studbook.llm.contracts import ChatReply, Evidence, Usage, evidence_of, seal_failure, seal_reply
from studbook.llm.records import CallRecords
from studbook.llm.records_audit import opened_for_audit

REPLIES = {
    f"{number:064x}": ChatReply(text=f"answer {number}", usage=Usage(), model="m") for number in range(1, 9)
}
FAILED = "f" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "calls.sqlite"
    with CallRecords.open(path) as records:
        for key, reply in REPLIES.items():
            records.put(key, role="weak", reply=reply)
        records.put_failure(FAILED, role="judge", failure=RequestFailed("refused", "too long", key=FAILED))
    return path


def evidence() -> Evidence:
    seals = [seal_reply(key, "weak", reply) for key, reply in list(REPLIES.items())[:7]]
    return evidence_of([*seals, seal_failure(FAILED, "judge", "refused", "too long")])


def audit(path: Path, *, is_running: bool = False) -> tuple[list[str], Findings]:
    findings = Findings()
    with opened_for_audit(path, findings, is_running=is_running) as calls:
        if calls is not None:
            calls.check()
            answers = calls.answers_behind(evidence(), "the work")
            findings.note(f"{len(answers.calls)} answers, whole: {answers.is_whole}, unused: {calls.unused}")
    return [f"{fault.place}: {fault.problem}" for fault in findings.faults], findings


def execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_records_that_nobody_touched_have_no_fault(path):
    faults, findings = audit(path)
    assert faults == []
    assert findings.notes == ["7 answers, whole: True, unused: 1"]
    assert findings.checked == {"call records": 8, "failed calls": 1}


def test_reading_leaves_no_trace_beside_the_file(path):
    before = {item.name: item.stat().st_mtime_ns for item in path.parent.iterdir()}
    audit(path)
    assert {item.name: item.stat().st_mtime_ns for item in path.parent.iterdir()} == before


def test_a_write_ahead_log_that_a_killed_process_left_is_read_and_left(path, tmp_path):
    """What was written last stands only there."""
    with CallRecords.open(path) as records:
        records.put("e" * 64, role="weak", reply=REPLIES[f"{1:064x}"])
        killed = tmp_path / "killed"
        killed.mkdir()
        for name in (path.name, path.name + "-wal"):
            shutil.copy(path.parent / name, killed / name)
    before = sorted(os.listdir(killed))
    faults, findings = audit(killed / path.name)
    assert faults == []
    assert findings.checked["call records"] == 9
    assert sorted(os.listdir(killed)) == before


def test_records_are_read_while_a_run_writes_them(path):
    with CallRecords.open(path) as records:
        records.put("e" * 64, role="weak", reply=REPLIES[f"{1:064x}"])
        faults, findings = audit(path, is_running=True)
    assert faults == []
    assert findings.checked["call records"] == 9


CHANGES = {
    "DELETE FROM calls": "record 0000000000000000: it is missing, and the work refers to it",
    "DELETE FROM calls WHERE hex(key) LIKE '%03'": "record 0000000000000000: the work refers to a different",
    "DELETE FROM failures": "record ffffffffffffffff: it is missing, and the work refers to it",
    "UPDATE failures SET kind = 'silent'": "record ffffffffffffffff: the work refers to a different answer",
    "UPDATE failures SET message = 'too short'": "record ffffffffffffffff: the work refers to a different",
    "UPDATE failures SET role = 'weak'": "record ffffffffffffffff: the work refers to a different answer",
    "UPDATE failures SET key = x'00'": "a failed call has no key of 32 bytes",
    "UPDATE calls SET dollars = 1": "its column dollars is not what its content says",
    "UPDATE calls SET reply = x'00'": "is damaged",
    "PRAGMA user_version = 7": "has schema version 7, and this Studbook reads 3",
    "PRAGMA application_id = 7": "is a database, but not one of Studbook's call records",
    "CREATE TABLE more (x)": "its tables are not those of call records",
}


@pytest.mark.parametrize("statement", CHANGES)
def test_what_was_changed_is_named(statement, path):
    execute(path, statement)
    faults, _ = audit(path)
    assert any(CHANGES[statement] in fault for fault in faults), faults


def test_keys_that_begin_alike_do_not_hide_one_another(path):
    """The eight keys here share their first 62 digits; what the names leave out the whole hash covers."""
    assert len({key[:16] for key in REPLIES}) == 1
    execute(path, "UPDATE calls SET role = 'strong' WHERE hex(key) LIKE '%08'")  # nothing rests on this one
    faults, findings = audit(path)
    assert faults == ["calls.sqlite, record 0000000000000000: its column role is not what its content says"]
    assert findings.notes == ["7 answers, whole: True, unused: 1"]


def test_a_database_that_is_missing_or_none_is_one_fault(path):
    path.write_bytes(b"hello, world" * 500)
    (fault,) = audit(path)[0]
    assert fault.startswith("calls.sqlite: it cannot be read as a database: ")
    assert fault.endswith("file is not a database")
    path.unlink()
    assert audit(path)[0] == ["calls.sqlite: it is missing"]
