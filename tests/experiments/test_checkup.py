"""doctor's findings, each with what to do."""

from pathlib import Path

import pytest

from experiments.checkup import State, check_disk, check_git, check_packages, check_python
from experiments.shadows import complain_about_shadows, find_shadowed
from studbook.errors import UsageError


def test_an_old_python_is_missing_and_a_new_one_fine():
    assert check_python((3, 11, 0)).state is State.FINE
    old = check_python((3, 9, 18))
    assert (old.state, old.next_step) == (State.MISSING, "install Python 3.11 or newer")


def test_git_is_good_to_have_and_not_required():
    assert check_git("git version 2.39.5").state is State.FINE
    assert check_git("missing").state is State.WARNING


def test_our_packages_are_found_first_here():
    assert find_shadowed() == {}
    assert check_packages({}).state is State.FINE


def test_a_foreign_evaluate_in_front_of_ours_is_named_with_what_to_do(tmp_path, monkeypatch):
    foreign = tmp_path / "site" / "evaluate"
    foreign.mkdir(parents=True)
    (foreign / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(__import__("sys").modules, "evaluate", raising=False)
    with pytest.raises(UsageError) as caught:
        complain_about_shadows()
    assert "the package evaluate of this environment is not Studbook's" in str(caught.value)
    assert str(foreign) in str(caught.value)
    assert "pip uninstall evaluate" in str(caught.value)
    assert check_packages(find_shadowed()).state is State.MISSING


def test_a_disk_that_cannot_be_written_is_missing(tmp_path, monkeypatch):
    assert check_disk(tmp_path / "runs").state is State.FINE
    monkeypatch.setattr(Path, "touch", refuse)
    assert check_disk(tmp_path / "runs").state is State.MISSING


def refuse(self, *arguments, **keywords):
    raise PermissionError(13, "Permission denied", str(self))
