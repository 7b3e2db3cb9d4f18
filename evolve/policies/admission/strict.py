"""Strict admission, the published rule. One comparison suffices; the champion is confirmed separately."""

from studbook.evolve.contracts import Admission
from studbook.rate import Rate


class Strict:
    """Admitted iff the mutant passes strictly more of the same papers than its parent.

    `mutant` may cover fewer papers if racing stopped it; the remaining ones could not change the decision.
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
