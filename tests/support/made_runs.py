"""Small runs, really made by the command line, to be copied and tampered with."""

import shutil
from pathlib import Path

import pytest
from support.once import made_once
from support.studbook_cli import studbook

from studbook.experiments.verifying import Verified, verify_run
from studbook.populations.storage import RunFolder

SPEC = """\
version: 1
name: {name}
seed: {seed}
corpus: {{splits: {{train: 2, validation: 3, test: 2}}}}
evaluator: {{max_rounds: 3}}
search: {{iterations: 3, minibatch: 1, knob_share: 0.34}}
champion: {{candidates: 1, confirm_replicates: 1, test_replicates: 1}}
sandbox: process
workers: {workers}
"""


def make_run(folder: Path, name: str, seed: int, workers: int = 2) -> RunFolder:
    spec = folder / f"{name}.yaml"
    spec.write_text(SPEC.format(name=name, seed=seed, workers=workers), encoding="utf-8")
    done = studbook("run", spec.name, "--name", name, cwd=folder)
    assert done.returncode == 0, done.stderr
    return RunFolder(folder / "runs" / name)


def shared_run(factory: pytest.TempPathFactory, name: str = "trial", seed: int = 3) -> RunFolder:
    """Not to be changed: copy it. One a session, whoever asks for it."""
    folder = made_once(factory, f"run-{name}-{seed}", lambda folder: make_run(folder, name, seed))
    return RunFolder(folder / "runs" / name)


def copy_run(run: RunFolder, to: Path) -> RunFolder:
    """As its process left it: what somebody else's reader of the database has open beside it stays behind."""
    shutil.copytree(run.root, to, ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    return RunFolder(to)


def places(done: Verified) -> list[str]:
    return [fault.place for fault in done.findings.faults]


def told(run: RunFolder, expect: str | None = None) -> str:
    """Every fault on a line of its own."""
    faults = verify_run(run, expect).findings.faults
    return "\n".join(f"{fault.place}: {fault.problem}" for fault in faults)
