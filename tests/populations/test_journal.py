"""The journal: what was appended is read back, whatever a crash, a flipped bit or a second writer does."""

import errno
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.births import batches, clock, iteration_events, seed_events, small_run
from support.children import child_environment

from studbook.errors import IntegrityError, StorageError
from studbook.populations.events import DiagnosisMade, Event
from studbook.populations.journal import Entry, Journal, JournalReader, entries_with
from studbook.populations.population import fold


def open_journal(path: Path) -> Journal:
    return Journal(path, clock=clock, holder="the test")


def write(path: Path, appends: list[list[Event]]) -> list[int]:
    """The size of the file after each append."""
    sizes = []
    with open_journal(path) as journal:
        for events in appends:
            journal.append(events)
            sizes.append(path.stat().st_size)
    return sizes


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def test_what_was_appended_is_read_back_in_order(path):
    write(path, batches(small_run()))
    assert list(JournalReader(path).events()) == small_run()


def test_a_journal_that_is_opened_again_goes_on_where_it_ended(path):
    first, *later = batches(small_run())
    write(path, [first])
    write(path, later)
    reader = JournalReader(path)
    assert [entry.seq for entry in reader] == list(range(len(small_run())))
    assert fold(reader.events()) == fold(small_run())


def test_a_new_journal_is_empty_and_has_no_torn_bytes(path):
    with open_journal(path) as journal:
        assert (journal.length, journal.head, journal.repaired_bytes) == (0, "0" * 64, 0)
    assert list(JournalReader(path)) == []


def test_two_journals_of_the_same_events_differ_in_time_but_not_in_hash(tmp_path):
    heads, times = [], []
    for hour in (1, 2):
        path = tmp_path / f"{hour}.jsonl"
        moment = datetime(2026, 5, 5, hour, tzinfo=timezone(timedelta(hours=3)))
        with Journal(path, clock=lambda: moment, holder="the test") as journal:  # noqa: B023  # used at once
            journal.append(small_run())
            heads.append(journal.head)
        times.append({entry.time for entry in JournalReader(path)})
    assert heads[0] == heads[1]
    assert times == [{"2026-05-04T22:00:00.000+00:00"}, {"2026-05-04T23:00:00.000+00:00"}]


def test_the_head_changes_with_what_is_said(tmp_path):
    heads = set()
    for text in ("one", "two"):
        with open_journal(tmp_path / f"{text}.jsonl") as journal:
            journal.append([DiagnosisMade(iteration=1, parent_id="seed", text=text)])
            heads.add(journal.head)
    assert len(heads) == 2


def test_reading_needs_no_lock(path):
    with open_journal(path) as journal:
        journal.append(small_run())
        assert len(list(JournalReader(path))) == len(small_run())


