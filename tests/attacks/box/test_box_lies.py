"""The host against a shim in hostile hands: a program of the attacker's in its place, in real boxes."""

import sys
from pathlib import Path

import pytest
from attacks.box.attack import Attack
from attacks.box.ground import Ground
from attacks.box.lies import FLOODS, FORGERIES, FORMS, HONEST_BEGINNING, Lie
from attacks.conftest import MakeRow

from studbook.sandbox.process_box import ProcessSandbox

KINDS = (pytest.param("docker", marks=pytest.mark.docker), "process")


@pytest.fixture
def ground_for(request: pytest.FixtureRequest, tmp_path: Path):
    """A ground of a kind whose boxes run `program` as their shim."""

    def prepare(kind: str, program: str) -> Ground:
        if kind == "docker":
            found: Ground = request.getfixturevalue("engine_ground")
            assert found.engine is not None
            found.engine.program = program
            request.addfinalizer(lambda: setattr(found.engine, "program", None))
            return found
        python = tmp_path / "python"
        python.write_text(f"#!{sys.executable} -I\n{program}", encoding="utf-8")
        python.chmod(0o755)
        return Ground(kind="process", sandbox=ProcessSandbox(None, tmp_path, python=python), folder=tmp_path)

    return prepare


def judge(lie: Lie, ground: Ground, make_row: MakeRow) -> None:
    attack = Attack(
        name=lie.name, tried="", source="", ends=lie.ends, achieved=lie.achieved, limits=lie.limits
    )
    findings = ground.judged(attack)
    make_row(
        suite="box",
        name=f"a shim taken over: {lie.name}",
        sandbox=ground.kind,
        tried="a program in the shim's place speaks as it likes",
        outcome=findings.words(attack),
        seconds=findings.seconds,
    )
    objections = findings.objections(attack)
    assert not objections, "; ".join(objections)


@pytest.mark.parametrize("lie", [*FORMS, *FORGERIES], ids=lambda lie: lie.name)
def test_what_is_not_a_frame_ends_the_box(lie: Lie, ground_for, attack_row: MakeRow):
    judge(lie, ground_for("process", HONEST_BEGINNING + lie.source), attack_row)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lie", FLOODS, ids=lambda lie: lie.name)
def test_a_flood_and_a_silence_are_bounded(lie: Lie, kind: str, ground_for, attack_row: MakeRow):
    judge(lie, ground_for(kind, HONEST_BEGINNING + lie.source), attack_row)
