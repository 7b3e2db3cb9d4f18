"""Whole files or none, and errors that name the path."""

from pathlib import Path

import pytest

from studbook.errors import StorageError
from studbook.populations.storage import RunFolder, atomic_write


def test_a_file_is_written_and_replaced_whole(tmp_path):
    path = tmp_path / "environment.json"
    atomic_write(path, b"one")
    atomic_write(path, b"two")
    assert path.read_bytes() == b"two"
    assert oct(path.stat().st_mode & 0o777) == "0o644"
    assert list(tmp_path.iterdir()) == [path]


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