def test_hostile_text_stays_one_line(path):
    text = 'a\nb\r\n","hash":"' + "0" * 64 + '\u2028\x00\x1b[31m\ud800"}'
    with open_journal(path) as journal:
        journal.append([DiagnosisMade(iteration=1, parent_id="seed", text=text)])
    (event,) = JournalReader(path).events()
    assert event.text == text.replace("\ud800", "\ufffd")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(sizes=st.lists(st.integers(0, 3), max_size=6), text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_sequence_of_appends_is_read_back(tmp_path, sizes, text):
    path = tmp_path / "any.jsonl"
    path.unlink(missing_ok=True)
    appends = [
        [DiagnosisMade(iteration=i, parent_id=f"m{j:04d}", text=text) for j in range(size)]
        for i, size in enumerate(sizes)
    ]
    write(path, appends)
    assert list(JournalReader(path).events()) == [event for events in appends for event in events]


def small_journal(path: Path, counts: tuple[int, ...] = (1, 3, 2)) -> tuple[bytes, list[int]]:
    appends: list[list[Event]] = [
        [DiagnosisMade(iteration=i, parent_id="seed", text=f"text {j}") for j in range(size)]
        for i, size in enumerate(counts)
    ]
    sizes = write(path, appends)
    return path.read_bytes(), sizes


def test_a_file_cut_at_any_byte_keeps_every_append_that_was_whole(path):
    data, sizes = small_journal(path, (1, 2))
    counts = {0: 0, sizes[0]: 1, sizes[1]: 3}
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        whole = max(size for size in counts if size <= cut or size - 1 == cut != 0)
        reader = JournalReader(path)
        assert len(list(reader)) == counts[whole]
        with open_journal(path) as journal:
            assert journal.length == counts[whole]
            assert journal.repaired_bytes == max(0, cut - whole)
            journal.append([DiagnosisMade(iteration=9, parent_id="seed", text="after the repair")])
        assert len(list(JournalReader(path))) == counts[whole] + 1


def test_whoever_opens_a_journal_is_shown_the_whole_appends_that_are_there(path):
    data, sizes = small_journal(path)
    path.write_bytes(data[: sizes[1] + 200])
    seen: list[Entry] = []
    with Journal(path, clock=clock, holder="the test", visit=seen.append) as journal:
        assert journal.length == len(seen) == 4
    assert seen == list(JournalReader(path))


def test_the_lines_that_hold_a_text_are_found_and_proved(path):
    write(path, batches(small_run()))
    wanted = b'"harness_id":"m0002"'
    found = [entry.seq for entry in entries_with(path, wanted)]
    assert found == [entry.seq for entry in JournalReader(path) if wanted in entry.data_text]
    assert found
    path.write_bytes(path.read_bytes().replace(wanted, b'"harness_id":"m0002" ', 1))
    with pytest.raises(IntegrityError, match="checksum"):
        list(entries_with(path, wanted))


def test_a_repaired_journal_ends_up_like_one_that_was_never_cut(path):
    data, sizes = small_journal(path)
    path.write_bytes(data[: sizes[1] + 200])
    again = [DiagnosisMade(iteration=2, parent_id="seed", text=f"text {j}") for j in range(2)]
    with open_journal(path) as journal:
        journal.append(again)
    assert path.read_bytes() == data


def test_blocks_of_zeros_that_a_power_cut_left_are_a_torn_tail(path):
    data, _ = small_journal(path)
    path.write_bytes(data + b"\0" * 512)
    assert len(list(JournalReader(path))) == 6
    with open_journal(path) as journal:
        assert journal.repaired_bytes == 512
    assert path.read_bytes() == data


def test_any_flipped_bit_is_found_and_located(path):
    data, _ = small_journal(path)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(bytes(damaged))
        line = data[:position].count(b"\n") + 1
        with pytest.raises(IntegrityError, match=rf"journal\.jsonl, line {line}: "):
            list(JournalReader(path))


@pytest.mark.parametrize(
    ("edit", "line", "why"),
    [
        (lambda lines: lines[1:], 1, "has number 1 instead of 0"),
        (lambda lines: [*lines[:2], *lines[3:]], 3, "has number 3 instead of 2"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1, "has number 1 instead of 0"),
        (lambda lines: [*lines, lines[-1]], 7, "has number 5 instead of 6"),
        (lambda lines: [*lines[:3], b"\n", *lines[3:]], 4, "is not a journal line"),
        (lambda lines: [lines[0].replace(b"text 0", b"text 9"), *lines[1:]], 1, "checksum does not match"),
    ],
)
def test_lines_removed_moved_added_or_edited_are_found(path, edit, line, why):
    data, _ = small_journal(path)
    path.write_bytes(b"".join(edit(data.splitlines(keepends=True))))
    with pytest.raises(IntegrityError, match=rf"line {line}: it.* {why}"):
        list(JournalReader(path))


def test_a_forged_line_with_a_right_checksum_breaks_the_chain(tmp_path, path):
    data, _ = small_journal(path)
    other = tmp_path / "other.jsonl"
    write(other, [[DiagnosisMade(iteration=0, parent_id="seed", text="forged")]])
    path.write_bytes(other.read_bytes() + data.split(b"\n", 1)[1])
    with pytest.raises(IntegrityError, match="line 2: it does not continue the previous line"):
        list(JournalReader(path))


def test_a_damaged_journal_is_not_opened_for_writing_and_not_changed(path):
    data, _ = small_journal(path)
    damaged = data.replace(b"text 1", b"text 7")
    path.write_bytes(damaged)
    with pytest.raises(IntegrityError, match="line 3"):
        open_journal(path)
    assert path.read_bytes() == damaged
    path.write_bytes(data)
    open_journal(path).close()  # and the lock was let go


def test_a_second_writer_is_refused_and_told_who_writes(path):
    with (
        Journal(path, clock=clock, holder="process 4711 on lab-3"),
        pytest.raises(StorageError, match="is being written by process 4711 on lab-3"),
    ):
        open_journal(path)
    open_journal(path).close()


HOLD = """
import sys, time
from pathlib import Path
from studbook.populations.journal import Journal
from support.births import clock, seed_events
journal = Journal(Path(sys.argv[1]), clock=clock, holder="the killed one")
journal.append(seed_events())
print("holding", flush=True)
time.sleep(60)
"""


def test_a_writer_that_was_killed_holds_no_lock(path):
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment()) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holding\n"
        with pytest.raises(StorageError, match="the killed one"):
            open_journal(path)
        holder.send_signal(signal.SIGKILL)
    with open_journal(path) as journal:
        assert journal.length == len(seed_events())


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(StorageError, match="no-such-folder"):
        open_journal(tmp_path / "no-such-folder" / "journal.jsonl")


def limited_child(path: Path, limit: int) -> int:
    """Appends in a process whose files may not grow beyond `limit` bytes, as if the disk were full."""
    program = """
import resource, signal, sys
from pathlib import Path
from studbook.populations.journal import Journal
from studbook.errors import StorageError
from support.births import clock, iteration_events
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path(sys.argv[1]), clock=clock, holder="the full disk")
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    journal.append(iteration_events(1, (True,), (False,)))
except StorageError as error:
    assert sys.argv[1] in str(error), error
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append(iteration_events(2, (True,), (False,)))
    sys.exit(7)
"""
    return subprocess.run(
        [sys.executable, "-c", program, str(path), str(limit)], env=child_environment(), check=False
    ).returncode


def test_a_full_disk_is_named_and_leaves_a_journal_that_goes_on(path):
    (size,) = write(path, [seed_events()])
    assert limited_child(path, size + 1000) == 7
    expected = [*seed_events(), *iteration_events(2, (True,), (False,))]
    assert list(JournalReader(path).events()) == expected


def test_a_missing_journal_is_a_storage_error_that_names_it(path):
    with pytest.raises(StorageError, match=r"cannot read .*journal\.jsonl"):
        list(JournalReader(path))
    assert os.strerror(errno.ENOENT)


def test_a_reader_beside_a_writer_sees_whole_appends_only(path):
    """Many appends of three lines, read all the while: the count is always a multiple of three."""
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(len(list(JournalReader(path))))

    with open_journal(path) as journal:
        reader = threading.Thread(target=read)
        reader.start()
        for i in range(60):
            journal.append([DiagnosisMade(iteration=i, parent_id="seed", text="x" * 3000) for _ in range(3)])
        done.set()
        reader.join()
    assert {count % 3 for count in seen} == {0}


def test_times_are_written_in_utc(path):
    with Journal(path, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC), holder="the test") as journal:
        journal.append(seed_events())
    assert {entry.time for entry in JournalReader(path)} == {"2026-01-01T00:00:00.000+00:00"}


APPEND_FOR_EVER = """
import sys
from pathlib import Path
from studbook.populations.events import DiagnosisMade
from studbook.populations.journal import Journal
from support.births import clock
with Journal(Path(sys.argv[1]), clock=clock, holder="the killed one") as journal:
    while True:
        number, text = journal.length // 3, "x" * 9000
        journal.append([DiagnosisMade(iteration=number, parent_id=f"m{i:04d}", text=text) for i in range(3)])
        print(number, flush=True)
"""


def test_a_journal_survives_its_writer_being_killed_again_and_again(path):
    """What a writer was told is durable is there; appends are whole; the next writer goes on."""
    told = 0
    for lines in (1, 3, 7, 20, 2, 11):
        command = [sys.executable, "-c", APPEND_FOR_EVER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment()) as writer:
            assert writer.stdout is not None
            for _ in range(lines):
                told = int(writer.stdout.readline())
            writer.kill()
        entries = list(JournalReader(path))
        assert len(entries) % 3 == 0
        assert len(entries) >= 3 * (told + 1)
    assert [entry.event.iteration for entry in entries] == [number // 3 for number in range(len(entries))]
