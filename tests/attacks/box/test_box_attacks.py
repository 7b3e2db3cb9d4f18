"""Every attack against every sandbox: a row each. Adding one is an entry in a table of this folder."""

import pytest
from attacks.box.attack import Attack, NotRun
from attacks.box.escape import ESCAPES
from attacks.box.ground import Ground
from attacks.box.protocol import PROTOCOL_ATTACKS
from attacks.box.resources import RESOURCES
from attacks.conftest import MakeRow

ATTACKS = (*RESOURCES, *PROTOCOL_ATTACKS, *ESCAPES)
KINDS = (pytest.param("docker", marks=pytest.mark.docker), "process", "bubblewrap")


@pytest.mark.parametrize("ground", KINDS, indirect=True)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_box_holds(attack: Attack, ground: Ground, attack_row: MakeRow):
    promise = attack.promise(ground.kind)
    if isinstance(promise, NotRun):
        said = f"not tried, promised nothing: {promise.because}"
        row = {"suite": "box", "name": attack.name, "sandbox": ground.kind, "tried": attack.tried}
        attack_row(**row, outcome=said, seconds=0.0, weaker=True)
        return
    findings = ground.judged(attack)
    attack_row(
        suite="box",
        name=attack.name,
        sandbox=ground.kind,
        tried=attack.tried,
        outcome=findings.words(attack),
        seconds=findings.seconds,
        weaker=promise is not None,
    )
    objections = findings.objections(attack)
    assert not objections, "; ".join(objections)


def test_every_attack_has_a_name_of_its_own():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
