"""Where a command may write: nothing that is there is lost, and this is known before anything is paid."""

import os

import pytest

from studbook.errors import UsageError
from studbook.experiments.cli.main import main
from studbook.experiments.cli.outputs import output_file

OURS = b"# Ours"


def test_links_are_followed_and_own_files_may_be_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    own = tmp_path / "there" / "own.md"
    own.write_bytes(b"# Ours, of yesterday")
    (tmp_path / "link.md").symlink_to(own)
    (tmp_path / "empty.md").touch()
    assert output_file(tmp_path / "link.md", OURS) == own.resolve()
    assert output_file(tmp_path / "empty.md", OURS).name == "empty.md"
    assert output_file(tmp_path / "new.md", OURS).name == "new.md"


def test_everything_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere" / "x")
    for name, words in [
        ("notes.txt", "did not write it"),
        ("pipe", "no plain file"),
        (".", "no plain file"),
        ("missing/x", "does not exist"),
        ("lost", "whose folder does not exist"),
    ]:
        with pytest.raises(UsageError, match=words):
            output_file(tmp_path / name, OURS)


def test_an_evaluation_looks_at_the_place_before_it_measures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "agentic_self_instruct", "--papers", "papers", "--out", "missing/x.jsonl"]
    assert main(["papers", "synth", "papers", "--count", "1"]) == 0
    assert main([*arguments, "-s", "sandbox=process"]) == 2
    assert "the folder missing does not exist" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
