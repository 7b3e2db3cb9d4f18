"""The wheel in a fresh environment, beside Hugging Face's `evaluate`, used from an empty folder.

Needs a package index: skipped without one, and fails instead when STUDBOOK_REQUIRE_INDEX=1.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.build import build
from support.repository import REPOSITORY, copy_of_the_repository

NEIGHBOR = "evaluate==0.4.6"
"""Installed without what it needs: it is looked for, not imported."""
SHORT = (
    "-ssandbox=process",
    "-ssearch.iterations=2",
    "-scorpus.splits={train: 2, validation: 3, test: 2}",
    "-schampion={candidates: 1, confirm_replicates: 1, test_replicates: 1}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    environment: Path
    folder: Path

    def run(self, program: str, *arguments: str) -> str:
        """What it prints; it has to end well."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        done = subprocess.run(
            [self.environment / "bin" / program, *arguments],
            cwd=self.folder,
            env={**kept, "PATH": f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"{program} {arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def install(environment: Path, *arguments: str) -> None:
    """With uv where there is one, as the Makefile does. Skips when the index does not answer."""
    program = ["uv", "pip", "install", "--python", str(environment / "bin" / "python")]
    if shutil.which("uv") is None:
        program = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([*program, "-q", *arguments], env=outside, capture_output=True, text=True)
    if done.returncode == 0:
        return
    if os.environ.get("STUDBOOK_REQUIRE_INDEX") == "1" or "No such file" in done.stderr:
        pytest.fail(done.stdout + done.stderr)
    pytest.skip("no package index answers")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    base = tmp_path_factory.mktemp("installation")
    made = Installation(environment=base / "environment", folder=base / "empty")
    made.folder.mkdir()
    wheel = build("wheel", copy_of_the_repository(base / "source"), base / "wheel")
    maker = ["uv", "venv", "-q"] if shutil.which("uv") else [sys.executable, "-m", "venv"]
    subprocess.run([*maker, str(made.environment)], check=True, capture_output=True)
    lock = str(REPOSITORY / "locks" / "run.txt")
    install(made.environment, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", lock)
    install(made.environment, "--no-deps", NEIGHBOR)
    install(made.environment, "--no-deps", str(wheel))
    return made


FIND = "from importlib.util import find_spec; print(find_spec('evaluate').origin, find_spec('evolve'))"


@pytest.mark.slow
def test_everything_works_from_an_empty_folder_beside_another_evaluate(installation: Installation):
    origin, evolve = installation.run("python", "-c", FIND).split()
    assert (Path(origin).parent / "evaluation_suite").is_dir(), "not Hugging Face's evaluate"
    assert evolve == "None"
    installation.run("studbook", "doctor", "-ssandbox=process")
    installation.run("studbook", "run", "quickstart", *SHORT)
    run = installation.folder / "runs" / "quickstart-1"
    assert "\nharness: agentic_self_instruct\n" in (run / "spec.resolved.yaml").read_text()
    (run / "report.html").unlink()
    installation.run("studbook", "report", "quickstart-1")
    assert "<style>" in (run / "report.html").read_text()
    installation.run("studbook", "init", "mine")
    installation.run("studbook", "papers", "synth", "papers", "--count", "2")
    for harness in ("mine", "agentic_self_instruct", "quickstart-1:seed"):
        told = installation.run(
            "studbook", "evaluate", harness, "--papers", "papers", "-ssandbox=process", "--json"
        )
        assert json.loads(told)["summary"]["papers"] == 2
    installation.run("studbook", "verify", "quickstart-1")
    installation.run("studbook", "replay", "quickstart-1", "--level", "recorded")
