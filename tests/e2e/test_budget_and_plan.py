"""Budgets end a run in a way that can go on; a dry run plans and writes nothing."""

import json
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from support.studbook_cli import write_tiny

from studbook.experiments.cli.main import main
from studbook.llm.meter import sum_totals
from studbook.llm.records import CallRecords


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path)
    return tmp_path


def journal(here, name="tiny-1"):
    lines = (here / "runs" / name / "journal.jsonl").read_bytes().splitlines()
    return [json.loads(line) for line in lines]


def search_of(here, name="tiny-1"):
    """The events of the search alone, without how it was concluded."""
    concluding = {"search_ended", "champion_chosen", "run_finished"}
    events = [(line["kind"], line["data"]) for line in journal(here, name) if line["kind"] not in concluding]
    return [each for each in events if each[1].get("purpose") not in {"confirmation", "test"}]


def test_a_spent_budget_ends_in_order_names_its_key_and_a_larger_one_goes_on(here, capsys):
    assert main(["run", "tiny.yaml", "-s", "budget.calls=40"]) == 0
    err = capsys.readouterr().err
    assert "stopped after 0 iterations: budget reached: 40 of 40 calls (budget.calls)" in err
    assert "raise budget.calls and resume" in err
    assert "\n  studbook resume tiny-1 -s budget.calls=80\n" in err
    assert main(["ls"]) == 0
    assert "budget reached" in capsys.readouterr().out
    assert main(["resume", "tiny-1"]) == 0
    assert "40 of 40 calls" in capsys.readouterr().err
    assert main(["resume", "tiny-1", "-s", "budget.calls=null", "-s", "search.minibatch=2"]) == 2
    assert "a resumed run keeps its spec" in capsys.readouterr().err
    assert main(["resume", "tiny-1", "-s", "budget.calls=null"]) == 0
    assert main(["replay", "tiny-1", "--level", "recorded"]) == 0


@pytest.mark.parametrize("unit", ["tokens", "dollars"])
def test_tokens_and_dollars_are_passed_by_a_call_per_worker_at_most_and_add_up(here, unit):
    """Every role has its price; what the report says is what the records hold, to the last picodollar."""
    prices = "{endpoint: testbed, dollars_per_million_input: 0.3, dollars_per_million_output: 1.7}"
    limit = {"tokens": 300_000, "dollars": 0.1}[unit]
    flags = ["-s", f"models.default={prices}", "-s", f"budget.{unit}={limit}", "-s", "workers=3"]
    assert main(["run", "tiny.yaml", *flags]) == 0
    with sqlite3.connect(here / "runs/tiny-1/calls.sqlite") as records:
        rows = records.execute("SELECT prompt_tokens, completion_tokens, dollars FROM calls").fetchall()
    for sent, answered, paid in rows:
        assert paid == round((sent * 0.3 + answered * 1.7) / 1e6, 12)
    spent = [sent + answered if unit == "tokens" else paid for sent, answered, paid in rows]
    assert limit <= sum(spent) <= limit + sum(sorted(spent)[-3:])
    with CallRecords.read_only(here / "runs/tiny-1/calls.sqlite") as records:
        total = sum_totals(records.totals())
    assert total.calls == len(rows)
    assert total.tokens == sum(sent + answered for sent, answered, _ in rows)
    assert total.dollars == float(sum(Decimal(repr(paid)) for _, _, paid in rows))


def test_more_iterations_than_planned_give_the_run_that_was_planned_longer(here, capsys):
    assert main(["run", "tiny.yaml", "--name", "long", "-s", "search.iterations=3"]) == 0
    assert main(["run", "tiny.yaml", "-s", "search.iterations=1"]) == 0
    capsys.readouterr()
    assert main(["resume", "tiny-1", "-s", "search.iterations=3"]) == 0
    assert "resuming after 1 finished iteration" in capsys.readouterr().err
    assert search_of(here) == search_of(here, "long")
    assert [line["data"]["iterations"] for line in journal(here) if line["kind"] == "run_finished"] == [1, 3]
    for command in (["replay", "tiny-1", "--level", "recorded"], ["verify", "tiny-1"], ["ls"]):
        assert main(command) == 0, command
    assert "3" in capsys.readouterr().out


def test_a_conclusion_that_the_budget_cut_is_finished_before_the_search_goes_on(here, capsys):
    """The budget grows by 60 calls until the search has ended and its conclusion has begun."""
    assert main(["run", "tiny.yaml", "--name", "whole", "-s", "search.iterations=1"]) == 0
    ended = next(n for n, line in enumerate(journal(here, "whole")) if line["kind"] == "search_ended")
    assert (
        main(["run", "tiny.yaml", "--name", "until", "-s", "search.iterations=1", "-s", "budget.calls=1"])
        == 0
    )
    calls = 1
    while not any(line["kind"] == "search_ended" for line in journal(here, "until")):
        calls += 60
        assert main(["resume", "until", "-s", f"budget.calls={calls}"]) == 0
    assert not any(line["kind"] == "run_finished" for line in journal(here, "until"))
    more = ["-s", "budget.calls=null", "-s", "search.iterations=2"]
    assert main(["resume", "until", *more]) == 0
    kinds = [line["kind"] for line in journal(here, "until")]
    assert kinds.count("search_ended") == kinds.count("run_finished") == 2
    assert kinds[: ended + 1] == [line["kind"] for line in journal(here, "whole")][: ended + 1]
    capsys.readouterr()
    assert main(["replay", "until", "--level", "recorded"]) == 0
    assert main(["verify", "until"]) == 0


