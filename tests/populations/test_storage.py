"""Whole files or none, and errors that name the path."""

import os
from pathlib import Path

import pytest

from studbook.errors import StorageError
from studbook.populations.storage import RunFolder, atomic_write


def test_a_file_is_written_and_replaced_whole(tmp_path):
    path = tmp_path / "environment.json"
    atomic_write(path, b"one")
    atomic_write(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_mode_of_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "x", b"one")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == mode


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path):
    (tmp_path / "x").write_bytes(b"one")
    (tmp_path / "x").chmod(0o640)
    atomic_write(tmp_path / "x", b"two")
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / "elsewhere").chmod(0o400)
    (tmp_path / "x").symlink_to("elsewhere")
    atomic_write(tmp_path / "x", b"two")
    assert ((tmp_path / "elsewhere").read_bytes(), (tmp_path / "x").is_symlink()) == (b"mine", False)


def test_a_write_that_fails_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "report.html"
    path.mkdir()  # a folder cannot be replaced by a file, whoever runs the tests
    with pytest.raises(StorageError, match=r"cannot write .*report\.html"):
        atomic_write(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_named_with_what_to_do(tmp_path):
    with pytest.raises(
        StorageError, match=r"gone/a\.json: No such file or directory\.\nFree some space or fix"
    ):
        atomic_write(tmp_path / "gone/a.json", b"")


def test_a_run_folder_says_where_everything_lies(tmp_path):
    folder = RunFolder(tmp_path / "demo").create()
    names = [path.relative_to(folder.root).as_posix() for path in paths(folder)]
    assert names == [
        "spec.resolved.yaml",
        "environment.json",
        "journal.jsonl",
        "lineage.git",
        "calls.sqlite",
        "trajectories",
        "notices.jsonl",
        "report.html",
    ]
    assert folder.name == "demo"
    assert folder.trajectories.is_dir()


def paths(folder: RunFolder) -> list[Path]:
    return [
        folder.spec,
        folder.environment,
        folder.journal,
        folder.lineage,
        folder.calls,
        folder.trajectories,
        folder.notices,
        folder.report,
    ]


def test_a_folder_becomes_a_run_with_its_journal(tmp_path):
    folder = RunFolder(tmp_path / "demo").create()
    assert not folder.exists
    folder.journal.touch()
    assert folder.exists


def test_a_run_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot create .*runs/demo"):
        RunFolder(tmp_path / "runs" / "demo").create()
