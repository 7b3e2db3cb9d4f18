"""A run is its maker's own wherever it goes, and nobody else's, whatever they change or forge."""

import os
import shutil
import stat
from pathlib import Path

import pytest
from support.births import clock, run_started

from studbook.experiments.run.provenance import (
    SECRET,
    Signer,
    Witness,
    mark_as_own,
    provenance_of,
    state_folders,
)
from studbook.populations.events import SearchEnded
from studbook.populations.journal import GENESIS, Journal
from studbook.populations.storage import RunFolder


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This user's state folder; `secret` is where the secret lies."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "state"


@pytest.fixture
def only_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One state folder, so that no fallback helps."""
    folder = tmp_path / "state" / "studbook"
    monkeypatch.setattr("studbook.experiments.run.provenance.state_folders", lambda environment: (folder,))
    return folder


def made(root: Path, name: str = "trial") -> RunFolder:
    folder = RunFolder(root / name)
    folder.root.mkdir(parents=True)
    folder.create()
    folder.spec.write_text("version: 1\n")
    folder.journal.touch()
    return folder


def append(folder: RunFolder, *, signed: bool = True) -> str:
    """The head after one more event."""
    witness = Witness(folder)
    with Journal(folder.journal, clock=clock, holder="a test", announce=witness.journal) as journal:
        if signed:
            witness.recognize(journal.head)
        journal.append((run_started() if journal.length == 0 else SearchEnded(reason="x", iterations=1),))
        return journal.head


def test_a_run_that_was_marked_is_its_makers_own_after_every_append(tmp_path):
    run = made(tmp_path)
    assert mark_as_own(run)
    assert provenance_of(run, GENESIS).is_own
    assert provenance_of(run, "").is_own
    for _ in range(3):
        assert provenance_of(run, append(run)).is_own


def test_moved_renamed_or_copied_it_stays_its_makers_own(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    head = append(run)
    shutil.copytree(run.root, tmp_path / "elsewhere" / "other")
    assert provenance_of(RunFolder(tmp_path / "elsewhere" / "other"), head).is_own


def test_a_crash_between_signature_and_append_leaves_it_its_makers_own(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    head = append(run)
    witness = Witness(run)
    witness.recognize(head)
    witness.journal("f" * 64)
    assert provenance_of(run, head).is_own
    assert provenance_of(run, "f" * 64).is_own


def test_a_signature_that_a_crash_cut_short_does_no_harm(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    head = append(run)
    with run.provenance.open("a") as file:
        file.write("\n0123abc")
    assert provenance_of(run, head).is_own
    assert provenance_of(run, append(run)).is_own


def test_what_somebody_else_appended_makes_it_theirs(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    append(run)
    found = provenance_of(run, append(run, signed=False))
    assert (found.is_own, found.reason) == (False, "its journal or its spec was changed since you made it")


def test_nothing_is_signed_after_a_foreign_append(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    append(run, signed=False)
    assert not provenance_of(run, append(run)).is_own


def test_another_spec_makes_it_somebody_elses(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    head = append(run)
    run.spec.write_text("version: 1\nsandbox: process\n")
    assert not provenance_of(run, head).is_own


def test_a_resume_signs_the_spec_it_writes(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    head = append(run)
    witness = Witness(run)
    witness.recognize(head)
    witness.spec(b"version: 1\nworkers: 2\n")
    assert provenance_of(run, head).is_own  # a crash here leaves the old one
    run.spec.write_text("version: 1\nworkers: 2\n")
    assert provenance_of(run, head).is_own


def test_a_run_without_a_mark_is_nobodys(tmp_path):
    run = made(tmp_path)
    found = provenance_of(run, append(run))
    assert not found.is_own
    assert "no mark of yours" in found.reason


@pytest.mark.parametrize(
    "text",
    ["", "\n", "studbook provenance 1 " + "0" * 32, "studbook provenance 2 x\n", "é\n" * 10, "\0" * 100],
)
def test_a_mark_that_is_none_says_nothing(tmp_path, text):
    run = made(tmp_path)
    mark_as_own(run)
    head = append(run)
    run.provenance.write_text(text)
    assert not provenance_of(run, head).is_own


def test_a_mark_made_with_another_secret_is_somebody_elses(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    head = append(run)
    theirs = Signer(secret=b"\0" * 32, nonce="0" * 32)
    lines = [theirs.sign(kind, text) for kind, text in (("made", ""), ("journal", head))]
    run.provenance.write_text("\n".join(["studbook provenance 1 " + theirs.nonce, *lines]))
    found = provenance_of(run, head)
    assert not found.is_own
    assert "somebody else's, or it was removed" in found.reason


def test_a_mark_whose_secret_was_removed_accuses_nobody(tmp_path, only_here):
    run = made(tmp_path)
    mark_as_own(run)
    head = append(run)
    (only_here / SECRET).unlink()
    found = provenance_of(run, head)
    assert not found.is_own
    assert "or it was removed" in found.reason
    run.provenance.write_text("torn")
    assert provenance_of(run, head).reason == "its mark cannot be read"


def test_a_witness_of_a_run_that_is_not_the_users_own_signs_nothing(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    witness = Witness(run)
    witness.recognize("1" * 64)
    assert not witness.is_signing
    witness.recognize(GENESIS)
    assert witness.is_signing


def test_the_mark_of_one_run_says_nothing_about_another(tmp_path):
    run, other = made(tmp_path, "one"), made(tmp_path, "two")
    mark_as_own(run)
    mark_as_own(other)
    append(run)
    head = append(other)
    shutil.copyfile(run.provenance, other.provenance)
    other.spec.write_text("another\n")
    assert not provenance_of(other, head).is_own


def test_a_link_or_a_pipe_in_its_place_is_no_mark_and_no_wait(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    head = append(run)
    run.provenance.rename(tmp_path / "mark")
    run.provenance.symlink_to(tmp_path / "mark")
    assert not provenance_of(run, head).is_own
    run.provenance.unlink()
    os.mkfifo(run.provenance)
    assert not provenance_of(run, head).is_own


def test_a_pipe_in_place_of_the_spec_is_no_spec_and_no_wait(tmp_path):
    run = made(tmp_path)
    mark_as_own(run)
    head = append(run)
    run.spec.unlink()
    os.mkfifo(run.spec)
    assert not provenance_of(run, head).is_own


def test_the_secret_is_private_and_made_once(state, tmp_path):
    mark_as_own(made(tmp_path, "one"))
    secret = state / "studbook" / SECRET
    first = secret.read_text()
    mark_as_own(made(tmp_path, "two"))
    assert secret.read_text() == first
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert [path.name for path in secret.parent.iterdir()] == [SECRET]


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_secret_that_others_can_read_is_none(tmp_path, only_here, mode):
    run = made(tmp_path)
    mark_as_own(run)
    (only_here / SECRET).chmod(mode)
    assert not provenance_of(run, GENESIS).is_own


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "x" * 64])
def test_a_secret_of_another_form_is_none(tmp_path, only_here, text):
    run = made(tmp_path)
    mark_as_own(run)
    (only_here / SECRET).write_text(text)
    assert not provenance_of(run, GENESIS).is_own


def test_a_folder_that_others_can_write_holds_no_secret(tmp_path, only_here):
    run = made(tmp_path)
    mark_as_own(run)
    only_here.chmod(0o777)
    assert not provenance_of(run, GENESIS).is_own


def test_without_a_state_folder_nothing_is_marked_and_nothing_fails(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(
        "studbook.experiments.run.provenance.state_folders", lambda environment: (tmp_path / "file" / "x",)
    )
    run = made(tmp_path)
    assert not mark_as_own(run)
    assert not provenance_of(run, append(run)).is_own
    assert not run.provenance.exists()


def test_an_unusable_home_leaves_a_folder_of_this_user():
    only = Path(f"/var/tmp/studbook-{os.geteuid()}")
    assert state_folders({"XDG_STATE_HOME": "relative"})[-1] == only
    assert state_folders({"XDG_STATE_HOME": "/x"})[0] == Path("/x/studbook")


@pytest.mark.parametrize("home", ["", "."])
def test_the_current_folder_is_never_a_home(monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    assert all(folder.is_absolute() for folder in state_folders({}))
