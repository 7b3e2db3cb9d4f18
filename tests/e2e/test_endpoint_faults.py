"""Whole runs over HTTP against an endpoint that fails: the same science, or a pause; never another score."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from support.studbook_cli import start, studbook

from studbook.llm.contracts import ROLES
from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.server.faults import ALL, EndpointFault, FaultyServer, RandomFaults, Saboteur

TINY = """\
version: 1
name: tiny
seed: 3
corpus: {{splits: {{train: 1, validation: 2, test: 1}}}}
search: {{iterations: 2, minibatch: 1, knob_share: 0}}
champion: {{candidates: 1, confirm_replicates: 1, test_replicates: 1}}
evaluator: {{max_rounds: 3}}
sandbox: process
workers: 1
models:
  retry_wait_seconds: 0.005
  patience_minutes: 5
  strict_names: true
  endpoints:
    rehearsal: {{kind: openai, base_url: "{url}", timeout_seconds: 3}}
  default: {{endpoint: rehearsal}}
  roles: {{{roles}}}
"""
TRANSIENT = tuple(
    kind
    for kind in ALL
    if kind
    not in {
        EndpointFault.LIMIT_LONG,
        EndpointFault.NO_ANSWER,
        EndpointFault.DRIP_FOREVER,
        EndpointFault.LIMIT_SECONDS,
        EndpointFault.LIMIT_DATE,
    }
)
"""Without those that cost seconds each; tests/testbed/test_faulty.py has them all."""


@dataclass
class Switched:
    """A plan that can be exchanged while the server runs; `asked` counts the attempts."""

    plan: RandomFaults | None = None
    down: EndpointFault | None = None
    down_after: int | None = None
    down_seconds: float = 0.0
    down_since: float | None = None
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def pick(self, body: bytes) -> EndpointFault | None:
        with self.lock:
            self.asked += 1
            if self.down_after is not None and self.asked > self.down_after and self.down_since is None:
                self.down_since = time.monotonic()
        if self.down_since is not None and time.monotonic() - self.down_since < self.down_seconds:
            return EndpointFault.ERROR_503
        if self.down is not None:
            return self.down
        return self.plan.pick(body) if self.plan is not None else None


@dataclass
class Rig:
    server: FaultyServer
    weather: Switched
    folder: Path

    def spec(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        roles = ", ".join(f"{role}: {{model: testbed-{role.replace('_', '-')}}}" for role in ROLES)
        text = TINY.format(url=self.server.base_url, roles=roles)
        (folder / "tiny.yaml").write_text(text, encoding="utf-8")
        return folder

    def run(self, name: str, *flags: str) -> "tuple[subprocess.CompletedProcess[str], Path]":
        folder = self.spec(name)
        return studbook("run", "tiny.yaml", "--name", "trial", *flags, cwd=folder), folder


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with serving() as (server, weather):
        yield Rig(server=server, weather=weather, folder=tmp_path)


@dataclass(frozen=True)
class Calm:
    """A run in fair weather, and how often it asked; on the one server that the others meet again.

    The address is part of a spec, and so of its hash.
    """

    rig: Rig
    hashes: list[str]
    asked: int


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calm]:
    with serving() as (server, weather):
        rig = Rig(server=server, weather=weather, folder=tmp_path_factory.mktemp("runs"))
        done, folder = rig.run("calm")
        assert done.returncode == 0, done.stderr
        yield Calm(rig=rig, hashes=hashes(folder), asked=weather.asked)


@contextmanager
def serving() -> Iterator[tuple[FaultyServer, Switched]]:
    weather = Switched()
    saboteur = Saboteur(picker=weather, hold_seconds=30, drip_seconds=0.0)
    with FaultyServer(TestbedBackend(), models=MODELS, saboteur=saboteur) as server:
        yield server, weather


def journal(folder: Path) -> list[dict]:
    path = folder / "runs" / "trial" / "journal.jsonl"
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def hashes(folder: Path) -> list[str]:
    return [line["hash"] for line in journal(folder)]


def wait_for_decision(folder: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not any(line["kind"] == "decision_made" for line in journal(folder)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def storm(calm: Calm, seed: int) -> Rig:
    calm.rig.weather.plan = RandomFaults(share=0.3, seed=seed, kinds=TRANSIENT)
    calm.rig.server.saboteur.counts.clear()
    return calm.rig


@pytest.mark.slow
@pytest.mark.xdist_group("endpoint faults")
def test_with_a_third_of_all_calls_failing_a_run_ends_as_with_none(calm: Calm) -> None:
    rig = storm(calm, 1)
    done, stormy = rig.run("stormy")
    assert done.returncode == 0, done.stderr
    assert hashes(stormy) == calm.hashes
    counts = rig.server.saboteur.counts
    assert 0.25 < 1 - counts["whole"] / counts.total() < 0.35
    assert len(counts) > 15, "most kinds of failure came up"


@pytest.mark.slow
@pytest.mark.xdist_group("endpoint faults")
def test_so_does_one_with_four_workers_that_is_killed_in_the_middle_and_it_replays(calm: Calm) -> None:
    rig = storm(calm, 9)
    folder = rig.spec("killed")
    process = start("run", "tiny.yaml", "--name", "trial", "-s", "workers=4", cwd=folder)
    wait_for_decision(folder, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    resumed = studbook("resume", "trial", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    assert hashes(folder) == calm.hashes
    replayed = studbook("replay", "trial", "--level", "recorded", cwd=folder)
    assert replayed.returncode == 0, replayed.stderr


@pytest.mark.slow
@pytest.mark.xdist_group("endpoint faults")
def test_an_outage_in_the_middle_is_ridden_out(calm: Calm) -> None:
    rig, weather = calm.rig, calm.rig.weather
    weather.plan = None
    weather.asked, weather.down_since, weather.down_after, weather.down_seconds = (
        0,
        None,
        calm.asked // 2,
        2.0,
    )
    done, ridden = rig.run("ridden")
    assert done.returncode == 0, done.stderr
    assert weather.down_since is not None
    assert hashes(ridden) == calm.hashes


@pytest.mark.slow
@pytest.mark.xdist_group("endpoint faults")
def test_an_outage_that_lasts_pauses_the_run_which_goes_on_when_told(calm: Calm) -> None:
    rig, weather = calm.rig, calm.rig.weather
    weather.plan = None
    weather.asked, weather.down_since, weather.down_after, weather.down_seconds = (
        0,
        None,
        calm.asked // 2,
        1e9,
    )
    done, paused = rig.run("paused", "-s", "models.patience_minutes=0.02")
    assert done.returncode == 1
    assert "no usable answer for" in done.stderr
    assert " UTC: the endpoint answered HTTP 503" in done.stderr
    assert f"endpoint 'rehearsal' at {rig.server.base_url}" in done.stderr
    assert "finished work and every reply received are saved" in done.stderr
    assert "studbook resume trial" in done.stderr
    assert "Traceback" not in done.stderr
    kept = hashes(paused)
    assert kept == calm.hashes[: len(kept)], "nothing that was met in the outage was scored"

    weather.down_after, weather.down_since = None, None
    resumed = studbook("resume", "trial", "-s", "models.patience_minutes=5", cwd=paused)
    assert resumed.returncode == 0, resumed.stderr
    assert hashes(paused) == calm.hashes


def test_a_wrong_address_fails_within_seconds_in_three_lines(rig: Rig) -> None:
    url = rig.server.base_url
    rig.server.close()
    began = time.monotonic()
    done, _ = rig.run("nowhere", "-s", "models.retry_wait_seconds=0.5")
    assert done.returncode == 1
    assert time.monotonic() - began < 30
    assert "the endpoint cannot be reached" in done.stderr
    assert url in done.stderr
    assert "check OPENAI_BASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_ctrl_c_ends_a_run_that_waits_for_its_endpoint(rig: Rig) -> None:
    folder = rig.spec("waiting")
    rig.weather.down = EndpointFault.ERROR_503
    process = start("run", "tiny.yaml", "--name", "trial", "-s", "models.retry_wait_seconds=4", cwd=folder)
    deadline = time.monotonic() + 60
    while not rig.weather.asked and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert time.monotonic() - began < 20
    assert "studbook resume trial" in err


def test_a_person_can_rehearse_with_the_testbed_that_fails(tmp_path: Path) -> None:
    process = start("testbed", "serve", "--port", "0", "--faults", "1", "--seed", "1", cwd=tmp_path)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    asked = {"model": "testbed-weak", "messages": [{"role": "user", "content": "Why?"}]}
    with suppress(httpx2.HTTPError):  # resets are among the faults
        httpx2.post(f"{url}/chat/completions", json=asked, timeout=20)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "100% of all requests fail on purpose (seed 1)" in err
    assert "served 1 " in err
    wrong = studbook("testbed", "serve", "--faults", "30", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "--faults" in wrong.stderr
