"""Runs whose judge is near chance are refused, unless that is accepted; what a good one is worth is kept."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.studbook_cli import write_tiny

from studbook.experiments.cli.main import main
from studbook.experiments.run.opening import open_run
from studbook.llm.contracts import ROLES, ChatReply, ChatRequest
from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.server.server import BackendServer

JUDGE = "testbed-judge"


class WithJudge:
    """The testbed, with another judge: `answer` makes its text, None keeps the testbed's own."""

    def __init__(self, answer: Callable[[ChatRequest], str] | None = None) -> None:
        self._answer = answer
        self.asked: list[str] = []

    def complete(self, request: ChatRequest) -> ChatReply:
        self.asked.append(request.model)
        reply = TestbedBackend().complete(request)
        if request.model != JUDGE or self._answer is None:
            return reply
        return replace(reply, text=self._answer(request))


def credulous(request: ChatRequest) -> str:
    """Marks every criterion as met."""
    criteria = request.messages[-1].content.split("<criteria>")[1].split("</criteria>")[0]
    return json.dumps({"marks": [True] * len(criteria.strip().splitlines())})


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path)
    return tmp_path


@contextmanager
def served(backend: WithJudge) -> Iterator[list[str]]:
    """The flags of a run whose roles are all at an endpoint."""
    roles = {role: {"model": f"testbed-{role.replace('_', '-')}"} for role in ROLES}
    with BackendServer(backend, models=MODELS) as server:
        endpoint = {"kind": "openai", "base_url": server.base_url}
        models = {"default": {"endpoint": "lab"}, "endpoints": {"lab": endpoint}, "roles": roles}
        yield [f"-smodels={json.dumps(models)}", "-ssearch.iterations=1"]


def run(*flags: str) -> int:
    return main(["run", "tiny.yaml", "--name", "trial", *flags])


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            credulous,
            "judge is near chance on planted cases with known answers\n  judge: 10 of 20 marks right",
        ),
        (lambda request: request.messages[0].content, "judge is"),
        (lambda request: "Let me see.", "judge is unreadable"),
    ],
    ids=["all met", "echo", "prose"],
)
def test_a_judge_near_chance_starts_no_run(here, capsys, answer, told):
    with served(WithJudge(answer)) as flags:
        assert run(*flags) == 2
    captured = capsys.readouterr()
    assert f"the run was not started: {told}" in captured.err
    assert "--accept-judge" in captured.err.splitlines()[-1]
    assert list(Path("runs").iterdir()) == [], "as after every refusal, there is no run"


def test_a_refusal_quotes_replies_because_nothing_else_keeps_them(here, capsys):
    with served(WithJudge(lambda request: "Let me \x1b[31msee.")) as flags:
        assert run(*flags) == 2
    told = capsys.readouterr().err
    assert told.count(": unreadable: Let me see.") == 4
    assert "dunes, an answer that meets" in told


def test_it_starts_if_that_is_accepted_and_the_journal_says_what_it_was_worth(here):
    with served(WithJudge(credulous)) as flags:
        assert run(*flags, "--accept-judge") == 0
    (judge, verifier) = open_run("trial", Path("runs")).start.canary
    assert (judge.role, judge.right, judge.n) == ("judge", 10, 20)
    assert verifier.role == "final_verifier"
    assert "accept_judge: true" in Path("runs/trial/spec.resolved.yaml").read_text()


def test_good_models_are_recorded_shown_and_replayed(here, capsys):
    backend = WithJudge()
    with served(backend) as flags:
        assert run(*flags) == 0
    assert main(["show", "trial"]) == 0
    assert "of 20 marks right (chance 10;" in capsys.readouterr().out
    assert "of 20 marks right" in Path("runs/trial/report.html").read_text()
    asked = len(backend.asked)
    assert main(["replay", "trial", "--level", "recorded"]) == 0
    assert main(["verify", "trial"]) == 0
    assert len(backend.asked) == asked


def test_a_resumed_run_does_not_ask_again(here):
    backend = WithJudge()
    with served(backend) as flags:
        assert run(*flags, "-sbudget.calls=30") == 0
        started = open_run("trial", Path("runs")).start
        backend.asked.clear()
        assert main(["resume", "trial", "-sbudget.calls=34"]) == 0
        assert open_run("trial", Path("runs")).start == started
    assert len(backend.asked) <= 4


def test_a_budget_that_ends_among_the_planted_cases_can_be_raised(here):
    backend = WithJudge()
    with served(backend) as flags:
        assert run(*flags, "-sbudget.calls=5", "-sworkers=1") == 0
        assert len(backend.asked) == 5
        assert main(["resume", "trial", "-sbudget.calls=20"]) == 0
    assert len(open_run("trial", Path("runs")).start.canary) == 2
    assert len(backend.asked) == 20, "recorded replies are not paid for again"


def test_a_dry_run_says_what_is_asked_before_the_run(here, capsys):
    with served(WithJudge()) as flags:
        assert run(*flags, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "before the run: asking judge and final_verifier about 16 planted cases (about 21," in shown
    assert "16 about planted cases" in shown
    assert "paper-evaluations: " in shown
    assert run("--dry-run") == 0
    assert "before the run" not in capsys.readouterr().out


def test_the_testbed_in_this_process_is_not_asked(here):
    assert run("-ssearch.iterations=1") == 0
    journal = Path("runs/trial/journal.jsonl").read_text()
    assert "canary" not in journal
