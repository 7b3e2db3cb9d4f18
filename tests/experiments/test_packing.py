"""Packing a run and unpacking it elsewhere: same bytes, no keys, and nothing hostile gets in."""

import fcntl
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from support.made_runs import copy_run, shared_run
from support.studbook_cli import environment

from studbook.compression import decompress
from studbook.errors import IntegrityError, StorageError, UsageError
from studbook.experiments.cli.main import main
from studbook.experiments.outputs import opened_output
from studbook.experiments.pack.packing import Packed, pack_run
from studbook.experiments.pack.secret_scan import SecretScan, known_secrets
from studbook.experiments.pack.unpacking import unpack_run
from studbook.experiments.spec.loading import load_spec
from studbook.populations.lineage import Lineage
from studbook.populations.storage import RunFolder

pytestmark = pytest.mark.slow

NO_KEYS = SecretScan({})
NOBODY = 65534
_DAC = "-dac_override,-dac_read_search,-fowner"
MORTAL = ("setpriv", f"--bounding-set={_DAC}", f"--inh-caps={_DAC}") if os.geteuid() == 0 else ()
"""Root may write everywhere; without these capabilities it is kept out like anybody."""


def pack_to(run: RunFolder, file: Path, scan: SecretScan) -> Packed:
    with opened_output(file, None, "FILE") as out:
        return pack_run(run, out, scan)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return shared_run(tmp_path_factory)


@pytest.fixture(scope="module")
def packed(made, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("packed") / "trial.tar.gz"
    pack_to(made, file, NO_KEYS)
    return file


def entries(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar.getmembers()}


def repacked(file: Path, change) -> None:
    """`change` gets an open tar to add entries to."""
    kept = entries(file)
    with tarfile.open(file, "w:gz") as tar:
        change(tar, kept)
        for name, data in kept.items():
            add(tar, name, data)


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **fields: object) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    for key, value in fields.items():
        setattr(entry, key, value)
    tar.addfile(entry, io.BytesIO(data))


def test_the_same_run_gives_the_same_bytes_wherever_it_lies(made, packed, tmp_path):
    again = tmp_path / "again.tar.gz"
    (tmp_path / "elsewhere").mkdir()
    pack_to(copy_run(made, tmp_path / "elsewhere" / "trial"), again, NO_KEYS)
    assert again.read_bytes() == packed.read_bytes()


def test_what_is_unpacked_packs_to_the_same_bytes(packed, tmp_path):
    done = unpack_run(packed, tmp_path / "runs")
    assert done.run == "trial"
    pack_to(RunFolder(done.folder), tmp_path / "again.tar.gz", NO_KEYS)
    assert (tmp_path / "again.tar.gz").read_bytes() == packed.read_bytes()


def test_entries_are_sorted_plain_and_without_time_or_owner(packed):
    with tarfile.open(packed) as tar:
        members = tar.getmembers()
    names = [each.name for each in members]
    assert names == sorted(names)
    assert {(each.type, each.mtime, each.uid, each.gid, each.uname, each.mode) for each in members} == {
        (tarfile.REGTYPE, 0, 0, 0, "", 0o644)
    }
    assert "trial/journal.jsonl.lock" not in names


def test_a_packed_run_replays_in_another_folder(packed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["unpack", str(packed), "--name", "moved"]) == 0
    assert main(["replay", "moved", "--level", "recorded"]) == 0
    assert main(["replay", "moved:seed", "--level", "recorded"]) == 0
    assert "is identical" in capsys.readouterr().out


