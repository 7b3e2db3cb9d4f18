"""benchmarks/verifier_errors.py: a table for any spec's models, and what the testbed's must show."""

import json
import re
from pathlib import Path

import pytest
from support.verifier_errors import load_verifier_errors

benchmark = load_verifier_errors()
SHARE = re.compile(r"\((\d+)/(\d+), 95% CI")


def run(*arguments):
    out, told = [], []
    code = benchmark.main([str(item) for item in arguments], out.append, told.append)
    return code, "\n".join(out), "\n".join(told)


def counts(table, name):
    """(wrong, n) of each column of a line."""
    line = next(line for line in table.splitlines() if line.startswith(f"| {name}:"))
    return [(int(wrong), int(n)) for wrong, n in SHARE.findall(line)]


@pytest.fixture(scope="module")
def table():
    code, out, _ = run("--n", "12", "--seed", "3")
    assert code == 0
    return out


def test_the_testbeds_verifier_lets_few_bad_examples_pass_and_fails_few_good_ones(table):
    good, _, held_out_good = counts(table, "good")
    assert good[1] == 12 and good[0] <= 3
    assert held_out_good[0] <= 4
    bad, written, held_out = counts(table, "bad")
    assert bad[1] == 252 and bad[0] <= 0.25 * bad[1]
    assert written[0] <= 0.25 * written[1]
    assert held_out[1] == 36 and held_out[0] <= 0.35 * held_out[1]


def test_it_errs_sometimes_and_sees_what_only_the_paper_shows(table):
    assert counts(table, "bad")[0][0] > 0
    for kind in ("wrong_everywhere", "wrong_context", "foreign"):
        wrong, n = counts(table, kind)[0]
        assert n == 12 and wrong <= 0.35 * n


def test_the_testbeds_judge_errs_sometimes_and_misreads_what_answers_overlook(table):
    met, not_met = counts(table, "all")
    assert 0 < met[0] <= 0.2 * met[1] and 0 < not_met[0] <= 0.15 * not_met[1]
    overlooked = counts(table, "criterion: oversight")[0]
    assert overlooked[0] >= 0.8 * overlooked[1]


def test_the_testbed_is_named_and_the_table_repeats():
    first = run("--n", "2", "--seed", "3")[1]
    assert "the testbed: text programs, which say nothing about language models" in first.splitlines()[0]
    assert run("--n", "2", "--seed", "3")[1] == first


def test_a_plan_counts_the_calls_and_makes_none():
    code, out, told = run("--n", "2", "--plan", "--draws", "3")
    assert (code, told) == (0, "")
    assert out.splitlines()[1] == ("cases: 118 examples, 70 answers; draws: 3; seed 1; at least 564 calls")


def test_kinds_are_chosen_and_outcomes_written(tmp_path):
    path = tmp_path / "outcomes.jsonl"
    code, out, _ = run("--n", "3", "--only", "generic,empty", "--no-written", "--outcomes", path)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert code == 0 and "held out" not in out
    assert [row["kind"] for row in rows] == ["generic"] * 3 + ["empty"] * 3
    assert rows[0]["should_pass"] is False and rows[-1]["truth"] == [False] * 6 + [None]


def test_ones_own_cases_make_a_column_and_records_pay_for_nothing_twice(tmp_path):
    cases = tmp_path / "mine.toml"
    text = (Path(benchmark.__file__).parents[1] / "evaluate" / "planted" / "written.toml").read_text("utf-8")
    cases.write_text(text, encoding="utf-8")
    records = tmp_path / "calls.sqlite"
    arguments = ("--n", "0", "--no-written", "--cases", cases, "--records", records)
    first = run(*arguments)
    assert first[0] == 0 and "mine.toml" in first[1]
    assert run(*arguments)[1] == first[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--spec", "nowhere.yaml"), "no spec at nowhere.yaml"),
        (("--papers", "nowhere"), "nowhere"),
        (("--n", "0", "--cases", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_what_is_not_there_is_named(arguments, told):
    code, _, error = run(*arguments)
    assert code != 0 and error.startswith("error: ") and told in error
