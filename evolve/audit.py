"""The events of a run judged again, in their order: could each have followed from those before it?

The fold's own rules, the frozen facts of the run (evaluator, splits, seeds), and then every choice made
again: which parent was selected, which papers were drawn, in which order a mutant raced and where it stopped,
what the admission rule and the ranking of the champion said. Runs nothing. Files and records are others'.
"""

from collections.abc import Callable
from itertools import combinations

from evaluate.trajectories import trajectory_key
from evolve.attempt import mutant_id
from evolve.champion import FIRST_REPLICATE, candidates, choose
from evolve.decision_audit import Rules, audit_iteration
from evolve.measuring import SPLITS
from populations.events import (
    ChampionChosen,
    DecisionMade,
    EvaluationDone,
    Event,
    MutantMade,
    Purpose,
    RunFinished,
    RunStarted,
)
from populations.population import EMPTY, SEED_ID, Population
from populations.records import MutationKind, PaperResult
from studbook.errors import IntegrityError
from studbook.faults import Findings

SHOWN_BREAKS = 3
"""One missing line makes all that follow impossible; so many of these are named."""


class EventsAudit:
    """Give it every event with its place. `rules` is None where there is no spec to tell them."""

    def __init__(self, rules: Rules | None, findings: Findings) -> None:
        self._rules = rules
        self._findings = findings
        self._draft = EMPTY.draft()
        self._at_rest = EMPTY
        self._breaks = 0
        self._iteration: list[tuple[str, Event]] = []
        self._checks: dict[type[Event], Callable[..., None]] = {
            RunStarted: self._started,
            MutantMade: self._made,
            EvaluationDone: self._evaluated,
            ChampionChosen: self._chosen,
            RunFinished: self._finished,
        }

    @property
    def population(self) -> Population:
        """What could be folded so far."""
        population = Population.of(self._draft)
        self._draft = population.draft()  # a value and its draft share what they hold
        return population

    def read(self, event: Event, place: str) -> None:
        self._iteration.append((place, event))
        if isinstance(event, DecisionMade) and self._rules is not None:
            audit_iteration(self._iteration, self._at_rest, self._rules, self._findings)
        elif type(event) in self._checks:
            self._checks[type(event)](event, place)
        self._fold(event, place)
        if _ends_a_step(event):
            self._at_rest, self._iteration = self.population, []

    def _fold(self, event: Event, place: str) -> None:
        try:
            self._draft.apply(event)
        except IntegrityError as error:
            self._breaks += 1
            if self._breaks <= SHOWN_BREAKS:
                self._findings.fault(place, f"it cannot have happened then: {error}")
            elif self._breaks == SHOWN_BREAKS + 1:
                self._findings.fault(place, "neither this nor some lines after it can have happened then")

    def _same(self, place: str, problem: str, expected: object, found: object) -> None:
        self._findings.same(place, problem, expected, found)

    def _started(self, event: RunStarted, place: str) -> None:
        names = sorted(event.splits)
        self._same(place, "its splits are not the three there are", ["test", "train", "validation"], names)
        for name in names:
            papers = event.splits[name]
            self._same(place, f"a paper stands twice in {name}", len(set(papers)), len(papers))
        for one, two in combinations(names, 2):
            common = sorted(set(event.splits[one]) & set(event.splits[two]))
            self._same(place, f"{one} and {two} share papers", [], common)

    def _made(self, event: MutantMade, place: str) -> None:
        mutant, start = event.mutant, self._draft.start
        name = SEED_ID if mutant.kind is MutationKind.SEED else mutant_id(mutant.iteration)
        self._same(place, "a mutant is named after its iteration", name, mutant.harness_id)
        if start is not None and mutant.kind is MutationKind.SEED:
            problem = "the seed's files are not those the run began with"
            self._same(place, problem, start.seed_tree_hash, mutant.tree_hash)

    def _evaluated(self, event: EvaluationDone, place: str) -> None:
        evaluation, start = event.evaluation, self._draft.start
        self._findings.checked["evaluations"] += 1
        self._same(place, "the split does not fit the purpose", SPLITS[event.purpose], evaluation.split)
        mutant = self._draft.mutants.get(evaluation.harness_id)
        if mutant is not None:
            problem = f"the files measured are not those of {evaluation.harness_id}"
            self._same(place, problem, mutant.tree_hash, evaluation.tree_hash)
        if start is not None:
            problem = "it was made by another evaluator than the run's"
            self._same(place, problem, start.evaluator_hash, evaluation.evaluator_hash)
            self._papers(event, start, place)
        self._replicate(event, place)
        for result in evaluation.results:
            self._result(event, result, place)

    def _papers(self, event: EvaluationDone, start: RunStarted, place: str) -> None:
        evaluation = event.evaluation
        papers = [result.paper_id for result in evaluation.results]
        known = start.splits.get(evaluation.split, ())
        self._same(place, "a paper was measured twice", len(set(papers)), len(papers))
        self._same(place, f"papers are not of {evaluation.split}", [], sorted(set(papers) - set(known)))
        if event.purpose is Purpose.TRAINING:
            return
        is_whole = set(papers) == set(known)
        self._same(place, "whether it covers its split is told wrongly", is_whole, evaluation.complete)
        if event.purpose is not Purpose.VALIDATION:
            self._same(place, f"its papers are not those of {evaluation.split} in order", list(known), papers)

    def _replicate(self, event: EvaluationDone, place: str) -> None:
        found = event.evaluation.replicate
        problem = "its replicate number is not the one of its purpose"
        if event.purpose not in FIRST_REPLICATE:
            self._same(place, problem, event.iteration, found)
            return
        self._same(place, "its iteration is another", len(self._draft.decisions), event.iteration)
        if self._rules is not None:
            promotion, first = self._rules.promotion, FIRST_REPLICATE[event.purpose]
            is_test = event.purpose is Purpose.TEST
            count = promotion.test_replicates if is_test else promotion.confirm_replicates
            if found not in range(first, first + count):
                self._same(place, problem, f"{first} to {first + count - 1}", found)

    def _result(self, event: EvaluationDone, result: PaperResult, place: str) -> None:
        evaluation = event.evaluation
        self._findings.checked["results"] += 1
        key = trajectory_key(
            evaluation.evaluator_hash, evaluation.tree_hash, result.paper_id, evaluation.replicate
        )
        where = f"{place}, paper {result.paper_id}"
        self._same(
            where, "its key does not follow from evaluator, files, paper and replicate", key, result.key
        )
        self._same(where, "its replicate is not the evaluation's", evaluation.replicate, result.replicate)

    def _chosen(self, event: ChampionChosen, place: str) -> None:
        if self._rules is None:
            return
        population = self.population
        ids = [SEED_ID, *candidates(population, self._rules.promotion)]
        expected = choose(population, ids, self._rules.promotion)
        self._same(place, "the champion is another one", expected.harness_id, event.harness_id)
        self._same(place, "the ranking does not follow from the evaluations", expected.ranking, event.ranking)
        self._same(place, "the reason is another one", expected.reason, event.reason)

    def _finished(self, event: RunFinished, place: str) -> None:
        self._same(place, "the number of iterations is another", len(self._draft.decisions), event.iterations)
        if self._rules is not None and event.reason not in self._rules.reasons:
            self._same(place, "no run ends for this reason", " / ".join(self._rules.reasons), event.reason)


def _ends_a_step(event: Event) -> bool:
    """Behind it the population is one that the next iteration may look at."""
    return isinstance(event, DecisionMade) or (
        isinstance(event, EvaluationDone) and event.purpose is Purpose.SEED
    )