@pytest.fixture
def open_folder():
    """One that other users may look into, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="studbook-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("part", ["", ":seed"])
def test_a_run_of_another_user_that_cannot_be_written_replays(made, open_folder, part):
    copy = copy_run(made, open_folder / "copy")
    for path in [copy.root, *copy.root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        for path in [copy.root, *copy.root.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
    done = subprocess.run(
        [*MORTAL, sys.executable, "-m", "studbook", "replay", f"{copy.root}{part}", "--level", "recorded"],
        cwd=open_folder,
        env=environment(HOME=str(open_folder)),
        capture_output=True,
        text=True,
        timeout=240,
    )
    for path in [copy.root, *copy.root.rglob("*")]:
        path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "is identical: re-run in the sandbox" in done.stdout


def test_a_run_that_is_there_is_not_overwritten(packed, tmp_path):
    unpack_run(packed, tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(UsageError, match="already exists"):
        unpack_run(packed, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before == ["trial"]


def test_a_file_that_is_there_is_not_overwritten(made, packed):
    with pytest.raises(UsageError, match="already exists"):
        pack_to(made, packed, NO_KEYS)


def test_a_run_that_is_being_written_is_not_packed(made, tmp_path):
    copy = copy_run(made, tmp_path / "copy")
    with (copy.root / "journal.jsonl.lock").open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="is being written"):
            pack_to(copy, tmp_path / "file", NO_KEYS)
    assert not (tmp_path / "file").exists()


def test_a_torn_append_and_a_write_ahead_log_are_settled_in_the_file(made, tmp_path):
    copy = copy_run(made, tmp_path / "copy")
    whole = copy.journal.read_bytes()
    copy.journal.write_bytes(whole + b'{"v":1,"seq":99')
    writer = sqlite3.connect(copy.calls)
    writer.execute("INSERT INTO wasted VALUES ('judge', 1, 1, 0.0)")
    writer.commit()
    log = copy.calls.with_name("calls.sqlite-wal")
    assert log.stat().st_size > 0
    pack_to(copy, tmp_path / "file", NO_KEYS)
    writer.close()
    assert copy.journal.read_bytes() != whole
    done = unpack_run(tmp_path / "file", tmp_path / "runs")
    assert (done.folder / "journal.jsonl").read_bytes() == whole
    rows = sqlite3.connect(done.folder / "calls.sqlite").execute("SELECT role FROM wasted").fetchall()
    assert rows == [("judge",)]


KEY = "sk-test-4711-abcdefgh"


@pytest.mark.parametrize("spelling", [KEY, KEY[::-1], KEY.upper(), KEY.encode().hex(), " ".join(KEY)])
def test_a_run_that_holds_a_key_is_refused_by_name_of_its_variable(made, tmp_path, spelling):
    copy = copy_run(made, tmp_path / "copy")
    copy.notices.write_text(f"the endpoint said {spelling}\n", encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"notices.jsonl contains the key in OPENAI_API_KEY") as caught:
        pack_to(copy, tmp_path / "file", SecretScan({"OPENAI_API_KEY": KEY}))
    assert KEY not in str(caught.value)
    assert not (tmp_path / "file").exists()


def test_keys_are_looked_for_in_packed_layers(made, tmp_path):
    """Words that stand there only compressed: in a trajectory, a reply and a harness file."""
    code, reply, report = hidden_words(made)
    for place, words in (("lineage.git, object", code), ("calls.sqlite", reply), ("trajectories/", report)):
        with pytest.raises(IntegrityError, match=place):
            pack_to(made, tmp_path / "file", SecretScan({"MY_TOKEN": words}))


def hidden_words(made: RunFolder) -> tuple[str, str, str]:
    with Lineage(made.lineage) as lineage:
        code = next(line for line in lineage.read("seed")["agent.py"].decode().splitlines() if "def " in line)
    records = sqlite3.connect(made.calls)
    (data,) = records.execute("SELECT reply FROM calls WHERE role = 'implementer'").fetchone()
    records.close()
    file = next(made.trajectories.rglob("*.zst"))
    report = json.loads(decompress(file.read_bytes()))["evaluator_hash"] + '","events'
    return "".join(code.split()), json.loads(decompress(data))["key"] + '"', report


def test_known_secrets_are_those_of_the_spec_and_those_named_so():
    variables = {
        "OPENAI_API_KEY": "aaaaaaaaaa",
        "GITHUB_TOKEN": "bbbbbbbbbb",
        "HOME": "/home/x",
        "MONKEY": "c" * 9,
    }
    found = known_secrets(load_spec(None), variables)
    assert {name for name in found if found[name]} >= {"OPENAI_API_KEY", "GITHUB_TOKEN"}
    assert "HOME" not in found
    assert "MONKEY" not in found


def test_a_damaged_run_is_not_packed(made, tmp_path):
    copy = copy_run(made, tmp_path / "copy")
    copy.environment.write_text("{}", encoding="utf-8")
    with pytest.raises(IntegrityError, match="was changed or damaged"):
        pack_to(copy, tmp_path / "file", NO_KEYS)


HOSTILE = {
    "an absolute path": {"name": "/tmp/evil"},
    "a way up": {"name": "trial/../../evil"},
    "a way up inside": {"name": "trial/trajectories/../../../evil"},
    "a git hook": {"name": "trial/lineage.git/hooks/post-checkout"},
    "another top folder": {"name": "other/journal.jsonl"},
    "a file of no run": {"name": "trial/evil.py"},
    "a link": {"name": "trial/report.html", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "a hard link": {
        "name": "trial/report.html",
        "type": tarfile.LNKTYPE,
        "linkname": "trial/spec.resolved.yaml",
    },
    "a device": {"name": "trial/report.html", "type": tarfile.CHRTYPE},
    "a fifo": {"name": "trial/report.html", "type": tarfile.FIFOTYPE},
    "a folder": {"name": "trial/report.html", "type": tarfile.DIRTYPE},
    "a line break": {"name": "trial/report.html\n"},
    "a backslash": {"name": "trial\\journal.jsonl"},
    "a hidden name": {"name": ".new-run-x/journal.jsonl"},
}


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("place", ["first", "last"])
def test_a_hostile_entry_is_refused_and_leaves_nothing(packed, tmp_path, case, place):
    file = tmp_path / "file.tar.gz"
    kept = {name: data for name, data in entries(packed).items() if name != "trial/report.html"}
    with tarfile.open(file, "w:gz") as tar:
        if place == "first":
            add(tar, **case)
        for name, data in kept.items():
            add(tar, name, data)
        if place == "last":
            add(tar, **case)
    runs = tmp_path / "inner" / "runs"
    with pytest.raises(IntegrityError):
        unpack_run(file, runs, "trial")
    assert list(runs.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.tar.gz", "inner"]


def test_an_entry_that_is_there_twice_is_refused(packed, tmp_path):
    file = shutil.copy(packed, tmp_path / "file.tar.gz")
    repacked(file, lambda tar, kept: add(tar, "trial/spec.resolved.yaml", kept["trial/spec.resolved.yaml"]))
    with pytest.raises(IntegrityError, match="it appears twice"):
        unpack_run(file, tmp_path / "runs")


def test_a_file_that_grows_beyond_measure_is_refused(tmp_path):
    file = tmp_path / "bomb.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        add(tar, "trial/report.html", b"\0" * (160 * 1024 * 1024))
    with pytest.raises(IntegrityError, match="larger than a packed run can be"):
        unpack_run(file, tmp_path / "runs", "trial")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_long_name_is_not_read_into_memory(tmp_path):
    file = tmp_path / "names.tar.gz"
    with tarfile.open(file, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        add(tar, "trial/" + "a" * (8 * 1024 * 1024), b"")
    with pytest.raises(IntegrityError, match="a header is too large"):
        unpack_run(file, tmp_path / "runs", "trial")


@pytest.mark.parametrize("length", [0, 10, 1000, -200, -9])
def test_a_file_that_was_cut_short_is_refused(packed, tmp_path, length):
    file = tmp_path / "file.tar.gz"
    file.write_bytes(packed.read_bytes()[:length])
    with pytest.raises(IntegrityError):
        unpack_run(file, tmp_path / "runs")


def test_a_changed_run_is_refused_as_verify_would(packed, tmp_path):
    file = shutil.copy(packed, tmp_path / "file.tar.gz")

    def change(tar: tarfile.TarFile, kept: dict[str, bytes]) -> None:
        kept["trial/journal.jsonl"] = kept["trial/journal.jsonl"].replace(b'"accepted"', b'"crashed"', 1)

    repacked(file, change)
    assert entries(file)["trial/journal.jsonl"] != entries(packed)["trial/journal.jsonl"]
    with pytest.raises(IntegrityError, match=r"is refused: journal.jsonl"):
        unpack_run(file, tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []
