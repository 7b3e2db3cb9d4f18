"""One iteration's outcome before it is written down: what was proposed, measured and ruled. Plain values."""

from dataclasses import dataclass, replace
from functools import lru_cache

from evolve.admission import Admission
from evolve.contracts import Diagnosis, Proposal
from evolve.gates import GateFailure
from populations.events import Purpose
from populations.records import Evaluation, Verdict
from studbook.rate import NO_RATE, Rate


@lru_cache(maxsize=64)
def mutant_id(iteration: int) -> str:
    """One string for all who name it: a run keeps it several times for each iteration."""
    return f"m{iteration:04d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    purpose: Purpose
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Starts undecided (`verdict` None) with a proposal; a gate or the admission rule decides it."""

    iteration: int
    parent_id: str
    proposal: Proposal
    diagnosis: Diagnosis | None = None
    measured: tuple[Measured, ...] = ()
    verdict: Verdict | None = None
    reason: str = ""
    parent_rate: Rate = NO_RATE
    mutant_rate: Rate = NO_RATE

    @property
    def made_mutant(self) -> bool:
        return self.verdict is not Verdict.NO_CHANGE

    def decide(self, admission: Admission, parent: Evaluation, mutant: Evaluation) -> "Attempt":
        both = tuple(Measured(purpose=Purpose.VALIDATION, evaluation=each) for each in (parent, mutant))
        return replace(
            self,
            measured=self.measured + both,
            verdict=Verdict.ADMITTED if admission.admitted else Verdict.REJECTED,
            reason=admission.reason,
            parent_rate=parent.rate,
            mutant_rate=mutant.rate,
        )

    def fail(self, failure: GateFailure) -> "Attempt":
        """The same attempt stopped at a gate: no validation of it counts."""
        return replace(
            self,
            measured=tuple(each for each in self.measured if each.purpose is Purpose.TRAINING),
            verdict=failure.verdict,
            reason=failure.reason,
            parent_rate=NO_RATE,
            mutant_rate=NO_RATE,
        )
