"""Replay of a harness, a lineage or one paper: identical or told where not; and measured anew."""

import json
import shutil
import socket
from pathlib import Path

import pytest
from support import tampering as t
from support.studbook_cli import REPOSITORY, TINY, studbook, write_tiny

from studbook.experiments.cli.main import main
from studbook.populations.storage import RunFolder

pytestmark = pytest.mark.slow

WHOLE_AND_PART = ("trial", "trial:seed")
SEED_ONLY = TINY.replace("iterations: 3", "iterations: 0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/trial; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    write_tiny(folder)
    done = studbook("run", "tiny.yaml", "--name", "trial", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def replay(capsys, *arguments: str) -> dict:
    capsys.readouterr()
    assert main(["replay", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def results_of(folder: Path, harness_id: str) -> dict[str, str]:
    """Trajectory keys of a harness with their papers, read from the journal by hand."""
    lines = [json.loads(line) for line in t.journal_lines(RunFolder(folder / "runs" / "trial"))]
    done = [line["data"]["evaluation"] for line in lines if line["kind"] == "evaluation_done"]
    mine = [result for each in done if each["harness_id"] == harness_id for result in each["results"]]
    return {result["key"]: result["paper_id"] for result in mine}


def test_every_box_of_a_harness_comes_again_byte_for_byte_without_an_endpoint(here, capsys):
    told = replay(capsys, "trial:m0001", "--alone", "--level", "recorded")
    assert told["identical"] is True
    assert told["replay"]["part"] == "m0001"
    assert told["replay"]["trajectories"] == len(results_of(here, "m0001")) > 0
    assert told["replay"]["calls"] > 0


def test_one_paper_is_replayed_alone(here, capsys):
    keys = results_of(here, "seed")
    paper = next(iter(keys.values()))
    told = replay(capsys, "trial:seed", paper[:6], "--level", "recorded")
    assert told["replay"]["trajectories"] == list(keys.values()).count(paper)
    assert told["replay"]["part"] == f"seed on paper {paper}"


def test_a_lineage_is_the_harness_and_all_it_comes_from(here, capsys):
    told = replay(capsys, "trial:m0001", "--level", "recorded")
    assert told["replay"]["part"] == "seed, m0001"
    assert told["replay"]["trajectories"] == len(results_of(here, "seed") | results_of(here, "m0001"))


def test_at_level_fold_the_trajectories_of_a_part_are_proved(here, capsys, tmp_path):
    told = replay(capsys, "trial:m0001", "--alone")
    assert told["replay"]["trajectories"] == len(results_of(here, "m0001"))
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(here / "runs" / "trial", copy.root)
    key = next(iter(results_of(here, "m0001")))
    (copy.trajectories / key[:2] / f"{key}.json.zst").unlink()
    assert main(["replay", f"{copy.root}:m0001"]) == 1
    assert f"{key}.json.zst is missing" in capsys.readouterr().err


def test_a_paper_the_harness_never_saw_is_refused_with_the_next_step(here, capsys):
    start = json.loads(t.journal_lines(RunFolder(here / "runs" / "trial"))[0])
    unseen = next(
        paper for paper in start["data"]["splits"]["test"] if paper not in results_of(here, "m0001").values()
    )
    assert main(["replay", "trial:m0001", unseen, "--level", "recorded"]) == 2
    assert f"m0001 was never run on paper {unseen}" in capsys.readouterr().err


def test_flags_of_live_are_refused_elsewhere(here, capsys):
    assert main(["replay", "trial", "--replicates", "2"]) == 2
    assert "--replicates needs --level live" in capsys.readouterr().err
    assert main(["replay", "trial", "--level", "live", "--replicates", "0"]) == 2


def random_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str) -> None:
    """runs/trial by a harness that is not the same twice."""
    harness = tmp_path / "dice"
    shutil.copytree(REPOSITORY / "harnesses" / "new_harness", harness)
    code = (
        (harness / "agent.py")
        .read_text(encoding="utf-8")
        .replace("from harness_kit import", "import os\n\nfrom harness_kit import", 1)
    )
    assert before in code
    (harness / "agent.py").write_text(code.replace(before, after), encoding="utf-8")
    write_tiny(tmp_path, f"{SEED_ONLY}harness: dice\n")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "tiny.yaml", "--name", "trial"]) == 0


def test_an_event_that_differs_is_told_with_both_sides(tmp_path, monkeypatch, capsys):
    random_run(
        tmp_path,
        monkeypatch,
        "    failures: list[str] = []\n",
        "    failures = []\n    box.log(os.urandom(9).hex())\n",
    )
    for target in WHOLE_AND_PART:
        capsys.readouterr()
        assert main(["replay", target, "--level", "recorded"]) == 1
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("✗", "  re"))]
        assert "event 0 (log) differs at text" in told[0]
        assert told[1].strip().startswith("recorded: '")
        assert told[2].strip().startswith("replayed: '")
        assert told[1].split(": ")[1] != told[2].split(": ")[1]


