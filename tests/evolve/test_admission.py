"""The strict rule, and that it says why."""

import pytest

from studbook.evolve.policies.admission.strict import Strict
from studbook.rate import Rate


@pytest.mark.parametrize(
    ("parent", "mutant", "admitted", "reason"),
    [
        (Rate(3, 25), Rate(4, 25), True, "beats its parent: 4/25 vs 3/25"),
        (Rate(3, 25), Rate(3, 25), False, "tie with its parent: 3/25 vs 3/25"),
        (Rate(3, 25), Rate(2, 25), False, "worse than its parent: 2/25 vs 3/25"),
        (Rate(3, 25), Rate(4, 7), True, "beats its parent: 4/7 vs 3/25"),
        (Rate(20, 25), Rate(2, 8), False, "stopped early: can no longer beat its parent (2/8 vs 20/25)"),
    ],
)
def test_a_mutant_is_admitted_iff_it_passes_strictly_more(parent, mutant, admitted, reason):
    assert Strict().rule(parent, mutant, 25) == (admitted, reason)
