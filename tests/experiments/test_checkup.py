"""doctor's findings, each with what to do."""

from pathlib import Path

from studbook.experiments.doctor import (
    State,
    check_disk,
    check_git,
    check_python,
)


def test_an_old_python_is_missing_and_a_new_one_fine():
    assert check_python((3, 11, 0)).state is State.FINE
    old = check_python((3, 9, 18))
    assert (old.state, old.next_step) == (State.MISSING, "install Python 3.11 or newer")


def test_git_is_good_to_have_and_not_required():
    assert check_git("git version 2.39.5").state is State.FINE
    assert check_git("missing").state is State.WARNING


def test_a_disk_that_cannot_be_written_is_missing(tmp_path, monkeypatch):
    assert check_disk(tmp_path / "runs").state is State.FINE
    monkeypatch.setattr(Path, "touch", refuse)
    assert check_disk(tmp_path / "runs").state is State.MISSING


def refuse(self, *arguments, **keywords):
    raise PermissionError(13, "Permission denied", str(self))
