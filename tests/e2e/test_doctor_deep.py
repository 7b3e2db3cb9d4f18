"""`studbook doctor --deep` as users run it: with a sound engine, one that drops a limit, and without one."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.engine_port import engine_port
from support.studbook_cli import studbook, write_tiny

from studbook.sandbox.probes.judges import LIMITS

pytestmark = pytest.mark.slow


def limits_of(told: dict[str, Any], sandbox: str) -> dict[str, dict[str, Any]]:
    return {each["limit"]: each for each in told["limits"] if each["sandbox"] == sandbox}


def finding(told: dict[str, Any], name: str) -> dict[str, str]:
    return next(each for each in told["checks"] if each["name"] == name)


@pytest.mark.docker
def test_a_sound_engine_is_told_limit_by_limit(docker_engine: None, tmp_path: Path):
    done = studbook("doctor", "--deep", "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert list(told) == ["schema", "checks", "limits", "is_ready"]
    assert set(limits_of(told, "docker")) == set(limits_of(told, "process")) == set(LIMITS)
    assert not any(each["is_hole"] for each in limits_of(told, "docker").values())
    assert finding(told, "box")["text"].startswith("isolates untrusted code: ")
    assert "✓ enforced          docker  memory" in done.stderr, "progress, one line a limit"
    assert finding(told, "process")["state"] == "warning"


@pytest.mark.docker
def test_an_engine_that_drops_a_limit_in_silence_is_refused(docker_engine: None, tmp_path: Path):
    """As rootless engines do: asked for a limit, it makes the box without it and says nothing."""
    with engine_port(asked=(b'"PidsLimit": 32', b'"PidsLimit": 0 ')) as address:
        done = studbook("doctor", "--deep", cwd=tmp_path, DOCKER_HOST=address)
    assert done.returncode == 1
    assert "✗ not enforced      docker  processes             72 started where 32 are allowed" in done.stdout
    refusal = next(line for line in done.stdout.splitlines() if "this engine does not isolate" in line)
    assert "processes" in refusal, refusal  # on a busy machine an engine may be late with more than that
    assert "cgroup" in done.stdout, "what to do"
    assert "Not ready: 1 required check failed" in done.stdout


def test_without_an_engine_the_process_sandbox_is_looked_at(tmp_path: Path):
    done = studbook("doctor", "--deep", cwd=tmp_path, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 0
    assert (
        "docker   Docker, looking for an engine at unix:///nowhere/docker.sock (DOCKER_HOST)" in done.stdout
    )
    assert "process memory" in done.stdout
    assert "use it only for code you wrote" in done.stdout


@pytest.mark.docker
def test_a_run_on_an_engine_that_owns_to_dropping_a_limit_says_so_and_goes_on(
    docker_engine: None, tmp_path: Path
):
    write_tiny(tmp_path)
    with engine_port(told=(b'"PidsLimit":true', b'"PidsLimit":null')) as address:
        spec = ("tiny.yaml", "-s", "sandbox=docker", "-s", "search.iterations=0")
        done = studbook("run", *spec, cwd=tmp_path, DOCKER_HOST=address)
    assert done.returncode == 0, done.stderr
    assert "without limits on processes: it does not isolate untrusted code" in done.stderr
    run = tmp_path / "runs" / "tiny-1"
    started = json.loads((run / "journal.jsonl").read_text().splitlines()[0])["data"]
    assert (started["sandbox"], started["contains_hostile_code"]) == ("docker", False)
    assert "The engine did not limit memory or processes" in (run / "report.html").read_text()
    assert studbook("verify", "tiny-1", cwd=tmp_path).returncode == 0