def test_a_call_that_was_never_recorded_is_told_as_the_event_that_differs(tmp_path, monkeypatch, capsys):
    random_run(
        tmp_path,
        monkeypatch,
        'box.read("prompts/challenger.md")]',
        'box.read("prompts/challenger.md") + os.urandom(9).hex()]',
    )
    for target in WHOLE_AND_PART:
        capsys.readouterr()
        assert main(["replay", target, "--level", "recorded"]) == 1
        told = capsys.readouterr().err
        assert "(chat) differs at messages[0].content" in told
        assert "recorded: " in told
        assert "replayed: " in told


def test_another_example_than_the_recorded_one_is_told_as_the_report_that_differs(
    tmp_path, monkeypatch, capsys
):
    random_run(
        tmp_path,
        monkeypatch,
        'report = box.evaluate(example, solvers="weak")',
        'example["question"] += " " + os.urandom(9).hex(); report = box.evaluate(example, solvers="weak")',
    )
    for target in WHOLE_AND_PART:
        capsys.readouterr()
        assert main(["replay", target, "--level", "recorded"]) == 1
        told = capsys.readouterr().err
        assert "(report) differs: no record of this call of role weak" in told


@pytest.mark.parametrize("target", WHOLE_AND_PART)
def test_a_trajectory_that_was_changed_is_told_as_the_event_that_differs(
    made, tmp_path, monkeypatch, capsys, target
):
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    run = RunFolder(tmp_path / "copy" / "runs" / "trial")
    key = next(iter(results_of(tmp_path / "copy", "seed")))
    body = t.read_trajectory_file(run, key)
    number = next(n for n, event in enumerate(body["events"]) if event["kind"] == "chat")
    body["events"][number]["reply"] = "what was never said"
    t.write_trajectory_file(run, key, body)
    assert main(["replay", target, "--level", "recorded"]) == 1
    told = capsys.readouterr().err
    assert f"event {number} (chat) differs at reply" in told
    assert "recorded: 'what was never said'" in told


@pytest.mark.parametrize("target", WHOLE_AND_PART)
def test_a_trajectory_that_is_gone_does_not_replay(made, tmp_path, monkeypatch, capsys, target):
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    key = next(iter(results_of(tmp_path / "copy", "seed")))
    t.trajectory_path(RunFolder(tmp_path / "copy" / "runs" / "trial"), key).unlink()
    assert main(["replay", target, "--level", "recorded"]) == 1
    assert f"{key}.json.zst is missing" in capsys.readouterr().err


def test_a_harness_that_was_moved_to_another_commit_does_not_replay(made, tmp_path, monkeypatch, capsys):
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    mutants = sorted(Path("runs/trial/lineage.git/refs/mutants").iterdir())
    mutants[0].write_bytes(mutants[-1].read_bytes())
    assert main(["replay", "trial", "--level", "recorded"]) == 1
    assert f"refs/mutants/{mutants[0].name}" in capsys.readouterr().err


def test_live_compares_old_and_new_on_the_same_papers_and_leaves_the_run_as_it_is(here, capsys):
    folder = RunFolder(here / "runs" / "trial")
    before = {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}
    told = replay(capsys, "trial", "--level", "live", "--replicates", "2")["replay"]
    seed = told["harnesses"][0]
    assert (seed["harness_id"], seed["papers"], seed["replicates"]) == ("seed", 3, 2)
    assert seed["new"]["n"] == 6
    assert seed["old"]["n"] % 3 == 0
    assert told["fresh_calls"] > 0
    low, high = seed["interval"]
    assert low <= seed["drop"] <= high
    assert {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()} == before
    again = replay(capsys, "trial", "--level", "live", "--replicates", "2")["replay"]
    assert again["fresh_calls"] == 0
    assert again["harnesses"] == told["harnesses"]


def test_live_measures_one_paper_of_one_harness(here, capsys):
    paper = next(iter(results_of(here, "m0001").values()))
    told = replay(capsys, "trial:m0001", paper, "--level", "live", "--replicates", "1")["replay"]
    assert [each["harness_id"] for each in told["harnesses"]] == ["m0001"]
    assert told["harnesses"][0]["old"]["n"] == list(results_of(here, "m0001").values()).count(paper)
    assert told["harnesses"][0]["new"]["n"] == 1


def test_recorded_replay_opens_no_connection(here, capsys, monkeypatch):
    def refused(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a replay connected to {address}")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert replay(capsys, "trial:m0001", "--level", "recorded")["identical"] is True
