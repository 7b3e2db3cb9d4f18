"""Commands that look at runs: what they compare, and what they say to a name that is not there."""

import json

import pytest
from support.births import small_run
from support.runs_on_disk import write_run

from studbook.experiments.cli.main import main


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("trial", "other"):
        write_run(tmp_path / "runs" / name, small_run())
    return tmp_path


def test_harnesses_of_two_runs_are_compared_by_their_files_alone(home, capsys):
    assert main(["diff", "trial:m0001", "other:best"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("trial:m0001 → other:m0002\n")
    assert "-idea 1\n+idea 2" in shown
    assert "scores of different runs are not compared" in shown
    assert main(["diff", "trial:m0001", "other:best", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["before"], told["after"], told["scores"]) == ("trial:m0001", "other:m0002", None)


def test_a_bare_harness_belongs_to_the_run_named_before_it(home, capsys):
    assert main(["diff", "trial:m0001", "best"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("m0001 → m0002\n")
    assert "Score" in shown


def test_a_run_by_itself_stands_for_its_best(home, capsys):
    assert main(["diff", "trial", "other"]) == 0
    assert capsys.readouterr().out.startswith("trial:m0002 → other:m0002\n\nthe files are the same\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "trial:nope"], "there is no harness 'nope' in this run"),
        (["diff", "trial:seed", "m0009"], "Did you mean 'm0003'?"),
        (["diff", "trial:seed", "nowhere:best"], "no run 'nowhere' in runs"),
        (["export", "trial:m0001^^", "out"], "goes beyond the seed"),
        (["show", "trial:best", "zz"], "no paper 'zz' in run trial"),
        (["show", "tril"], "did you mean trial?"),
    ],
)
def test_a_name_that_is_not_there_is_a_usage_error_that_says_what_is(home, capsys, arguments, told):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert len(captured.err.strip().splitlines()) <= 3


@pytest.mark.parametrize(
    "command", [["lineage", "empty:seed"], ["diff", "empty:seed", "best"], ["show", "empty:m1"]]
)
def test_a_run_that_ended_before_its_seed_was_measured_says_how_to_go_on(home, capsys, command):
    write_run(home / "runs" / "empty", small_run()[:1])
    assert main(command) in {1, 2}
    told = capsys.readouterr().err
    assert "nothing has been evaluated in this run yet" in told
    assert "studbook resume RUN" in told


def test_a_report_for_a_folder_that_does_not_exist_says_so(home, capsys):
    name = next((home / "runs").iterdir()).name
    missing = home / "missing" / "x.html"
    assert main(["report", name, "--out", str(missing)]) == 2
    shown = capsys.readouterr().err
    assert f"the folder {missing.parent} does not exist" in shown
    assert "permissions" not in shown
