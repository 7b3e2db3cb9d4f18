"""calls.sqlite: what is put stays, damage is named, and a killed process loses nothing that was put."""

import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import IntegrityError, RequestFailed, StorageError
from studbook.findings import Findings
from studbook.llm.contracts import ChatReply, ToolCall, Usage, seal_reply
from studbook.llm.meter import Totals
from studbook.llm.records import OLD_VERSION, CallRecords, schema_of
from studbook.llm.records_audit import opened_for_audit

KEY = "ab" * 32
REPLY = ChatReply(
    text="because", usage=Usage(prompt_tokens=10, completion_tokens=2), finish_reason="length", model="small"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run #1 %20?" / "calls.sqlite"


@pytest.fixture(autouse=True)
def folder(path: Path) -> None:
    path.parent.mkdir()


def key(number: int) -> str:
    return f"{number:064x}"


def test_what_is_put_is_found_again_after_reopening(path: Path) -> None:
    with CallRecords.open(path) as records:
        records.put(KEY, role="weak", reply=REPLY)
    with CallRecords.open(path) as records:
        assert records.find(KEY) == replace(REPLY, recorded=True)
        assert records.find(key(1)) is None


@given(st.text(), st.text(max_size=20), st.integers(0, 2**40))
def test_any_reply_comes_back_as_it_was(text: str, finish_reason: str, tokens: int) -> None:
    reply = ChatReply(
        text=text, usage=Usage(prompt_tokens=tokens), finish_reason=finish_reason, model="m", recorded=True
    )
    with CallRecords.in_memory() as records:
        records.put(KEY, role="weak", reply=reply)
        assert records.find(KEY) == reply


def test_the_first_record_of_a_key_stays(path: Path) -> None:
    with CallRecords.open(path) as records:
        records.put(KEY, role="weak", reply=REPLY)
        records.put(KEY, role="weak", reply=replace(REPLY, text="other"))
        assert records.find(KEY) == replace(REPLY, recorded=True)
        assert len(records) == 1


def test_totals_add_up_per_role(path: Path) -> None:
    with CallRecords.open(path) as records:
        records.put(key(1), role="weak", reply=REPLY, dollars=0.5)
        records.put(key(2), role="weak", reply=REPLY, dollars=0.25)
        records.put(key(3), role="judge", reply=REPLY)
        assert records.totals() == {
            "judge": Totals(calls=1, usage=REPLY.usage),
            "weak": Totals(calls=2, usage=REPLY.usage + REPLY.usage, dollars=0.75),
        }


def test_threads_may_write_and_read_together(path: Path) -> None:
    with CallRecords.open(path) as records, ThreadPoolExecutor(8) as pool:

        def put_and_find(number: int) -> bool:
            reply = replace(REPLY, text=f"answer {number}")
            records.put(key(number), role="weak", reply=reply)
            return records.find(key(number)) == replace(reply, recorded=True)

        assert all(pool.map(put_and_find, range(2000)))
        assert records.verify() == 2000


KILLED = """
import os, signal, sys
from pathlib import Path
from studbook.llm.client import ModelClient
from studbook.llm.contracts import ChatCall, Message
from studbook.llm.records import CallRecords
from studbook.llm.contracts import Endpoint, RoleModel
from studbook.testbed.scripted import ComputedBackend
client = ModelClient(
    roles={"weak": RoleModel(endpoint="e", model="m")},
    endpoints={"e": Endpoint(name="e", backend=ComputedBackend(lambda request: f"answer {request.seed}"))},
    records=CallRecords.open(Path(sys.argv[1])),
)
for seed in range(50):
    client.chat(ChatCall(role="weak", messages=(Message(role="user", content="Why?"),), seed=seed))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_finished_call_survives_kill_9(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with CallRecords.open(path) as records:
        assert records.verify() == 50


UNWRITABLE = """
import os, tempfile
from pathlib import Path
from studbook.errors import StorageError
from studbook.llm.contracts import ChatReply, Usage
from studbook.llm.records import CallRecords
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "calls.sqlite"
    with CallRecords.open(path) as records:
        records.put("ab" * 32, role="weak", reply=ChatReply(text="because", usage=Usage()))
    path.chmod(0o444)
    path.parent.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)  # root may write anywhere
    with CallRecords.read_only(path) as records:
        print(records.find("ab" * 32).text)
    try:
        CallRecords.open(path)
    except StorageError as error:
        print(str(error).splitlines()[1])
    if os.getuid() == 0:
        os.seteuid(0)
    path.parent.chmod(0o755)
