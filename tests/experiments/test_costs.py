"""What each role cost is read from the call records, and adds up."""

import json

import pytest
from support.births import small_run
from support.runs_on_disk import write_run

from studbook.experiments.cli.main import main
from studbook.experiments.run.costs import RoleCost, cost_lines, read_costs
from studbook.experiments.run.opening import open_run
from studbook.llm.contracts import ChatReply, Usage
from studbook.llm.records import CallRecords


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "runs" / "trial", small_run())


@pytest.fixture
def paid(run):
    def reply(sent: int, said: int) -> ChatReply:
        return ChatReply(text="yes", usage=Usage(prompt_tokens=sent, completion_tokens=said), model="m")

    with CallRecords.open(run.calls) as records:
        records.put("01" * 32, role="weak", reply=reply(1000, 20), dollars=0.1)
        records.put("02" * 32, role="weak", reply=reply(2000, 30), dollars=0.2)
        records.put("03" * 32, role="judge", reply=reply(500, 5), dollars=0.0004)
        records.put_wasted(role="judge", usage=Usage(prompt_tokens=100, completion_tokens=1), dollars=0.0001)
    return run


def test_every_role_has_a_row_and_the_sum_is_last(paid, tmp_path):
    rows = read_costs(open_run("trial", tmp_path / "runs"))
    assert rows == (
        RoleCost(role="judge", calls=1, prompt_tokens=600, completion_tokens=6, dollars=0.0005),
        RoleCost(role="weak", calls=2, prompt_tokens=3000, completion_tokens=50, dollars=0.3),
        RoleCost(role="all roles", calls=3, prompt_tokens=3600, completion_tokens=56, dollars=0.3005),
    )
    assert [str(line) for line in cost_lines(rows)] == [
        "Model usage and cost by role",
        "  role       calls  tokens in  tokens out     cost",
        "  judge          1        600           6  $0.0005",
        "  weak           2      3,000          50    $0.30",
        "  all roles      3      3,600          56    $0.30",
    ]


def test_show_says_it(paid, tmp_path, capsys):
    assert main(["show", "trial", "--runs-dir", str(tmp_path / "runs")]) == 0
    assert "  all roles      3      3,600          56    $0.30" in capsys.readouterr().out.splitlines()
    assert main(["show", "trial", "--json", "--runs-dir", str(tmp_path / "runs")]) == 0
    costs = json.loads(capsys.readouterr().out)["costs"]
    assert costs[-1] == {
        "role": "all roles",
        "calls": 3,
        "prompt_tokens": 3600,
        "completion_tokens": 56,
        "dollars": 0.3005,
        "cached_tokens": 0,
    }


def test_a_run_that_has_asked_nobody_has_cost_nothing(run, tmp_path, capsys):
    assert read_costs(open_run("trial", tmp_path / "runs")) == ()
    assert list(cost_lines(())) == []
    assert main(["show", "trial", "--runs-dir", str(tmp_path / "runs")]) == 0
    assert "paid for" not in capsys.readouterr().out
