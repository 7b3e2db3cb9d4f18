"""Models of the outer loop that do not answer, and searches that compare nothing, are never a result."""

import json
from pathlib import Path

import pytest
from support.studbook_cli import TINY, studbook

MOODY = '''\
import os

from studbook.errors import RequestRefused
from studbook.llm.contracts import CONTROL_QUESTION
from studbook.testbed.models.backend import TestbedBackend


class Moody:
    """The testbed, whose models named in MOOD answer nothing but the control question."""

    needs_key = False

    def open(self, **settings):
        return self

    def model_of(self, model, role):
        return f"{model}-{role.replace('_', '-')}"

    def version_of(self, model):
        return None

    def complete(self, request):
        role = request.model.rpartition("-")[2]
        if role in os.environ.get("MOOD", "").split() and request.messages != CONTROL_QUESTION:
            raise RequestRefused(f"no {role} today", status=403)
        return TestbedBackend().complete(request)
'''

SPEC = f"{TINY}models: {{endpoints: {{testbed: {{kind: 'moody:Moody'}}}}}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "moody.py").write_text(MOODY, encoding="utf-8")
    (tmp_path / "moody.yaml").write_text(SPEC.replace("knob_share: 0.34", "knob_share: 0"), encoding="utf-8")
    return tmp_path


def verdicts(folder: Path) -> list[str]:
    shown = studbook("show", "x", "--json", cwd=folder)
    return [each["verdict"] for each in json.loads(shown.stdout)["iterations"]]


def test_two_unanswered_iterations_pause_the_run_and_a_resume_draws_afresh(folder):
    done = studbook("run", "moody.yaml", "--name", "x", cwd=folder, MOOD="analyzer")
    assert done.returncode == 1
    assert "no proposal in 2 iterations in a row: the analyzer's model did not answer" in done.stderr
    assert "resume with: " in done.stderr
    assert verdicts(folder) == ["unanswered", "unanswered"]
    again = studbook("resume", "x", "--plugins", ".", cwd=folder)
    assert again.returncode in {0, 3}, again.stderr
    told = verdicts(folder)
    assert told[:2] == ["unanswered", "unanswered"] and told[2] != "unanswered"
    replayed = studbook("replay", "x", "--level", "recorded", "--plugins", ".", cwd=folder)
    assert replayed.returncode == 0, replayed.stderr
    verified = studbook("verify", "x", "--plugins", ".", cwd=folder)
    assert verified.returncode == 0, verified.stdout


def test_a_search_that_compared_nothing_has_no_champion_and_its_own_exit_code(folder):
    once = ("-s", "search.iterations=1")
    done = studbook("run", "moody.yaml", "--name", "x", *once, cwd=folder, MOOD="implementer")
    assert done.returncode == 3, done.stderr
    assert "no mutant was measured: the search compared nothing with the seed (1 unanswered)" in done.stdout
    assert "No champion: no mutant was measured" in done.stdout
    listed = json.loads(studbook("ls", "--json", cwd=folder).stdout)
    assert listed["runs"][0]["state"] == "nothing measured"
    assert studbook("verify", "x", "--plugins", ".", cwd=folder).returncode == 0
    more = studbook("resume", "x", "-s", "search.iterations=4", "--plugins", ".", cwd=folder)
    assert more.returncode == 0, more.stderr
    replayed = studbook("replay", "x", "--level", "recorded", "--plugins", ".", cwd=folder)
    assert replayed.returncode == 0, replayed.stderr