"""


def test_a_replay_reads_a_folder_that_cannot_be_written_and_a_run_says_what_to_mend() -> None:
    done = subprocess.run([sys.executable, "-c", UNWRITABLE], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "because",
        "free some space or fix the permissions, then resume the run",
    ]


def test_read_only_records_cannot_be_changed(path: Path) -> None:
    CallRecords.open(path).close()
    with CallRecords.read_only(path) as records, pytest.raises(StorageError, match="readonly"):
        records.put(KEY, role="weak", reply=REPLY)


def test_a_replay_without_records_says_what_is_missing(path: Path) -> None:
    with pytest.raises(StorageError, match=r"no call records at .*calls\.sqlite"):
        CallRecords.read_only(path)
    assert not path.exists()


def test_records_can_be_read_while_a_run_writes_them(path: Path) -> None:
    with CallRecords.open(path) as writer, CallRecords.read_only(path) as reader:
        writer.put(KEY, role="weak", reply=REPLY)
        assert reader.find(KEY) == replace(REPLY, recorded=True)


@pytest.mark.parametrize("content", [b"hello, world" * 100, b"SQLite format 3\x00" + b"\xff" * 8000])
@pytest.mark.parametrize("opened", [CallRecords.open, CallRecords.read_only])
def test_a_file_that_is_no_database_is_named(path: Path, content: bytes, opened) -> None:
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"calls\.sqlite is damaged or no call record file"):
        opened(path)
    assert path.read_bytes() == content


def test_a_database_of_others_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE horses (name TEXT)")
    other.close()
    with pytest.raises(IntegrityError, match="not one of Studbook's"):
        CallRecords.open(path)


def test_records_of_a_newer_version_are_not_touched(path: Path) -> None:
    CallRecords.open(path).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 9")
    newer.close()
    with pytest.raises(IntegrityError, match="schema version 9"):
        CallRecords.open(path)


def test_a_damaged_record_is_named_by_its_key(path: Path) -> None:
    with CallRecords.open(path) as records:
        records.put(KEY, role="weak", reply=REPLY)
    raw = sqlite3.connect(path)
    raw.execute("UPDATE calls SET reply = X'28b52ffd'")
    raw.commit()
    raw.close()
    with CallRecords.open(path) as records:
        with pytest.raises(IntegrityError, match=r"record abababababababab of .*calls\.sqlite"):
            records.find(KEY)
        with pytest.raises(IntegrityError, match="record abababababababab"):
            records.verify()


def test_a_torn_page_is_found_by_verify(path: Path) -> None:
    with CallRecords.open(path) as records:
        for number in range(500):
            records.put(key(number), role="weak", reply=REPLY)
    content = bytearray(path.read_bytes())
    content[4096:-4096] = b"\x5a" * (len(content) - 8192)
    path.write_bytes(content)
    with CallRecords.open(path) as records, pytest.raises(IntegrityError, match=r"calls\.sqlite is damaged"):
        records.verify()


def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot use .*absent"):
        CallRecords.open(tmp_path / "absent" / "calls.sqlite")


FULL = """
import resource, signal, sys
from pathlib import Path
from studbook.errors import StorageError
from studbook.llm.contracts import ChatReply, Usage
from studbook.llm.records import CallRecords
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
records = CallRecords.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
kept = 0
try:
    while kept < 100_000:
        records.put(f"{kept:064x}", role="weak", reply=ChatReply(text=f"answer {kept}", usage=Usage()))
        kept += 1
except StorageError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    records.put("f" * 64, role="weak", reply=ChatReply(text="after", usage=Usage()))
    print(kept, str(error).splitlines()[1])
