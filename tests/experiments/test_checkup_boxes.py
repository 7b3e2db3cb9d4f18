"""What doctor makes of the readings: a missing wall is a refusal, the rest is a warning."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.weak_boxes import weak_sandbox

from studbook.experiments.cli.machine import limit_lines
from studbook.experiments.doctor import (
    BoxCheck,
    CheckState,
    LimitReading,
    box_result,
    check_docker,
    engine_result,
    readings_of,
)
from studbook.sandbox.probes.judges import Reading
from studbook.sandbox.probes.judges import State as Limit


def check(**changes) -> BoxCheck:
    plain = BoxCheck(
        kind="auto", image=None, runtime=None, is_deep=True, environment={}, told=lambda found: None
    )
    return replace(plain, **changes)


def reading(limit: str, state: Limit, is_hole: bool = False) -> Reading:
    return Reading(
        limit=limit, state=state, measured="seen", is_hole=is_hole, next_step="mend it" if is_hole else ""
    )


SOUND = [
    reading("network", Limit.ENFORCED),
    reading("memory", Limit.ENFORCED),
    reading("swap", Limit.UNTRIED),
]
HOLE = reading("memory", Limit.NOT_ENFORCED, is_hole=True)


def test_a_sound_engine_is_said_to_contain_and_what_was_not_tried_is_named():
    found = box_result(SOUND, check())
    assert found.state is CheckState.FINE
    told = "isolates untrusted code: 2 of 3 limits tested and enforced; could not be tested: swap"
    assert found.text == told


def test_one_box_alone_is_not_said_to_prove_containment():
    assert "isolates untrusted code" not in box_result(SOUND[:1], check(is_deep=False)).text


@pytest.mark.parametrize(
    ("kind", "state"),
    [("auto", CheckState.MISSING), ("docker", CheckState.MISSING), ("process", CheckState.WARNING)],
)
def test_a_missing_wall_is_refused_unless_another_sandbox_was_asked_for(kind, state):
    found = box_result([*SOUND, HOLE], check(kind=kind))
    assert found.state is state
    assert found.text == "this engine does not isolate untrusted code; not enforced: memory"
    assert "-s sandbox=process" in found.next_step


def test_another_missing_limit_is_a_warning():
    found = box_result([*SOUND, reading("cpu", Limit.NOT_ENFORCED)], check())
    assert found.state is CheckState.WARNING
    assert found.text.startswith("isolates untrusted code: 2 of 4")
    assert found.text.endswith("not enforced: cpu")


def test_a_wall_that_could_not_be_tried_is_not_taken_for_granted():
    found = box_result([reading("network", Limit.ENFORCED), reading("memory", Limit.UNTRIED)], check())
    assert found.state is CheckState.WARNING
    assert found.text == "not shown to isolate untrusted code; could not be tested: memory"
    assert found.next_step


@pytest.mark.docker
@pytest.mark.parametrize(
    ("says", "kind", "state", "words"),
    [
        ({}, "auto", CheckState.FINE, "engine "),
        ({"SwapLimit": False}, "auto", CheckState.WARNING, "it reports no limits on swap"),
        ({"PidsLimit": False}, "auto", CheckState.MISSING, "it reports no limits on processes"),
        ({"MemoryLimit": False}, "process", CheckState.WARNING, "it reports no limits on memory"),
        (
            {"SecurityOptions": ["name=rootless"], "CgroupVersion": "2"},
            "auto",
            CheckState.FINE,
            "rootless, cgroup v2",
        ),
    ],
)
def test_what_an_engine_says_of_itself_is_judged_too(docker_engine: None, says, kind, state, words):
    with weak_sandbox(lambda config, host: None, says=says) as sandbox:
        found = engine_result(sandbox.engine.info(), sandbox, kind)
    assert found.state is state
    assert words in found.text


@pytest.mark.docker
def test_a_weak_box_makes_the_quick_look_a_refusal_too(docker_engine: None):
    told: list[LimitReading] = []
    quick = check(is_deep=False, told=told.append)
    with weak_sandbox(lambda config, host: host.update(ReadonlyRootfs=False)) as sandbox:
        found = box_result(readings_of(sandbox, quick), quick)
    assert found.state is CheckState.MISSING
    assert found.text.endswith("not enforced: read-only root")
    assert {each.sandbox for each in told} == {"docker"}


def test_without_an_engine_doctor_says_where_it_looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    (found,) = check_docker(check(kind="docker"))
    assert found.state is CheckState.MISSING
    assert "unix:///nowhere/docker.sock (DOCKER_HOST)" in found.text
    (found,) = check_docker(check())
    assert found.state is CheckState.WARNING


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (SOUND[0], ["✓ enforced          docker  network               seen"]),
        (SOUND[2], ["? could not be tried docker  swap                  seen"]),
        (HOLE, ["✗ not enforced      docker  memory                seen", " " * 20 + "→ mend it"]),
    ],
)
def test_a_limit_is_one_line_and_a_missing_one_says_what_to_do(found, lines):
    shown = limit_lines(LimitReading(sandbox="docker", reading=found))
    assert [line.plain for line in shown] == lines
