"""Results of a weaker sandbox, where a harness could reach the records, are none of a stronger one's."""

import json
from pathlib import Path
from typing import Any

import pytest
from attacks.conftest import MakeRow
from support.studbook_cli import studbook

from studbook.compression import compress, decompress
from studbook.testbed.papers.synthesis import write_papers

PAPERS = 3
FEW = ("-sevaluator.max_rounds=2", "-sevaluator.confirm=false", "--json")


def evaluate(folder: Path, runs: str, sandbox: str) -> tuple[int, set[Path]]:
    """How many papers passed, and the files of results that were written."""
    before = results(folder / runs)
    done = studbook(
        *("evaluate", "agentic_self_instruct", "--papers", "papers", f"-ssandbox={sandbox}", *FEW),
        *("--runs-dir", runs),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["summary"]["passed"], results(folder / runs) - before


def results(runs: Path) -> set[Path]:
    return set(runs.rglob("trajectories/**/*.json.zst"))


def turn_into_successes(files: set[Path]) -> int:
    """What a harness could do that reaches the records."""
    changed = 0
    for path in files:
        trajectory: dict[str, Any] = json.loads(decompress(path.read_bytes()))
        result = trajectory["result"]
        if result["verdict"] == "accepted":
            continue
        result["verdict"], result["reason"] = "accepted", "accepted in round 1"
        result["rounds"][0].update(status="accepted", category=None, reason="within all bounds")
        report = next(event for event in trajectory["events"] if event["kind"] == "report")
        report.update(status="accepted", category=None)
        body = json.dumps(trajectory, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        path.write_bytes(compress(body.encode()))
        changed += 1
    return changed


@pytest.mark.docker
def test_results_of_child_processes_are_not_shown_as_results_of_containers(
    docker_engine: None, tmp_path: Path, attack_row: MakeRow
):
    write_papers(tmp_path / "papers", PAPERS, seed=1)
    fresh, _ = evaluate(tmp_path, "fresh", "docker")
    _, files = evaluate(tmp_path, "used", "process")
    changed = turn_into_successes(files)
    passed, made = evaluate(tmp_path, "used", "docker")
    attack_row(
        suite="record",
        name="results of a weaker sandbox under a stronger one's name",
        sandbox="docker",
        tried=f"{changed} results of child processes turned into successes, then evaluated in containers",
        outcome=f"refused: {len(made)} boxes run anew, {passed} of {PAPERS} pass as in a fresh folder",
    )
    assert changed
    assert len(made) == PAPERS
    assert passed == fresh
