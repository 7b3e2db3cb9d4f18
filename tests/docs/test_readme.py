"""The README is run: every command block, in order, in a copy of the repository, as a reader would."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.demo_run import demo_run, given_demo_run
from support.repository import REPOSITORY, copy_of_the_repository

from studbook.experiments.cli.main import build_parser

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
LEFT_OUT = {"make test"}
"""CI runs it, and this test with it."""
STANDS_FOR = {"make demo": "studbook run experiments/quickstart.yaml"}
"""What installs would need the network."""


def commands() -> list[str]:
    blocks = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#") and line not in LEFT_OUT]


def named_commands() -> list[str]:
    """Lines of any block, and code within sentences, that begin with `studbook`."""
    inline = re.findall(r"`(studbook [^`]+)`", README)
    return sorted({*inline, *re.findall(r"^studbook .+$", README, re.MULTILINE)})


def readers_environment(copy: Path) -> dict[str, str]:
    """Without this machine's keys and addresses; this environment's `studbook`, but the copy's code."""
    kept = {
        name: os.environ[name] for name in ("HOME", "LANG", "DOCKER_HOST", "TMPDIR") if name in os.environ
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(copy), "GIT_PAGER": "cat"}


@pytest.mark.slow
def test_every_command_of_the_readme_works_in_the_order_in_which_it_stands(tmp_path):
    copy = copy_of_the_repository(tmp_path / "studbook")
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    exports: list[str] = []
    for command in commands():
        if command.startswith("export "):
            exports.append(command)
            continue
        if command == "make demo" and given_demo_run() is not None:
            demo_run(copy)
            continue
        line = STANDS_FOR.get(command, command).replace("/tmp/", f"{elsewhere}/")
        done = subprocess.run(
            ["bash", "-ec", "\n".join([*exports, line])],
            cwd=copy,
            env=readers_environment(copy),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=900,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, command
    assert (elsewhere / "examples.jsonl").is_file()
    assert (elsewhere / "my-best-harness" / "harness.yaml").is_file()


def test_make_demo_is_the_run_that_stands_for_it_here():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert f"\t@$(BIN)/{STANDS_FOR['make demo']}\n" in makefile
    assert set(STANDS_FOR) | LEFT_OUT <= set(re.findall(r"^make .+$", README, re.MULTILINE))


@pytest.mark.parametrize("command", named_commands())
def test_every_command_that_the_readme_names_exists_with_these_arguments(command):
    words = shlex.split(command)[1:]
    assert build_parser(words).parse_args(words).command


def test_the_blocks_are_found():
    assert len(commands()) >= 15
    assert "studbook testbed serve" in named_commands()
