"""Any one byte of any file of a run changed: `studbook verify` names the file.

Sampled: positions and changes are drawn with a fixed seed, in every file that verify covers. Several files
are changed at once, and each has to be named, so that one fault hides no other. A byte that nothing can be
read from may change (a free part of a database page, padding behind compressed data): then what can be read
must be exactly what it was.
"""

import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path
from random import Random
from time import monotonic

import pytest
from support.made_runs import copy_run, places, shared_run

from studbook.compression import decompress
from studbook.errors import IntegrityError
from studbook.experiments.verifying import verify_run
from studbook.populations.storage import RunFolder

BATCHES = 10
TESTS = 4
CALLS = 30
UNCOVERED = {"report.html", "notices.jsonl", "journal.jsonl.lock", "provenance"}
"""No records of the run. `provenance` says whose it is: changed, the run is nobody's or still its maker's."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return copy_run(shared_run(tmp_path_factory), tmp_path_factory.mktemp("flips") / "trial")


def groups(run: RunFolder) -> list[list[Path]]:
    """Files of one kind each; one of every kind is changed at a time. calls.sqlite has a test of its own."""
    files = [path.relative_to(run.root) for path in sorted(run.root.rglob("*")) if path.is_file()]
    kinds: dict[str, list[Path]] = {}
    for path in files:
        if path.name not in UNCOVERED and path.name != "calls.sqlite":
            kind = "/".join(path.parts[:2]) if path.parts[0] == "lineage.git" else path.parts[0]
            kinds.setdefault(kind, []).append(path)
    return list(kinds.values())


def flip(path: Path, random: Random) -> int:
    content = bytearray(path.read_bytes())
    at = random.randrange(len(content))
    content[at] ^= random.randrange(1, 256)
    path.chmod(0o644)
    path.write_bytes(content)
    return at


def meaning(path: Path) -> object:
    """All that can be read from a file; its bytes where there is no more to it."""
    data = path.read_bytes()
    try:
        if path.suffix == ".sqlite":
            return rows_of(path)
        if "objects" in path.parts:
            return zlib.decompress(data)
        return decompress(data) if path.suffix == ".zst" else data
    except (IntegrityError, sqlite3.DatabaseError, zlib.error) as error:
        return f"nothing: {error}"


def rows_of(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        return connection.execute("SELECT * FROM calls ORDER BY key").fetchall()
    finally:
        connection.close()


def names(found: Sequence[str], path: Path) -> bool:
    """Does a place name this file? Of a journal line the file's name is enough."""
    return any(place.startswith(path.as_posix()) for place in found)


def flip_and_verify(made: RunFolder, to: Path, chosen: Sequence[Path], random: Random) -> tuple[int, int]:
    """How many were named, and how many changed nothing that can be read; fails for any other."""
    run = copy_run(made, to)
    at = {path: flip(run.root / path, random) for path in chosen}
    found = places(verify_run(run))
    named = [path for path in chosen if names(found, path)]
    for path in chosen:
        if path not in named:
            same = meaning(run.root / path) == meaning(made.root / path)
            assert same, f"{path}: byte {at[path]} was changed, and nobody noticed: {found}"
    return len(named), len(chosen) - len(named)


def test_a_run_that_nobody_touched_has_no_fault(made):
    assert verify_run(made).findings.faults == []
    assert len(groups(made)) == 8  # config, HEAD, objects, refs; spec, environment, journal, trajectories


@pytest.mark.parametrize("number", range(TESTS))
def test_one_changed_byte_in_a_file_names_the_file(number, made, tmp_path, attack_row):
    random, began = Random(f"flips {number}"), monotonic()
    named = unread = 0
    for batch in range(BATCHES):
        chosen = [random.choice(group) for group in groups(made)]
        done = flip_and_verify(made, tmp_path / str(batch), chosen, random)
        named, unread = named + done[0], unread + done[1]
    attack_row(
        suite="record",
        name=f"any byte of any file, sample {number + 1}",
        tried="one byte in each of 8 kinds of files",
        outcome=f"found {named}/{named + unread}, {unread} in bytes that say nothing",
        seconds=monotonic() - began,
    )
    assert named + unread == BATCHES * 8


def test_one_changed_byte_of_the_call_records_names_them(made, tmp_path, attack_row):
    random, began = Random("calls"), monotonic()
    named = unread = 0
    for batch in range(CALLS):
        done = flip_and_verify(made, tmp_path / str(batch), [Path("calls.sqlite")], random)
        named, unread = named + done[0], unread + done[1]
    attack_row(
        suite="record",
        name="any byte of calls.sqlite",
        tried="one byte of the database",
        outcome=f"found {named}/{CALLS}, {unread} in bytes that say nothing",
        seconds=monotonic() - began,
    )
    assert named + unread == CALLS
    assert named >= CALLS // 2  # pages are nearly full of records
