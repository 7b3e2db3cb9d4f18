"""A run whose every text tries to control the terminal: each command shows it, and nothing gets through.

Both as plain lines and as on a terminal with colors, where only our own styles may be escape sequences.
"""

import re
from pathlib import Path

import pytest
from support.made_runs import copy_run, shared_run
from support.poison import POISON, POISONERS, poison_everything, renamed, unfit_for_a_terminal

from studbook.experiments.cli.main import VERBS, main
from studbook.populations.storage import RunFolder

pytestmark = pytest.mark.slow

READS_NO_RUN = {
    "run",
    "unpack",
    "papers synth",
    "papers show",
    "papers stats",
    "init",
    "doctor",
    "testbed serve",
}
COMMANDS = (
    "ls",
    "show evil",
    "show evil:seed",
    "show evil:best",
    "show evil:seed PAPER",
    "tree evil",
    "lineage evil:best",
    "diff evil:seed m0001",
    "diff evil:seed other:seed",
    "verify evil",
    "report evil",
    "adopt evil",
    "replay evil",
    "replay evil:best --level recorded",
    "export evil:best exported",
    "pack evil packed.tar.gz",
    "stop evil",
    "resume evil",
    "evaluate evil:best --papers papers --limit 1 --spec tiny.yaml",
    "conformance --of evil",
    "show evil:nothing",
    "show evi",
)

SLOW = {
    command for command in COMMANDS if "recorded" in command or command.startswith(("resume", "evaluate"))
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return shared_run(tmp_path_factory)


@pytest.fixture
def home(made: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    copy_run(made, tmp_path / "runs" / "other")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "a.md").write_text("# A paper\n\nOne sentence of it.\n")
    (tmp_path / "tiny.yaml").write_text("version: 1\nsandbox: process\n")
    return tmp_path


def test_every_command_that_reads_a_run_is_tried():
    tried = {words for command in COMMANDS for words in (command.split()[0], " ".join(command.split()[:2]))}
    assert {verb.name for verb in VERBS} - tried == READS_NO_RUN


def tell(command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    paper = re.search(r'"validation":\["([0-9a-f]+)"', (home / "runs/other/journal.jsonl").read_text("utf-8"))
    assert paper is not None
    code = main(command.replace("PAPER", paper[1]).split())
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize("styled", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("place", [*POISONERS, "everything"])
def test_no_text_of_a_run_controls_the_terminal(place, styled, made, home, monkeypatch, capsys, attack_row):
    run = copy_run(made, home / "runs" / "evil")
    POISONERS.get(place, poison_everything)(run)
    if styled:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "200")
    through: dict[str, list[str]] = {}
    shown = ""
    for command in COMMANDS:
        for flags in (" -v",) if command in SLOW else (" -v", " --json"):
            code, text = tell(command + flags, home, capsys)
            shown += text
            if bad := unfit_for_a_terminal(text, styled=styled):
                through[command + flags] = bad
            if "bug in Studbook" in text or code not in {0, 1, 2, 3}:
                through[command + flags] = [text]
    attack_row(
        suite="record",
        name=f"escape sequences in {place}, shown {'on a terminal' if styled else 'through a pipe'}",
        tried=f"{2 * len(COMMANDS) - len(SLOW)} command lines",
        outcome="contained: nothing reached the terminal"
        if not through
        else f"through: {', '.join(through)}",
    )
    assert not through
    assert "markup" in shown, "the poison was shown nowhere, so nothing was tried"


def test_no_name_of_a_folder_controls_the_terminal(made, home, capsys, attack_row):
    run = renamed(copy_run(made, home / "runs" / "evil"))
    through = {}
    for command in COMMANDS:
        words = [word.replace("evil", run.name) if "evil" in word else word for word in command.split()]
        code = main(words)
        captured = capsys.readouterr()
        if bad := unfit_for_a_terminal(captured.out + captured.err):
            through[command] = bad
        if "bug in Studbook" in captured.err or code not in {0, 1, 2, 3}:
            through[command] = [captured.err]
    attack_row(
        suite="record",
        name="escape sequences in the name of a run's folder",
        outcome="contained: nothing reached the terminal"
        if not through
        else f"through: {', '.join(through)}",
    )
    assert not through


def test_the_report_of_a_poisoned_run_has_no_markup_of_the_runs(made, home):
    run = copy_run(made, home / "runs" / "evil")
    poison_everything(run)
    assert main(["report", "evil"]) == 0
    html = run.report.read_text("utf-8")
    assert "<script" not in html
    assert POISON not in html
    assert unfit_for_a_terminal(html) == []
