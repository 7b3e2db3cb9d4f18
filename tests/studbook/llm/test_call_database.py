"""A database of somebody else: nothing of it is read before it is known to be one of ours."""

import signal
import sqlite3
import struct
import subprocess
import sys
import time

import pytest
from support.children import child_environment

from studbook.errors import IntegrityError
from studbook.llm import call_database
from studbook.llm.call_database import SUPER_JOURNAL, CallDatabase, check_files
from studbook.llm.contracts import ChatReply, Usage
from studbook.llm.records import CallRecords

USAGE = Usage(prompt_tokens=2, completion_tokens=1)
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
HOSTILE = (
    f"CREATE VIEW more AS {ENDLESS}",
    "CREATE TRIGGER more AFTER INSERT ON calls BEGIN DELETE FROM calls; END",
    "CREATE INDEX more ON calls (hex(reply))",
    "CREATE TABLE more (a, b AS (hex(a)))",
    "CREATE TABLE more (a CHECK (a > 1))",
    "CREATE VIRTUAL TABLE more USING fts5(a)",
    "ALTER TABLE calls ADD COLUMN more",
    "DROP TABLE wasted",
    "ANALYZE",
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "calls.sqlite"
    with CallRecords.open(path) as records:
        for number in range(3):
            records.put(f"{number:064x}", role="judge", reply=ChatReply(text="yes", usage=USAGE))
    return path


@pytest.mark.parametrize("statement", HOSTILE)
@pytest.mark.parametrize("opened", [CallRecords.open, CallRecords.read_only])
def test_a_schema_with_anything_else_is_refused_and_the_file_left_as_it_was(path, statement, opened):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute(statement)
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(IntegrityError, match="its tables are not those of call records"):
        opened(path)
    assert path.read_bytes() == before


def test_more_work_than_a_file_of_its_size_can_need_is_refused(path, monkeypatch):
    monkeypatch.setattr(call_database, "SPARE_STEPS", 100_000)
    database = CallDatabase(f"file:{path}?mode=ro", "calls.sqlite", path)
    try:
        with pytest.raises(IntegrityError, match="more steps than a file of its size"), database.errors():
            database.connection.execute(ENDLESS).fetchone()
        with database.errors():  # the next one starts anew
            assert database.connection.execute("SELECT count(*) FROM calls").fetchone() == (3,)
    finally:
        database.connection.close()


BUSY = f"""
from studbook.llm.call_database import CallDatabase
database = CallDatabase("file::memory:", "memory", None)
try:
    with database.errors():
        print("busy", flush=True)
        database.connection.execute({ENDLESS!r}).fetchone()
except KeyboardInterrupt:
    print("heard", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_while_a_query_runs(number):
    handled = "import signal; signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
    command = [sys.executable, "-c", handled + BUSY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=child_environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "busy\n"
        time.sleep(0.3)
        process.send_signal(number)
        assert process.stdout.readline() == "heard\n"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("role", b"\x00"),
        ("role", 7.5),
        ("prompt_tokens", "many"),
        ("completion_tokens", 0.5),
        ("prompt_tokens", 2**63 - 1),
        ("dollars", "free"),
    ],
)
def test_a_value_of_another_type_is_damage_and_no_traceback(path, column, value):
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE calls SET {column} = ?", (value,))
    connection.commit()
    connection.close()
    with CallRecords.read_only(path) as records:
        try:
            records.totals()
        except IntegrityError as error:
            assert "damaged" in str(error)


def test_a_journal_that_names_another_file_is_refused(path, tmp_path):
    """SQLite would look for that file, and delete it."""
    precious = tmp_path / "precious"
    precious.write_text("years of work")
    name = str(precious).encode()
    journal = path.with_name("calls.sqlite-journal")
    journal.write_bytes(bytes(512) + name + len(name).to_bytes(4, "big") + bytes(4) + SUPER_JOURNAL)
    for opened in (CallRecords.open, CallRecords.read_only):
        with pytest.raises(IntegrityError, match="would make SQLite delete another file"):
            opened(path)
    assert precious.read_text() == "years of work"
    journal.write_bytes(bytes(512))
    check_files(path)


def test_a_rollback_journal_that_would_make_another_database_of_it_is_refused(path):
    magic = bytes.fromhex("d9d505f920a163d7")
    journal = path.with_name("calls.sqlite-journal")
    journal.write_bytes(struct.pack(">8sIIIII", magic, 0, 0, 2**28, 512, 4096).ljust(512, b"\0"))
    with pytest.raises(IntegrityError, match="another size: Studbook did not write it"):
        check_files(path)
    journal.write_bytes(struct.pack(">8sIIIII", magic, 0, 0, 1, 512, 4096).ljust(512, b"\0"))
    check_files(path)  # as a crash leaves it in a new file


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_a_link_is_not_followed(path, tmp_path, end):
    (tmp_path / "elsewhere").write_text("x")
    link = path.with_name(path.name + end)
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="is not a plain file"):
        CallRecords.open(path)
    assert (tmp_path / "elsewhere").read_text() == "x"