def test_patience_ends_a_search_and_more_of_it_goes_on(here, capsys):
    flags = ["-s", "search.patience=1", "-s", "search.iterations=4", "-s", "search.knob_share=0"]
    assert main(["run", "tiny.yaml", *flags]) == 0
    done = sum(line["kind"] == "decision_made" for line in journal(here))
    last = [line["data"]["decision"]["verdict"] for line in journal(here) if line["kind"] == "decision_made"][
        -1
    ]
    assert done == 4 or last != "admitted"
    assert main(["resume", "tiny-1", "-s", "search.patience=null"]) == 0
    assert sum(line["kind"] == "decision_made" for line in journal(here)) == 4
    assert main(["replay", "tiny-1", "--level", "recorded"]) == 0


def test_hours_end_a_run_like_any_budget_and_it_goes_on_to_the_same_end(here, capsys):
    """In the middle of an iteration: who has the machine for an hour must not keep it for two."""
    assert main(["run", "tiny.yaml", "--name", "whole"]) == 0
    capsys.readouterr()
    assert main(["run", "tiny.yaml", "-s", "budget.hours=0.0001"]) == 0
    err = capsys.readouterr().err
    assert "budget reached: 0.0001 hours (budget.hours)" in err
    assert "\n  studbook resume tiny-1 -s budget.hours=0.0001\n" in err
    assert len(journal(here)) < len(journal(here, "whole"))
    assert main(["resume", "tiny-1", "-s", "budget.hours=null"]) == 0
    assert search_of(here) == search_of(here, "whole")
    assert main(["replay", "tiny-1", "--level", "recorded"]) == 0


def test_what_a_budget_ended_can_be_concluded_where_it_stands(here, capsys):
    assert main(["run", "tiny.yaml", "-s", "budget.calls=40"]) == 0
    calls = 40
    while sum(line["kind"] == "decision_made" for line in journal(here)) < 1:
        calls += 100
        assert main(["resume", "tiny-1", "-s", f"budget.calls={calls}"]) == 0
    err = capsys.readouterr().err
    assert err.splitlines()[-2].startswith("or stop searching and pick a champion")
    assert err.splitlines()[-1] == (
        f"  studbook resume tiny-1 -s budget.calls={2 * calls} -s search.iterations=1"
    )
    assert main(["resume", "tiny-1", "-s", "budget.calls=null", "-s", "search.iterations=1"]) == 0
    assert journal(here)[-1]["kind"] == "run_finished"
    assert "Champion" in capsys.readouterr().out


def test_a_dry_run_prints_the_worst_case_and_writes_nothing(here, capsys):
    prices = "{endpoint: testbed, dollars_per_million_input: 1.0, dollars_per_million_output: 2.0}"
    assert main(["run", "tiny.yaml", "--dry-run", "--json", "-s", f"models.default={prices}"]) == 0
    plan = json.loads(capsys.readouterr().out)["plan"]
    assert plan["plan"]["validation_boxes"] == 3 * 2 * 3
    expected = plan["expected"]
    assert (
        0 < expected["low_dollars"] < expected["dollars"] < expected["high_dollars"] < plan["worst_dollars"]
    )
    assert not Path("runs").exists()
    assert main(["run", "tiny.yaml", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("expected about $0.00: ") < shown.index("at most $0.00")
    assert "nothing was run and nothing was written" in shown


def test_what_a_run_uses_is_below_the_worst_case_of_its_dry_run_for_every_role(here, capsys):
    """Each role alone has a price, so that none hides behind another."""
    flags = ["-s", "search.minibatch=3"]
    assert main(["run", "tiny.yaml", *flags]) == 0
    with CallRecords.read_only(here / "runs/tiny-1/calls.sqlite") as records:
        spent = records.totals()
    total = sum_totals(spent)
    for role in ("challenger", "strong", "judge", "analyzer", "implementer"):
        prices = "{endpoint: testbed, dollars_per_million_input: 10, dollars_per_million_output: 20}"
        capsys.readouterr()
        assert (
            main(["run", "tiny.yaml", "--dry-run", "--json", *flags, "-s", f"models.roles.{role}={prices}"])
            == 0
        )
        plan = json.loads(capsys.readouterr().out)["plan"]
        usage = spent[role].usage
        assert 0 < (usage.prompt_tokens * 10 + usage.completion_tokens * 20) / 1e6 < plan["worst_dollars"]
        assert total.tokens < plan["worst_tokens"]
        assert total.calls < plan["calls"]
        assert total.calls / 2 < plan["expected"]["calls"] < 2 * total.calls


def test_a_run_of_several_iterations_at_once_replays_with_another_number_of_workers(here, capsys):
    """`lag` is part of the experiment, workers are not."""
    flags = ["-s", "search.lag=2", "-s", "search.iterations=4"]
    assert main(["run", "tiny.yaml", *flags, "-s", "workers=4"]) == 0
    assert main(["resume", "tiny-1", "-s", "workers=1"]) == 0
    assert main(["replay", "tiny-1", "--level", "recorded"]) == 0
    assert "✓ tiny-1 is identical: re-run" in capsys.readouterr().out


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
