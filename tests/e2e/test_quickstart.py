"""The demo: every kind of verdict occurs, and the champion is better than the seed on the sealed papers."""

import json

import pytest
from support.studbook_cli import REPOSITORY, studbook


@pytest.mark.slow
def test_the_quickstart_shows_every_verdict_and_a_champion_that_beats_the_seed(tmp_path):
    """The testbed decides what happens; when it changes, another `seed:` in quickstart.yaml may be needed."""
    spec = REPOSITORY / "experiments" / "quickstart.yaml"
    done = studbook("run", str(spec), "-s", "sandbox=process", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole = json.loads(done.stdout)
    end = whole["end"]
    assert set(end["verdicts"]) == {"admitted", "rejected", "broken", "duplicate", "no_change"}
    assert all(number >= 1 for number in end["verdicts"].values()), end["verdicts"]
    assert end["champion_id"] != "seed"
    assert end["champion_test"]["passed"] > end["seed_test"]["passed"]
    assert end["champion_test"]["n"] == end["seed_test"]["n"] == 20
    assert len(end["next_commands"]) == 3
    kinds = [each["kind"] for each in whole["iterations"] if each["kind"]]
    assert sum(kind in {"code", "knobs"} for kind in kinds) * 3 >= len(kinds), kinds
    report = (tmp_path / "runs" / "quickstart-1" / "report.html").read_text(encoding="utf-8")
    assert end["champion_id"] in report
