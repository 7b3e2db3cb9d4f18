"""Whole runs with models as unkind as real ones: they end, replay and resume."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from support.studbook_cli import start, studbook

from studbook.testbed.models.unkind import presets

SPEC = """\
version: 1
name: unkind
seed: 3
corpus: {{splits: {{train: 1, validation: 2, test: 1}}}}
evaluator: {{max_rounds: 2}}
search: {{iterations: {iterations}, minibatch: 1, knob_share: 0}}
champion: {{candidates: 1, confirm_replicates: 1, test_replicates: 1}}
sandbox: process
workers: 2
models: {{default: {{model: testbed-{preset}}}}}
"""
SEEDED = "unkind"
PAUSED, NOTHING_MEASURED = 1, 3


def begin(folder: Path, preset: str, iterations: int = 3) -> list[str]:
    folder.mkdir()
    text = SPEC.format(preset=preset, iterations=iterations)
    (folder / "unkind.yaml").write_text(text, encoding="utf-8")
    return ["run", "unkind.yaml", "--name", "trial"]


def journal(folder: Path) -> list[dict]:
    path = folder / "runs" / "trial" / "journal.jsonl"
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def hashes(folder: Path) -> list[str]:
    return [line["hash"] for line in journal(folder)]


@pytest.mark.slow
@pytest.mark.parametrize("preset", sorted(presets()))
def test_a_run_ends_or_pauses_in_plain_words_and_replays_exactly(preset: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = studbook(*begin(folder, preset), cwd=folder)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert done.returncode in {0, PAUSED, NOTHING_MEASURED}, said
    assert done.returncode != PAUSED or "studbook resume trial" in said, said
    assert done.returncode != NOTHING_MEASURED or "No champion" in said, said
    verified = studbook("verify", "trial", cwd=folder)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    if done.returncode != PAUSED:
        replayed = studbook("replay", "trial", "--level", "recorded", cwd=folder)
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr


@pytest.mark.slow
def test_a_run_that_is_killed_has_the_same_lineage_in_the_end(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = studbook(*begin(whole, SEEDED), cwd=whole)
    assert done.returncode == 0, done.stderr
    process = start(*begin(broken, SEEDED), cwd=broken)
    deadline = time.monotonic() + 180
    while not any(line["kind"] == "decision_made" for line in journal(broken)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(hashes(broken)) < len(hashes(whole))
    resumed = studbook("resume", "trial", cwd=broken)
    assert resumed.returncode == 0, resumed.stderr
    assert hashes(broken) == hashes(whole)
