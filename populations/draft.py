"""The one place where an event changes something: a population being folded, not yet a value.

Every rule about what can follow what is here, and breaking one is an IntegrityError: results are committed in
iteration order, so a mutant or a scored evaluation belongs to the iteration that is open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from populations.events import (
    ChampionChosen,
    DecisionMade,
    DiagnosisMade,
    EvaluationDone,
    Event,
    MutantMade,
    RunFinished,
    RunStarted,
)
from populations.records import Decision, Mutant, MutationKind, Verdict
from populations.tally import NO_TALLY, EvaluationSummary, Tally, count_papers, split_size, summarise
from studbook.errors import IntegrityError
from studbook.rate import Rate


@dataclass(slots=True, kw_only=True)
class Draft:
    """The fields of a `Population`, open to change."""

    start: RunStarted | None
    mutants: dict[str, Mutant]
    members: list[str]
    decisions: list[Decision]
    refused_actions: list[int]
    evaluations: list[EvaluationSummary]
    tallies: dict[str, Tally]
    papers: dict[str, Rate]
    champion: ChampionChosen | None
    finish: RunFinished | None

    def apply(self, event: Event) -> None:
        _RULES[type(event)](self, event)

    def run_started(self, event: RunStarted) -> None:
        if self.start is not None or self.mutants:
            raise IntegrityError("the run starts a second time, or after its first mutant")
        self.start = event

    def mutant_made(self, event: MutantMade) -> None:
        mutant = event.mutant
        if mutant.harness_id in self.mutants:
            raise IntegrityError(f"{mutant.harness_id} is made a second time")
        if mutant.kind is MutationKind.SEED:
            self._require(not self.mutants and not mutant.iteration, f"{mutant.harness_id} is no first seed")
            self.members.append(mutant.harness_id)
        else:
            self._require_open(mutant.iteration, f"{mutant.harness_id} was made")
            self._require(mutant.parent_id in self.mutants, f"{mutant.harness_id} has no known parent")
        self.mutants[mutant.harness_id] = mutant

    def evaluation_done(self, event: EvaluationDone) -> None:
        self.evaluated(summarise(event))

    def evaluated(self, summary: EvaluationSummary) -> None:
        earlier = self.evaluations[-1].iteration if self.evaluations else 0
        self._require(
            earlier <= summary.iteration, f"iteration {summary.iteration} was left before this evaluation"
        )
        self._require(summary.harness_id in self.mutants, f"{summary.harness_id} was evaluated, never made")
        if summary.is_scored:
            if summary.iteration:
                self._require_open(summary.iteration, f"{summary.harness_id} was evaluated")
            tally = self.tallies.get(summary.harness_id, NO_TALLY)
            size = split_size(self.start, summary.split)
            self.tallies[summary.harness_id] = tally.add(summary, size)
            count_papers(self.papers, summary)
        self.evaluations.append(summary)

    def diagnosis_made(self, event: DiagnosisMade) -> None:
        """Stays in the journal."""

    def decision_made(self, event: DecisionMade) -> None:
        decision = event.decision
        self._require_open(decision.iteration, "a decision was made")
        if decision.verdict is Verdict.ADMITTED:
            name = decision.mutant_id
            self._require(name in self.mutants, f"{name} was admitted, but never made")
            self._require(name not in self.members, f"{name} was admitted a second time")
            self.members.append(str(name))
        self.decisions.append(decision)
        self.refused_actions.append(event.refused_actions)

    def champion_chosen(self, event: ChampionChosen) -> None:
        self._require(event.harness_id in self.members, f"{event.harness_id} is champion, but no member")
        self.champion = event

    def run_finished(self, event: RunFinished) -> None:
        self.finish = event

    def _require_open(self, iteration: int, what: str) -> None:
        due = len(self.decisions) + 1
        self._require(iteration == due, f"{what} in iteration {iteration} while iteration {due} is open")

    @staticmethod
    def _require(holds: bool, message: str) -> None:
        if not holds:
            raise IntegrityError(message)


_RULES: dict[type[Event], Callable[[Draft, Any], None]] = {
    RunStarted: Draft.run_started,
    MutantMade: Draft.mutant_made,
    EvaluationDone: Draft.evaluation_done,
    DiagnosisMade: Draft.diagnosis_made,
    DecisionMade: Draft.decision_made,
    ChampionChosen: Draft.champion_chosen,
    RunFinished: Draft.run_finished,
}
