"""A run folder or a pack that would keep its reader busy, fill its memory or lead it elsewhere.

Every reader ends within seconds of processor time and a few hundred megabytes, with a message and without a
traceback: it refuses the run, or shows what is sound. Nothing is written outside the runs folder.
"""

import gzip
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import bombs
from support.forked_commands import Ended, ForkedCommands, RunEach
from support.made_runs import copy_run, shared_run
from support.studbook_cli import TINY, environment

from studbook.experiments.pack.packing import _write_tar, list_files
from studbook.populations.storage import RunFolder

pytestmark = pytest.mark.slow

MOST_SECONDS = 15.0
"""Of the processor; importing Studbook takes one."""
MOST_BYTES = 640 * 1024 * 1024
UNPACK = "unpack evil.tar.gz --runs-dir victim"
READERS = ("verify evil", "show evil", "show evil:seed", "report evil", "ls")
BOMBS = {
    **{f"calls.sqlite: {name}": bomb for name, bomb in bombs.DATABASES.items()},
    **{f"trajectories: {name}": bomb for name, bomb in bombs.TRAJECTORIES.items()},
    **{f"journal: {name}": bomb for name, bomb in bombs.JOURNALS.items()},
    **{f"texts: {name}": bomb for name, bomb in bombs.TEXTS.items()},
}
KINDS = {f"{thing} in the place of {name}": (name, thing) for thing in bombs.THINGS for name in bombs.NAMES}


def complaint(ended: Ended) -> str:
    """ "" if this is how a reader should end."""
    if ended.code not in {0, 1, 2}:
        return f"exit {ended.code}"
    if "Traceback" in ended.text or "bug in Studbook" in ended.text:
        return "traceback"
    if ended.seconds > MOST_SECONDS:
        return f"{ended.seconds:.0f} s"
    return f"{ended.size_bytes >> 20} MB" if ended.size_bytes > MOST_BYTES else ""


@pytest.fixture(scope="module")
def run_each(made: RunFolder) -> Iterator[RunEach]:
    with ForkedCommands(f"verify {made.root}") as commands:
        yield commands.run_each


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return shared_run(tmp_path_factory)


@pytest.fixture
def evil(made: RunFolder, tmp_path: Path) -> RunFolder:
    (tmp_path / "runs").mkdir()
    return copy_run(made, tmp_path / "runs" / "evil")


def tell(ended: dict[str, Ended], name: str, attack_row, *, refused_by: tuple[str, ...]) -> None:
    through = {words: found for words, each in ended.items() if (found := complaint(each))}
    through |= {
        words: "not refused" for words in refused_by if not ended[words].code and words not in through
    }
    most = max(ended.values(), key=lambda each: each.seconds)
    attack_row(
        suite="foreign",
        name=name,
        tried=", ".join(ended),
        outcome=f"through: {through}"
        if through
        else f"refused: {most.seconds:.1f} s of processor time at most, "
        f"{max(each.size_bytes for each in ended.values()) >> 20} MB",
        seconds=sum(each.seconds for each in ended.values()),
    )
    assert not through, "\n".join(
        f"{words}: {each.text}" for words, each in ended.items() if words in through
    )


@pytest.mark.parametrize("name", BOMBS)
def test_no_file_of_a_run_keeps_its_reader_busy(name, evil, run_each, attack_row):
    BOMBS[name](evil)
    home = evil.root.parents[1]
    pack(evil, home / "evil.tar.gz")
    ended = run_each(*READERS, UNPACK, cwd=home)
    tell(ended, name, attack_row, refused_by=("verify evil", UNPACK))
    assert [path for path in (home / "victim").rglob("*") if path.is_file()] == []


def pack(evil: RunFolder, file: Path) -> None:
    """As `studbook pack`, without looking at what is packed."""
    names = [name for name in list_files(evil)[0] if (evil.root / name).is_file()]
    with gzip.open(file, "wb", compresslevel=6) as out:
        _write_tar(out, "evil", {name: evil.root / name for name in names})


@pytest.mark.parametrize("name", KINDS)
def test_nothing_but_plain_files_is_opened(name, evil, run_each, attack_row):
    place, thing = KINDS[name]
    outside = evil.root.parents[2] / "outside"
    bombs.instead(place, bombs.THINGS[thing])(evil)
    home = evil.root.parents[1]
    ended = run_each(*READERS, "stop evil", "pack evil", cwd=home)
    tell(
        ended, name, attack_row, refused_by=() if place in {"STOP", "calls.sqlite-wal"} else ("verify evil",)
    )
    assert not outside.exists()


