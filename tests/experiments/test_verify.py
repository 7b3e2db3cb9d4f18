"""`studbook verify` on runs as they come to be: whole, cut short, resumed, being written, packed by git."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import tampering as t
from support.made_runs import SPEC, copy_run, make_run, shared_run, told
from support.studbook_cli import start, studbook

from studbook.experiments.run.opening import open_run
from studbook.experiments.verifying import verify_run
from studbook.populations.storage import RunFolder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return shared_run(tmp_path_factory)


def begin(folder: Path) -> "subprocess.Popen[str]":
    (folder / "trial.yaml").write_text(SPEC.format(name="trial", seed=3, workers=2), encoding="utf-8")
    return start("run", "trial.yaml", "--name", "trial", cwd=folder)


def wait_for(run: RunFolder, kind: bytes) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if run.journal.exists() and b'"kind":"%s"' % kind in run.journal.read_bytes():
            return
        time.sleep(0.02)
    raise AssertionError(f"no {kind!r} in time")


def stamps(run: RunFolder) -> dict[str, tuple[int, int]]:
    paths = [run.root, *run.root.rglob("*")]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def test_a_run_that_nobody_touched_is_whole_and_stays_as_it_is(made, tmp_path):
    made = copy_run(made, tmp_path / "runs" / "trial")  # another test may just read the shared one
    before = stamps(made)
    done = verify_run(made)
    assert done.findings.faults == []
    assert done.findings.notes == []
    assert done.head == json.loads(t.journal_lines(made)[-1])["hash"]
    assert done.findings.checked["decisions"] == 3
    assert done.findings.checked["journal lines"] == len(t.journal_lines(made))
    assert done.findings.checked["trajectories"] == done.findings.checked["results"]
    assert stamps(made) == before


def test_workers_and_order_change_nothing_that_is_hashed(made, tmp_path):
    alone = make_run(tmp_path, "trial", 3, workers=1)
    done = verify_run(alone)
    assert done.findings.faults == []
    assert done.head == verify_run(made).head, "the records that results rest on are part of the hash"


def test_a_run_that_was_killed_is_whole_and_so_it_is_when_resumed(made, tmp_path):
    run = RunFolder(tmp_path / "runs" / "trial")
    process = begin(tmp_path)
    wait_for(run, b"decision_made")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = stamps(run)
    done = verify_run(run)
    assert done.findings.faults == []
    assert any("is not finished" in note for note in done.findings.notes)
    assert stamps(run) == before
    assert studbook("resume", "trial", cwd=tmp_path).returncode == 0
    done = verify_run(run)
    assert done.findings.faults == []
    assert done.head == verify_run(made).head


def test_a_run_can_be_verified_while_it_is_being_written(tmp_path):
    run = RunFolder(tmp_path / "runs" / "trial")
    process = begin(tmp_path)
    wait_for(run, b"run_started")
    looks = 0
    while process.poll() is None:
        done = verify_run(run)
        assert done.findings.faults == []
        looks += done.is_running
    assert process.wait() == 0
    process.communicate()
    assert looks >= 1
    assert verify_run(run).findings.faults == []


def test_a_run_whose_lineage_was_packed_by_git_is_whole(made, tmp_path):
    run = copy_run(made, tmp_path / "trial")
    subprocess.run(["git", "--git-dir", run.lineage, "gc", "--prune=now"], check=True, capture_output=True)
    assert not list(run.lineage.glob("refs/mutants/*"))
    done = verify_run(run)
    assert done.findings.faults == []
    assert done.findings.checked["harnesses"] == verify_run(made).findings.checked["harnesses"]


def test_an_append_that_was_not_finished_is_no_damage(made, tmp_path):
    run = copy_run(made, tmp_path / "trial")
    run.journal.write_bytes(run.journal.read_bytes()[:-40])
    done = verify_run(run)
    assert done.findings.faults == []
    assert done.findings.notes[0].startswith("journal.jsonl ends in ")
    assert done.findings.notes[0].endswith("of an append that was not finished; resume removes it")


def test_a_commit_that_the_journal_does_not_end_yet_is_no_fault(made, tmp_path):
    """A crash may come between an iteration's commit and its append."""
    run = copy_run(made, tmp_path / "trial")
    last = t.numbered(run, "decision_made")[-1]
    t.edit_lines(run, lambda lines: lines.__delitem__(slice(last - 1, None)))
    done = verify_run(run)
    assert [fault.place for fault in done.findings.faults if "refs/mutants" in fault.place] == []
    assert any("refs/mutants/m0003 belongs to an iteration" in note for note in done.findings.notes)


