"""Runs `studbook` as a user does: a process of its own, in a folder of its own, with a clean environment."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

TINY = """\
version: 1
name: tiny
seed: 3
corpus: {splits: {train: 2, validation: 3, test: 2}}
evaluator: {max_rounds: 3}
search: {iterations: 3, minibatch: 1, knob_share: 0.34}
champion: {candidates: 1, confirm_replicates: 1, test_replicates: 1}
sandbox: process
workers: 2
"""
"""A whole run in a few seconds."""


def environment(**extra: str) -> dict[str, str]:
    """What a user's shell has, without this project's variables."""
    names = ("PATH", "HOME", "LANG", "DOCKER_HOST", "TMPDIR", "XDG_STATE_HOME")
    kept = {key: os.environ[key] for key in names if key in os.environ}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "error", **extra}


def start(*arguments: str, cwd: Path, **extra: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "studbook", *arguments],
        cwd=cwd,
        env=environment(**extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )


def studbook(
    *arguments: str, cwd: Path, timeout: float = 240, **extra: str
) -> "subprocess.CompletedProcess[str]":
    process = start(*arguments, cwd=cwd, **extra)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def write_tiny(folder: Path, text: str = TINY) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    return path