@pytest.mark.parametrize(
    "place", ["journal.jsonl.lock", "notices.jsonl", "report.html", "STOP", "calls.sqlite-wal"]
)
def test_no_link_of_a_run_leads_to_a_file_of_the_users(place, evil, run_each, attack_row):
    """Each of these is written or emptied when a run goes on."""
    home = evil.root.parents[1]
    precious = home / "precious"
    precious.write_text("years of work")
    for target in (precious, home / "not there yet"):
        bombs.instead(place, lambda path, target=target: path.symlink_to(target))(evil)
        ended = run_each("resume evil -s search.iterations=4", "report evil", "stop evil", "ls", cwd=home)
        assert not any("Traceback" in each.text for each in ended.values())
    attack_row(
        suite="foreign",
        name=f"a link to a file of the user's in the place of {place}",
        outcome="refused: the file is as it was"
        if precious.read_text() == "years of work" and not (home / "not there yet").exists()
        else "through: written to",
    )
    assert precious.read_text() == "years of work"
    assert not (home / "not there yet").exists()


@pytest.mark.parametrize("place", ["trajectories", "lineage.git/refs/heads", "lineage.git/hooks"])
def test_folders_nested_deeper_than_a_path_are_a_fault(place, evil, run_each, attack_row):
    top = evil.root / place
    top.mkdir(exist_ok=True)
    bombs.nested_folders(top)
    home = evil.root.parents[1]
    try:
        ended = run_each(*READERS, "pack evil", cwd=home)
    finally:
        bombs.remove_nested(top)
    name = f"3000 folders in each other in {place}"
    tell(ended, name, attack_row, refused_by=("verify evil", "pack evil"))


@pytest.mark.parametrize("name", bombs.HOLES)
def test_no_file_of_holes_keeps_its_reader_busy(name, evil, run_each, attack_row):
    bombs.HOLES[name](evil)
    ended = run_each("pack evil", *READERS, cwd=evil.root.parents[1])  # `report` writes a new report
    tell(ended, name, attack_row, refused_by=("verify evil", "pack evil"))


# -- archives


Archive = Callable[[Path], object]


