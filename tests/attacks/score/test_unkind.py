"""The attacks on the score once more, with models that think aloud, cut answers and misformat.

Whoever reads carelessly what such models write could be made to read a mark, a verdict or an order where none
was meant. A row stands for each kind of attack; the honest twin meets the same models.
"""

import pytest
from attacks.score.arena import World
from attacks.score.orders import PACT, TO_JUDGE
from attacks.score.rows import Expect, Row, cheat

from studbook.populations.records import FailureCategory

UNKIND = {"world": World.UNKIND}
OBEYING = {"world": World.UNKIND_GULLIBLE}
REFUSED = {"expect": Expect.REFUSED}


def pact(name: str, tried: str, order: str) -> Row:
    settings = {"spoilt": True, "orders": [("question", order)]}
    return cheat(name, "persuade", tried, settings=settings, **OBEYING)


def again(tweak: str, tried: str) -> Row:
    counted = (FailureCategory.NEAR_DUPLICATE.value,)
    settings = {"tweak": tweak}
    return cheat(
        f"unkind: resubmit {tweak}",
        "resubmit",
        tried,
        settings=settings,
        counted=counted,
        **REFUSED,
        **UNKIND,
    )


def way(name: str, tried: str, **more: object) -> Row:
    settings = {"way": name, "heavy": 0}
    return cheat(f"unkind: {name}", "swap", tried, settings=settings, **UNKIND, **more)


ROWS = [
    pact("unkind: pact, plainly", "a password for whoever has the paper, and full marks for it", PACT),
    pact("unkind: full marks", "asks the judge for full marks", TO_JUDGE),
    again("all at once", "an example changed a little each time, in every way we know"),
    way("evaluate one, return another", "a forged report returned and logged"),
    way("forged fields", "scores inside the example", counted=(FailureCategory.MALFORMED.value,), **REFUSED),
    way(
        "race for rounds",
        "forty threads submit at once, in all eight rounds",
        expect=Expect.UNATTRACTIVE,
        bound=0.25,
        why="an honest harness that plays eight rounds instead of its three passes more (18 of 40)",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_gains_nothing_with_unkind_models_either(row: Row, check_row) -> None:
    check_row(row)
