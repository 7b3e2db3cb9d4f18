"""A harness folder that other tools use as well: what is no part of the harness is named, once."""

from studbook.experiments.cli.main import main
from studbook.experiments.spec.loading import left_out_note

SPEC = """\
version: 1
name: trial
harness: mine
corpus: {splits: {train: 1, validation: 1, test: 1}}
search: {iterations: 1, minibatch: 1}
sandbox: process
"""


def test_the_note_names_a_few_and_counts_the_rest(tmp_path):
    assert left_out_note(tmp_path.as_posix()) == ""
    assert left_out_note("agentic_self_instruct") == left_out_note("RUN:m0003") == ""
    for number in range(8):
        (tmp_path / f".{number}").touch()
    assert left_out_note(tmp_path.as_posix()) == (
        "not part of the harness: .0, .1, .2, .3, .4, .5 and 2 more (hidden files and backups are left out)"
    )


def test_a_plan_and_an_evaluation_name_what_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mine"]) == 0
    (tmp_path / "mine" / ".git").mkdir()
    (tmp_path / "mine" / "agent.py~").write_text("old")
    (tmp_path / "spec.yaml").write_text(SPEC)
    capsys.readouterr()
    assert main(["run", "--dry-run", "spec.yaml"]) == 0
    note = "not part of the harness: .git/, agent.py~ (hidden files and backups are left out)"
    assert capsys.readouterr().out.count(note) == 1
    assert main(["papers", "synth", "papers", "--count", "1"]) == 0
    assert main(["evaluate", "mine", "--papers", "papers", "-s", "sandbox=process"]) == 0
    assert capsys.readouterr().err.count(note) == 1
