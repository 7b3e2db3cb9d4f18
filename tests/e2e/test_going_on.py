"""What a run says and keeps when it cannot begin, has ended, has moved, or is somebody else's just now."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.births import clock
from support.studbook_cli import TINY, environment, studbook, write_tiny

from studbook.experiments.cli.main import main
from studbook.experiments.cli.terminal import EXIT_UNMEASURED
from studbook.populations.events import RunStarted
from studbook.populations.journal import Journal, JournalReader
from studbook.populations.storage import this_process


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path, TINY.replace("iterations: 3", "iterations: 0"))
    return tmp_path


@pytest.fixture
def done(here, capsys):
    """A run that is finished: runs/trial."""
    assert main(["run", "tiny.yaml", "--name", "trial"]) == 0
    capsys.readouterr()
    return here


def test_a_run_that_could_not_be_begun_leaves_nothing_and_its_name_is_free(here):
    command = ["studbook", "run", "tiny.yaml", "--name", "trial"]
    limited = subprocess.run(
        ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", sys.executable, "-m", *command],
        cwd=here,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),  # the limit would cut byte code as well
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert limited.returncode == 1
    assert "spec.resolved.yaml: File too large" in limited.stderr
    assert not (here / "runs" / "trial").exists()
    assert studbook("run", "tiny.yaml", "--name", "trial", cwd=here).returncode == 0


def test_a_folder_that_is_no_run_is_not_offered_for_going_on(here, capsys):
    (here / "runs" / "trial").mkdir(parents=True)
    assert main(["run", "tiny.yaml", "--name", "trial"]) == 2
    told = capsys.readouterr().err
    assert "runs/trial already exists and is not a run" in told
    assert "resume" not in told


def test_resuming_a_finished_run_says_that_nothing_is_run_again(done, capsys):
    assert main(["resume", "trial"]) == 0
    shown = capsys.readouterr().err
    assert "this run is already finished; extend it: studbook resume" in shown
    assert "resuming after" not in shown


def test_the_commands_to_try_next_work_for_a_run_named_by_its_path(done, capsys):
    (done / "elsewhere").mkdir()
    (done / "runs" / "trial").rename(done / "elsewhere" / "moved")
    assert main(["resume", "elsewhere/moved"]) == 0
    shown = capsys.readouterr().out
    assert "studbook tree elsewhere/moved " in shown
    assert "studbook show elsewhere/moved " in shown, "the seed stayed best: there is no difference to show"
    assert main(["tree", "elsewhere/moved"]) == 0


def test_a_resume_that_is_refused_changes_nothing_in_the_run(done, capsys):
    spec = done / "runs" / "trial" / "spec.resolved.yaml"
    before = spec.read_bytes()
    with Journal(done / "runs/trial/journal.jsonl", clock=clock, holder=this_process()):
        assert main(["resume", "trial", "-s", "budget.calls=7"]) == 1
    assert "is being written by process" in capsys.readouterr().err
    assert spec.read_bytes() == before
    assert main(["resume", "trial", "-s", "budget.calls=7"]) == 0
    assert b"calls: 7" in spec.read_bytes()


@pytest.mark.docker
def test_a_run_of_docker_is_not_told_to_go_on_in_another_sandbox(here, docker_engine, capsys, monkeypatch):
    assert main(["run", "tiny.yaml", "--name", "trial", "-s", "sandbox=docker"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    for command in (["resume", "trial"], ["replay", "trial", "--level", "recorded"]):
        assert main(command) == 2
        told = capsys.readouterr().err
        assert "the run began in the docker sandbox" in told
        assert "sandbox=process" not in told
        assert len(told.strip().splitlines()) <= 3


def test_a_spec_that_was_rewritten_to_another_sandbox_is_refused_with_both_names(done, capsys):
    spec = Path("runs/trial/spec.resolved.yaml")
    spec.write_text(spec.read_text().replace("kind: process", "kind: docker"))
    for command in (["resume", "trial"], ["replay", "trial", "--level", "recorded"]):
        assert main(command) == 2
        assert (
            "run trial began with the sandbox process, and its spec now says docker"
            in capsys.readouterr().err
        )


def test_boxes_from_another_image_of_the_same_name_are_refused_with_both_and_nothing_is_written(done, capsys):
    """As if the run had been begun before the image (or Python) behind the name was replaced."""
    path = Path("runs/trial/journal.jsonl")
    events = [entry.event for entry in JournalReader(path)]
    path.unlink()
    with Journal(path, clock=clock, holder=this_process()) as journal:
        for event in events:
            if isinstance(event, RunStarted):
                event = replace(event, sandbox_fingerprint="process, plain, Python 3.9.1")
            journal.append((event,))
    before = path.read_bytes()
    assert main(["adopt", "trial"]) == 0  # a changed journal is nobody's
    assert main(["resume", "trial", "-s", "search.iterations=1"]) == 2
    told = capsys.readouterr().err
    assert "its boxes were built from process, plain, Python 3.9.1, these are built from process, " in told
    assert "the image or the Python changed, perhaps under the same name" in told
    assert path.read_bytes() == before


def test_a_run_without_its_spec_or_lineage_says_what_is_missing(done, capsys):
    Path("runs/trial/spec.resolved.yaml").rename("spec")
    assert main(["resume", "trial"]) == 1
    assert "runs/trial/spec.resolved.yaml is missing" in capsys.readouterr().err
    Path("runs/trial/lineage.git").rename("lineage")
    assert main(["export", "trial:seed", "out"]) == 1
    assert "runs/trial/lineage.git is missing" in capsys.readouterr().err
    assert not Path("runs/trial/lineage.git").exists(), "looking writes nothing"


def test_a_seed_whose_examples_nobody_can_read_is_pointed_out(here, capsys):
    agent = (
        "import harness_kit\n\n\ndef main(box):\n    try:\n        box.evaluate({})\n"
        "    except harness_kit.MalformedExample:\n        pass\n"
    )
    assert main(["init", "mine"]) == 0
    (here / "mine" / "agent.py").write_text(agent)
    assert main(["run", "tiny.yaml", "-s", "harness=mine"]) == EXIT_UNMEASURED
    shown = capsys.readouterr().err
    assert "none of the seed's examples could be read" in shown


def test_a_seed_that_fails_on_every_paper_says_why(here, capsys):
    assert main(["init", "mine"]) == 0
    (here / "mine" / "agent.py").write_text('def main(box):\n    raise ValueError("no such prompt")\n')
    assert main(["run", "tiny.yaml", "-s", "harness=mine"]) == EXIT_UNMEASURED
    shown = capsys.readouterr().err
    assert "the seed failed on every paper: " in shown
    assert "ValueError: no such prompt" in shown


def test_the_command_to_go_on_can_be_pasted_where_studbook_is_not_on_the_path(here):
    script = Path(sys.executable).parent / "studbook"
    for path, named in (("/usr/bin:/bin", str(script)), (f"{script.parent}:/usr/bin:/bin", "studbook")):
        done = subprocess.run(
            [script, "run", "tiny.yaml", "-s", "budget.calls=1"],
            cwd=here,
            env=environment(PATH=path),
            capture_output=True,
            text=True,
            timeout=120,
        )
        command = done.stderr.splitlines()[-1].split()
        assert command[1] == "resume"
        assert (here / command[0]).resolve() == Path(named) if named != "studbook" else command[0] == named


def test_a_run_without_its_call_records_is_not_resumed_because_they_would_be_paid_for_again(done, capsys):
    for path in (done / "runs" / "trial").glob("calls.sqlite*"):
        path.unlink()
    assert main(["resume", "trial", "-s", "search.iterations=1"]) == 1
    told = capsys.readouterr().err
    assert "calls.sqlite is missing: calls would be paid for twice" in told
    assert not list((done / "runs" / "trial").glob("calls.sqlite*"))


def test_a_run_can_be_extended_and_never_shortened(done, capsys):
    assert main(["resume", "trial", "-s", "search.iterations=2"]) == 0
    assert main(["resume", "trial", "-s", "search.iterations=1"]) == 2
    assert "trial has 2 iterations already" in capsys.readouterr().err
    assert main(["resume", "trial", "-s", "search.iterations=2"]) == 0
