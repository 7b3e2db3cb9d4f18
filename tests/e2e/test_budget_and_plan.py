"""Budgets end a run in a way that can go on; a dry run plans and writes nothing."""

import json
from pathlib import Path

import pytest
from support.studbook_cli import write_tiny

from experiments.cli import main


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path)
    return tmp_path


def test_a_spent_budget_names_its_key_and_a_larger_one_goes_on(here, capsys):
    assert main(["run", "tiny.yaml", "-s", "budget.calls=40"]) == 1
    err = capsys.readouterr().err
    assert "the budget of model calls is spent: 40 calls of 40" in err
    assert "raise budget.calls and resume" in err
    assert "studbook resume tiny-1" in err
    assert main(["resume", "tiny-1"]) == 1
    assert main(["resume", "tiny-1", "-s", "budget.calls=null", "-s", "search.iterations=1"]) == 2
    assert "a resumed run keeps its spec" in capsys.readouterr().err
    assert main(["resume", "tiny-1", "-s", "budget.calls=null"]) == 0
    assert main(["replay", "tiny-1", "--level", "recorded"]) == 0


def test_hours_end_the_search_in_order_with_a_champion_and_the_replay_agrees(here, capsys):
    assert main(["run", "tiny.yaml", "-s", "budget.hours=0.0001", "-s", "search.iterations=50"]) == 0
    out = capsys.readouterr().out
    assert "budget.hours are over" in out
    assert "Champion" in out
    assert main(["replay", "tiny-1", "--level", "recorded"]) == 0


def test_a_dry_run_prints_the_worst_case_and_writes_nothing(here, capsys):
    prices = "{endpoint: testbed, dollars_per_million_input: 1.0, dollars_per_million_output: 2.0}"
    assert main(["run", "tiny.yaml", "--dry-run", "--json", "-s", f"models.default={prices}"]) == 0
    plan = json.loads(capsys.readouterr().out)["plan"]
    assert plan["plan"]["validation_boxes"] == 3 * 2 * 3
    assert plan["worst_dollars"] > 0
    assert not Path("runs").exists()
    assert main(["run", "tiny.yaml", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "calls    at most" in shown
    assert "nothing was run and nothing was written" in shown


def test_a_run_of_several_iterations_at_once_replays_with_another_number_of_workers(here, capsys):
    """`lag` is part of the experiment, workers are not."""
    flags = ["-s", "search.lag=2", "-s", "search.iterations=4"]
    assert main(["run", "tiny.yaml", *flags, "-s", "workers=4"]) == 0
    assert main(["resume", "tiny-1", "-s", "workers=1"]) == 0
    assert main(["replay", "tiny-1", "--level", "recorded"]) == 0
    assert "✓ tiny-1 is identical: run again" in capsys.readouterr().out


def test_what_a_run_leaves_behind_is_complete(here):
    assert main(["run", "tiny.yaml"]) == 0
    folder = here / "runs" / "tiny-1"
    names = {path.name for path in folder.iterdir()}
    assert {
        "spec.resolved.yaml",
        "environment.json",
        "journal.jsonl",
        "lineage.git",
        "calls.sqlite",
        "trajectories",
        "report.html",
    } <= names
    environment = json.loads((folder / "environment.json").read_text())
    assert len(environment["evaluator_hash"]) == 64
    assert environment["sandbox"]
    assert set(environment) == {
        "version",
        "started",
        "studbook",
        "commit",
        "python",
        "platform",
        "git",
        "packages",
        "sandbox",
        "evaluator_hash",
        "check",
    }


def test_a_trajectory_is_shown_readably(here, capsys):
    assert main(["run", "tiny.yaml", "-s", "search.iterations=0"]) == 0
    capsys.readouterr()
    lines = (here / "runs/tiny-1/journal.jsonl").read_text().splitlines()
    paper = json.loads(lines[0])["data"]["splits"]["validation"][0]
    assert main(["show", "tiny-1:seed", paper[:6]]) == 0
    shown = capsys.readouterr().out
    assert "seed, iteration 0, replicate 0:" in shown
    assert "## Round 1" in shown and "### Challenger reply" in shown
    assert main(["show", "tiny-1:seed", "zzz"]) == 2
    assert "no paper 'zzz' in run tiny-1" in capsys.readouterr().err


def test_an_exported_harness_is_a_harness(here, capsys):
    assert main(["run", "tiny.yaml", "-s", "search.iterations=0"]) == 0
    assert main(["export", "tiny-1:best", "mine"]) == 0
    assert (here / "mine" / "harness.yaml").is_file()
    assert main(["export", "tiny-1:best", "mine"]) == 2
    assert "not an empty folder" in capsys.readouterr().err