def test_branches_that_a_crash_left_behind_are_told_and_mended_by_the_next_opening(made, tmp_path):
    run = copy_run(made, tmp_path / "runs" / "trial")
    (run.lineage / "refs/heads/best").write_text(t.commit_of(run, "m0002") + "\n")
    assert "refs/heads/best: the branch does not point to the best" in told(run)
    assert studbook("resume", "trial", cwd=tmp_path).returncode == 0
    assert verify_run(run).findings.faults == []


def test_papers_that_are_gone_are_no_fault(tmp_path):
    assert studbook("papers", "synth", "papers", "--count", "7", cwd=tmp_path).returncode == 0
    spec = SPEC.format(name="trial", seed=3, workers=2).replace("corpus: {", "corpus: {path: papers, ")
    (tmp_path / "trial.yaml").write_text(spec.replace("iterations: 3", "iterations: 1"), encoding="utf-8")
    assert studbook("run", "trial.yaml", "--name", "trial", cwd=tmp_path).returncode == 0
    run = RunFolder(tmp_path / "runs" / "trial")
    assert verify_run(run).findings.notes == []
    shutil.rmtree(tmp_path / "papers")
    done = verify_run(run)
    assert done.findings.faults == []
    assert done.findings.notes[0].startswith(
        "strong rollouts are only partly checked: the papers of run trial"
    )


def test_the_command_tells_what_it_checked_the_head_and_what_it_cannot_find(made):
    done = studbook("verify", made.root.as_posix(), cwd=made.root.parent)
    head = verify_run(made).head
    assert done.returncode == 0
    assert done.stdout.startswith("✓ trial verified: all records agree\n")
    assert f"journal head {head}" in done.stdout
    assert f"studbook verify trial --expect {head}" in done.stdout
    assert "a consistently rewritten folder cannot be detected from inside" in done.stdout
    again = studbook("verify", made.root.as_posix(), "--expect", head, "--json", cwd=made.root.parent)
    assert again.returncode == 0
    told_json = json.loads(again.stdout)
    assert (told_json["schema"], told_json["is_clean"], told_json["faults"]) == (1, True, [])
    assert told_json["head"] == head
    assert set(told_json) == {
        *("schema", "run", "is_clean", "head", "is_running", "checked", "faults", "notes", "not_checked")
    }


def test_the_command_names_every_fault_and_exits_1(made, tmp_path):
    run = copy_run(made, tmp_path / "runs" / "trial")
    t.edit_lines(run, lambda lines: lines.__setitem__(4, lines[4].replace(b'"v":1', b'"v":2')))
    (run.lineage / "hooks").mkdir()
    (run.lineage / "hooks" / "\x1b[2Jhook").write_text("id")
    done = studbook("verify", "trial", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("✗ trial has 2 faults: changed or damaged\n")
    assert "✗ journal.jsonl, line 5: its checksum does not match" in done.stdout
    assert "\x1b" not in done.stdout
    told_json = json.loads(studbook("verify", "trial", "--json", cwd=tmp_path).stdout)
    assert [fault["place"] for fault in told_json["faults"]] == [
        "journal.jsonl, line 5",
        "lineage.git/hooks/\x1b[2Jhook",
    ]


def test_the_checkpoint_of_an_older_studbook_is_neither_read_nor_a_fault(made, tmp_path):
    run = copy_run(made, tmp_path / "trial")
    (run.root / "population.jsonl").write_text("another run")
    assert told(run) == ""
    assert open_run(str(run.root), tmp_path).population == open_run(str(made.root), tmp_path).population


def test_a_head_that_is_none_and_a_run_that_is_none_are_wrong_usage(made):
    folder = made.root.parent.parent
    for arguments in (("verify", "trial", "--expect", "abc"), ("verify", "nothing")):
        done = studbook(*arguments, cwd=folder)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert "64 hexadecimal digits" in studbook("verify", "trial", "--expect", "abc", cwd=folder).stderr


def test_the_head_of_an_earlier_line_is_told_as_such(made):
    lines = t.journal_lines(made)
    early = json.loads(lines[2])["hash"]
    assert "that is the hash of line 3, and more lines follow" in told(made, early)


def test_a_journal_that_is_gone_is_a_fault_and_no_wrong_name(made, tmp_path):
    run = copy_run(made, tmp_path / "runs" / "trial")
    run.journal.unlink()
    done = studbook("verify", "trial", cwd=tmp_path)
    assert done.returncode == 1
    assert "journal.jsonl: it is missing" in done.stdout
