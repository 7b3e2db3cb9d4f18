"""Strict admission, the published rule. Loose on purpose: promotion to champion must be earned."""

from studbook.evolve.contracts import Admission
from studbook.rate import Rate


class Strict:
    """Admitted iff the mutant passes strictly more of the same papers than its parent.

    `mutant` may cover fewer papers when racing stopped it; what is left out could not change the ruling.
    """

    def rule(self, parent: Rate, mutant: Rate, papers: int) -> Admission:
        measured = f"{mutant.passed}/{mutant.n} vs {parent.passed}/{parent.n}"
        if mutant.passed > parent.passed:
            return Admission(admitted=True, reason=f"beats its parent: {measured}")
        if mutant.n < papers:
            return Admission(
                admitted=False, reason=f"stopped early: can no longer beat its parent ({measured})"
            )
        relation = "tie with" if mutant.passed == parent.passed else "worse than"
        return Admission(admitted=False, reason=f"{relation} its parent: {measured}")


plugin = Strict