def member(name: str, size: int = 0, **fields: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry


def archive(file: Path, *members: tuple[tarfile.TarInfo, bytes], times: int = 1, **options: object) -> None:
    with tarfile.open(file, "w:gz", **options) as tar:  # type: ignore[call-overload]
        for _ in range(times):
            for entry, data in members:
                tar.addfile(entry, io.BytesIO(data))


def raw_header(at: dict[int, bytes]) -> bytes:
    """A header with a right checksum, whatever it says."""
    block = bytearray(member("evil/journal.jsonl").tobuf(tarfile.GNU_FORMAT))
    for offset, data in at.items():
        block[offset : offset + len(data)] = data
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def raw(file: Path, data: bytes, times: int = 1) -> None:
    with gzip.open(file, "wb") as out:
        for _ in range(times):
            out.write(data)


NEGATIVE = b"\xff" * 11 + b"\x00"
ONE_BLOCK = b"00000000010\0"
EMPTY_GZIP = bytes.fromhex("1f8b08000000000002ff03000000000000000000")
JOURNAL = "evil/journal.jsonl"


def headers(times: int = 1, behind: bytes = b"", **at: bytes) -> Archive:
    """A header with these bytes at these offsets (`at_124`), so many times, each with what is behind it."""
    places = {int(name.removeprefix("at_")): data for name, data in at.items()}
    return lambda file: raw(file, raw_header(at=places) + behind, times)


def one(name: str, data: bytes = b"", **fields: object) -> Archive:
    return lambda file: archive(file, (member(name, len(data), **fields), data))


ARCHIVES: dict[str, Archive] = {
    "a path that leads out": one("evil/../../outside", b"x"),
    "an absolute path": one("/tmp/outside", b"x"),
    "a link": one(JOURNAL, type=tarfile.SYMTYPE, linkname="/etc"),
    "a hard link": one(JOURNAL, type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "a pipe": one(JOURNAL, type=tarfile.FIFOTYPE),
    "a sparse file": headers(at_156=b"S", at_124=b"77777777777\0"),
    "a size below zero": headers(3, at_124=NEGATIVE),
    "a size of exabytes": headers(at_124=b"\x80" + b"\0" * 3 + b"\x7f" * 8),
    "a chain of long names": headers(20_000, bytes(512), at_156=b"L", at_124=ONE_BLOCK),
    "a chain of extended headers": headers(20_000, bytes(512), at_156=b"x", at_124=ONE_BLOCK),
    "an extended header": one(JOURNAL, b"x", pax_headers={"path": "/tmp/outside"}),
    "a name of 8 MB": one("evil/" + "a" * (8 << 20)),
    "a name with escape sequences": one("evil/\x1b]0;x\x07\n", b"x"),
    "a name that is not UTF-8": headers(at_0=b"evil/\xff\xfe"),
    "a million files": headers(1_000_000),
    "2 GB of zeros": headers(16, bytes(128 << 20), at_124=b"01000000000\0"),
    "an empty file": lambda file: file.write_bytes(b""),
    "no gzip": lambda file: file.write_bytes(b"x" * 100_000),
    "a gzip header without end": lambda file: file.write_bytes(EMPTY_GZIP[:3] + b"\x08" + b"a" * 5_000_000),
    "empty gzip members": lambda file: file.write_bytes(EMPTY_GZIP * 100_000),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_no_archive_fills_the_disk_or_leads_out(name, tmp_path, run_each, attack_row):
    file = tmp_path / "evil.tar.gz"
    ARCHIVES[name](file)
    ended = run_each("unpack evil.tar.gz", cwd=tmp_path)
    tell(ended, f"a pack with {name}", attack_row, refused_by=tuple(ended))
    assert not Path("/tmp/outside").exists()
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["evil.tar.gz", "out.0"]
    assert not re.search(r"[\x1b\x07]", ended["unpack evil.tar.gz"].text)


def test_a_killed_pack_leaves_nothing_for_good(made, tmp_path, attack_row):
    """SIGKILL at any moment; the next pack removes what was left, once it is old."""
    (tmp_path / "runs").mkdir()
    copy_run(made, tmp_path / "runs" / "trial")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "studbook", "pack", "trial", "file"]
    kinds = {"cwd": tmp_path, "env": environment(TMPDIR=str(scratch)), "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command, **kinds) as process:
        while not list(scratch.glob("studbook-*")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    left = list(scratch.glob("studbook-*"))
    assert left
    shutil.copytree(left[0], scratch / "studbook-scratch-older")
    for path in scratch.iterdir():
        os.utime(path, (0, 0))
    subprocess.run(command, check=True, timeout=300, **kinds)
    still = [*scratch.iterdir(), *tmp_path.glob(".file.*")]
    attack_row(
        suite="foreign",
        name="a pack that is killed while it has a copy of the run",
        outcome="contained: the next one removes what it left" if not still else f"left: {still}",
    )
    assert still == []


LOST = {"deleted": Path.unlink, "emptied": lambda path: path.write_bytes(b""), "a folder": None}


@pytest.mark.parametrize("how", LOST)
def test_a_run_whose_trajectories_are_gone_is_not_resumed(how, evil, run_each, attack_row):
    """It would go on as if they were there, and could never be verified or replayed."""
    journal = evil.journal.read_text("utf-8")  # which does not name all: a race may leave some behind
    named = (path for path in sorted(evil.trajectories.rglob("*.zst")) if path.name.split(".")[0] in journal)
    path = next(named)
    if (change := LOST[how]) is not None:
        change(path)
    else:
        path.unlink()
        path.mkdir()
    before = evil.journal.read_bytes()
    command = "resume evil -s search.iterations=4 --sandbox process"
    ended = run_each(command, cwd=evil.root.parents[1])[command]
    is_refused = ended.code == 1 and "1 of the " in ended.text and evil.journal.read_bytes() == before
    attack_row(
        suite="foreign",
        name=f"a trajectory {how}, and the run resumed",
        outcome="refused: named" if is_refused else f"through: {ended.text[-300:]}",
    )
    assert is_refused, ended.text


@pytest.mark.parametrize("most", [8, 12, 16, 20, 24])
def test_too_few_open_files_are_no_bug(most, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    limited = f"ulimit -n {most}; exec {sys.executable} -m studbook run tiny.yaml"
    done = subprocess.run(
        ["sh", "-c", limited], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert "bug in Studbook" not in done.stderr
    assert done.returncode == 0 or "open files" in done.stderr
