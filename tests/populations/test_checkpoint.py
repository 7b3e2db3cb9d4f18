"""A checkpoint gives the population that the journal gives, for this very journal, or nothing."""

import hashlib
import json
from pathlib import Path

import pytest
from support.births import batches, clock, iteration_events, seed_events, small_run

from studbook.errors import IntegrityError
from studbook.identity import Json, canonical_json
from studbook.populations.checkpoint import (
    BATCH,
    Checkpoint,
    fold_entries,
    is_due,
    read_checkpoint,
    write_checkpoint,
)
from studbook.populations.events import ChampionChosen, RankedHarness, RunFinished, SearchEnded
from studbook.populations.journal import Journal, JournalReader, entries_with
from studbook.populations.population import EMPTY, fold
from studbook.populations.statistics import shrunk_rate
from studbook.rate import Rate

NAME = "population.jsonl"
RATE = Rate(1, 3)
CONCLUSION = [
    SearchEnded(reason="done", iterations=3),
    ChampionChosen(
        harness_id="seed",
        reason="none better",
        ranking=(RankedHarness(harness_id="seed", passed=1, n=3, shrunk=shrunk_rate(RATE, RATE, 25)),),
    ),
    RunFinished(reason="done", iterations=3),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def write(path: Path, appends) -> Path:
    """A journal, and a checkpoint of all of it."""
    checkpoint = path.with_name(NAME)
    with Journal(path, clock=clock, holder="the test") as journal:
        for events in appends:
            journal.append(events)
        write_checkpoint(checkpoint, journal.place, fold(JournalReader(path).events()))
    return checkpoint


def checkpoint_in_the_middle(path: Path) -> Checkpoint:
    """Of the first append; a writer that began there has made the others."""
    first, *later = batches(small_run())
    known = read_checkpoint(write(path, [first]), path)
    assert known is not None
    with Journal(path, clock=clock, holder="the test", start=known.place) as journal:
        for events in later:
            journal.append(events)
    return known


@pytest.mark.parametrize("conclusion", [[], CONCLUSION[:1], CONCLUSION])
def test_it_is_the_population_and_the_place_of_the_journal(path, conclusion):
    appends = [*batches(small_run()), *([conclusion] if conclusion else [])]
    known = read_checkpoint(write(path, appends), path)
    assert known is not None
    assert known.population == fold(JournalReader(path).events())
    entries = list(JournalReader(path))
    assert known.place.size == path.stat().st_size
    assert (known.place.lines, known.place.head) == (len(entries), entries[-1].hash)


def test_reader_and_writer_go_on_from_it(path):
    known = checkpoint_in_the_middle(path)
    assert read_checkpoint(path.with_name(NAME), path) == known, "what was appended since does not matter"
    rest = JournalReader(path, known.place)
    assert (
        fold_entries(rest, known.population) == fold(small_run()) == fold_entries(JournalReader(path), EMPTY)
    )
    assert rest.last == list(JournalReader(path))[-1]
    assert rest.whole_bytes == path.stat().st_size


def test_damage_behind_it_is_found_with_the_number_of_the_line(path):
    known = checkpoint_in_the_middle(path)
    lines = path.read_bytes().splitlines(keepends=True)
    number = known.place.lines + 2
    lines[number - 1] = lines[number - 1].replace(b'"kind"', b'"kinb"', 1)
    path.write_bytes(b"".join(lines))
    with pytest.raises(IntegrityError, match=f"line {number}:"):
        list(JournalReader(path, known.place))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"iteration", b"iteratiom", 1),
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b" " + data,
    ],
)
def test_for_another_journal_it_does_not_count(path, change):
    checkpoint = write(path, batches(small_run()))
    path.write_bytes(change(path.read_bytes()))
    assert read_checkpoint(checkpoint, path) is None


def test_it_holds_more_than_fits_into_a_row(path):
    yes, no = True, False
    iterations = [iteration_events(number, (yes, no), (no, no)) for number in range(1, 2 * BATCH)]
    known = read_checkpoint(write(path, [seed_events(), *iterations]), path)
    assert known is not None
    assert known.population == fold(JournalReader(path).events())
    assert known.population.iterations_done == 2 * BATCH - 1


def test_what_cannot_be_read_is_no_checkpoint(path):
    checkpoint = write(path, batches(small_run()))
    whole = checkpoint.read_bytes()
    head, single, *rows = [json.loads(line) for line in whole.splitlines()[:-1]]
    assert sealed([head, single, *rows]) == whole
    no_members = {key: value for key, value in single.items() if key != "members"}
    for data in (
        b"",
        b"no json",
        whole[:-3],
        whole[: whole.rindex(b"\n", 0, -1) + 1],
        whole.replace(b"m0001", b"m0003", 1),
        whole + b"\n",
        sealed([]),
        sealed([[]]),
        sealed([head]),
        sealed([{**head, "v": 1}, single, *rows]),
        sealed([{**head, "place": [head["place"][0] - 1, *head["place"][1:]]}, single, *rows]),
        sealed([head, no_members, *rows]),
        sealed([head, single, *rows, {"unknown": []}]),
    ):
        checkpoint.write_bytes(data)
        assert read_checkpoint(checkpoint, path) is None
    checkpoint.unlink()
    assert read_checkpoint(checkpoint, path) is None


def sealed(rows: list[Json]) -> bytes:
    lines = b"".join(canonical_json(row) + b"\n" for row in rows)
    return lines + canonical_json({"lines": hashlib.sha256(lines).hexdigest()}) + b"\n"


def test_only_long_journals_get_one_and_not_after_every_append():
    assert not is_due(1_000_000, 0)
    assert is_due(5_000_000, 0)
    assert not is_due(6_000_000, 5_000_000)
    assert is_due(6_250_000, 5_000_000)


def test_the_lines_that_hold_a_text_are_found_and_proved(path):
    write(path, batches(small_run()))
    wanted = b'"harness_id":"m0002"'
    found = [entry.seq for entry in entries_with(path, wanted)]
    assert found == [entry.seq for entry in JournalReader(path) if wanted in entry.body]
    assert found
    path.write_bytes(path.read_bytes().replace(wanted, b'"harness_id":"m0002" ', 1))
    with pytest.raises(IntegrityError, match="checksum"):
        list(entries_with(path, wanted))
