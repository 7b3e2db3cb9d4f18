"""The strict rule, and that it says why."""

import pytest

from studbook.evolve.policies.admission.strict import Strict
from studbook.rate import Rate


@pytest.mark.parametrize(
    ("parent", "mutant", "admitted", "reason"),
    [
        (Rate(3, 25), Rate(4, 25), True, "beats its parent: 4/25 against 3/25"),
        (Rate(3, 25), Rate(3, 25), False, "equals its parent: 3/25 against 3/25"),
        (Rate(3, 25), Rate(2, 25), False, "is behind its parent: 2/25 against 3/25"),
        (Rate(3, 25), Rate(4, 7), True, "beats its parent: 4/7 against 3/25"),
        (Rate(20, 25), Rate(2, 8), False, "cannot beat its parent any more: 2/8 against 20/25"),
    ],
)
def test_a_mutant_is_admitted_iff_it_passes_strictly_more(parent, mutant, admitted, reason):
    assert Strict().rule(parent, mutant, 25) == (admitted, reason)
