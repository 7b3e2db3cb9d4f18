"""Temporary folders: gone after use, and gone for good even if their owner was killed."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from support.children import child_environment

from studbook.errors import StorageError
from studbook.scratch import PREFIX, hold, remove_abandoned, scratch_folder


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def age(path: Path) -> None:
    os.utime(path, (time.time() - 3600,) * 2)


def test_a_folder_is_there_during_the_block_alone(base):
    with scratch_folder("test") as folder:
        assert folder.is_dir()
        assert folder.parent == base
        (folder / "x").write_text("x")
    assert list(base.iterdir()) == []


OWNER = """
import sys, time
from studbook.scratch import scratch_folder
with scratch_folder("test") as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_owner_left_is_removed_by_the_next_and_what_a_living_one_holds_is_not(base):
    command, kinds = [sys.executable, "-c", OWNER], {"env": {**child_environment(), "TMPDIR": str(base)}}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **kinds) as owner:
        assert owner.stdout is not None
        left = Path(owner.stdout.readline().strip())
        age(left)
        with scratch_folder("test"):
            assert left.is_dir(), "its owner lives"
        owner.kill()
    with scratch_folder("test"):
        assert not left.exists()


def test_without_a_folder_for_temporary_files_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # nothing can be written anywhere
    try:
        with (
            pytest.raises(StorageError, match="set TMPDIR to one that you can write"),
            scratch_folder("test"),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_one_beside_a_file_is_hidden_and_removes_what_was_left_there(base, tmp_path_factory):
    place = tmp_path_factory.mktemp("place")
    left = place / f".{PREFIX}test-left"
    left.mkdir()
    age(left)
    with scratch_folder("test", within=place) as folder:
        assert (folder.parent, folder.name[0]) == (place, ".")
        assert list(place.iterdir()) == [folder]
    assert list(place.iterdir()) == []


def test_young_ones_links_and_other_names_are_left_alone(base, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "x").write_text("x")
    age(elsewhere)
    young, other, link = base / f"{PREFIX}young", base / "another", base / f"{PREFIX}link"
    young.mkdir()
    other.mkdir()
    age(other)
    link.symlink_to(elsewhere)
    os.utime(link, (0, 0), follow_symlinks=False)
    with scratch_folder("test"):
        pass
    assert young.is_dir()
    assert other.is_dir()
    assert (elsewhere / "x").exists()


def test_a_file_that_somebody_holds_is_not_removed(base):
    held, left = base / "a.part", base / "b.part"
    left.write_text("x")
    age(left)
    with held.open("w") as file:
        hold(file.fileno())
        age(held)
        remove_abandoned(sorted(base.glob("*.part")))
        assert held.exists()
        assert not left.exists()