"""


def test_a_disk_that_takes_no_more_is_a_storage_error_and_loses_nothing(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], check=True, capture_output=True, text=True, timeout=60
    )
    kept, advice = done.stdout.strip().split(" ", 1)
    assert advice == "free some space or fix the permissions, then resume the run"
    with CallRecords.open(path) as records:
        assert records.verify() == int(kept) + 1


def test_a_failure_is_kept_like_a_reply_and_the_first_one_stays(tmp_path: Path) -> None:
    path, key = tmp_path / "calls.sqlite", "ab" * 32
    with CallRecords.open(path) as records:
        records.put_failure(key, role="weak", failure=RequestFailed("refused", "too long\nthere\ndo this"))
        records.put_failure(key, role="weak", failure=RequestFailed("stuck", "other"))
        records.put_wasted(role="judge", usage=Usage(prompt_tokens=3, completion_tokens=2), dollars=0.5)
        records.put_wasted(role="judge", usage=Usage(prompt_tokens=1, completion_tokens=1), dollars=0.25)
    with CallRecords.read_only(path) as records:
        found = records.find_failure(key)
        assert found is not None
        assert (found.kind, str(found), found.key) == ("refused", "too long\nthere\ndo this", key)
        assert records.find_failure("cd" * 32) is None
        assert records.find(key) is None
        assert records.failures() == {"weak": {"refused": 1}}
        spent = Usage(prompt_tokens=4, completion_tokens=3)
        assert records.totals() == {"judge": Totals(usage=spent, dollars=0.75)}


def test_calls_of_tools_and_cached_tokens_are_recorded_and_sealed(path: Path) -> None:
    call = ToolCall(name="done", arguments='{"why": "é"}')
    usage = Usage(prompt_tokens=100, completion_tokens=10, cached_tokens=64)
    reply = ChatReply(text="", usage=usage, tool_calls=(call,))
    with CallRecords.open(path) as records:
        records.put(KEY, role="weak", reply=reply)
        records.put_wasted(role="weak", usage=usage, dollars=0.0)
        assert records.totals()["weak"].usage.cached_tokens == 128
    with CallRecords.read_only(path) as records:
        found = records.find(KEY)
        assert found == replace(reply, recorded=True)
        assert records.totals()["weak"].usage.cached_tokens == 128
    seals = {
        seal_reply(KEY, "weak", each).digest
        for each in (
            reply,
            replace(reply, tool_calls=()),
            replace(reply, usage=replace(usage, cached_tokens=0)),
        )
    }
    assert len(seals) == 3


def test_a_file_of_the_version_before_is_read_and_gets_its_new_table_when_written_to(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(schema_of(OLD_VERSION))
    connection.close()
    with CallRecords.read_only(path) as records:
        assert records.totals() == {}
    usage = Usage(prompt_tokens=100, completion_tokens=10, cached_tokens=64)
    with CallRecords.open(path) as records:
        records.put(KEY, role="weak", reply=ChatReply(text="because", usage=usage))
        assert records.totals()["weak"].usage.cached_tokens == 64
    findings = Findings()
    with opened_for_audit(path, findings, is_running=False) as calls:
        assert calls is not None
        calls.check()
    assert findings.faults == []


def test_a_reply_and_its_cached_tokens_are_recorded_together_or_not_at_all(tmp_path):
    path = tmp_path / "calls.sqlite"
    usage = Usage(prompt_tokens=9, completion_tokens=1, cached_tokens=5)
    with CallRecords.open(path) as records:
        with sqlite3.connect(path) as other:  # a file with a trigger would not be opened
            other.execute(
                "CREATE TRIGGER full BEFORE INSERT ON cached BEGIN SELECT RAISE(ABORT, 'no room'); END"
            )
        other.close()
        with pytest.raises(IntegrityError):
            records.put("ab" * 32, role="weak", reply=ChatReply(text="a", usage=usage))
        with pytest.raises(IntegrityError):
            records.put_wasted(role="weak", usage=usage, dollars=0.0)
        assert len(records) == 0
        assert records.totals() == {}
