"""Audits the events of a run in order: could each have followed from the ones before it?

Checks the fold's own rules and the frozen facts of the run (evaluator, splits, seeds), and then makes every
decision again from the population at that time, with the same functions: which parent was selected, which
papers were drawn, in which order a mutant raced and where it stopped, the admission, and the ranking of the
champion. Accepts the text of analyzer and implementer as given; their calls are checked elsewhere. Runs no
harness and no model, and does not check files or call records.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from studbook.errors import IntegrityError
from studbook.evaluate.trajectories import trajectory_key
from studbook.evolve.champion import FIRST_REPLICATE, NO_CHAMPION, candidates, choose, why_no_champion
from studbook.evolve.contracts import AdmissionRule, PromotionSettings, SearchSettings, Selection
from studbook.evolve.iteration import EVALUATED, draw_minibatch, iteration_seed, mutant_id
from studbook.evolve.measuring import SPLITS, TRAIN, VALIDATION
from studbook.evolve.racing import race_order, stop_rule
from studbook.findings import Findings
from studbook.populations.events import (
    ChampionChosen,
    DecisionMade,
    DiagnosisMade,
    EvaluationDone,
    Event,
    MutantMade,
    Purpose,
    RunFinished,
    RunStarted,
    SearchEnded,
)
from studbook.populations.population import EMPTY, SEED_ID, Population
from studbook.populations.records import Decision, Evaluation, MutationKind, PaperResult, Verdict
from studbook.rate import NO_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The spec's settings of the search. `reasons`: the reasons with which a finished run may end.

    `selection` and `admission` are None if a user's own policy is not available; then they are not checked.
    """

    search: SearchSettings
    promotion: PromotionSettings
    selection: Selection | None
    admission: AdmissionRule | None
    reasons: tuple[str, ...]


def audit_iteration(
    events: Sequence[tuple[str, Event]], population: Population, rules: Rules, findings: Findings
) -> None:
    """`events`: all since the last decision, ending with this one. `population`: before these events."""
    _Iteration(events, population, rules, findings).check()


class _Iteration:
    def __init__(
        self, events: Sequence[tuple[str, Event]], population: Population, rules: Rules, findings: Findings
    ) -> None:
        self._events = events
        self._rules = rules
        self._findings = findings
        self._place, last = events[-1]
        assert isinstance(last, DecisionMade)
        self._decision: Decision = last.decision
        self._start = population.start
        self._snapshot = population.as_of(max(0, self._decision.iteration - rules.search.lag))

    def check(self) -> None:
        self._findings.checked["decisions"] += 1
        decision = self._decision
        seed = iteration_seed(self._rules.search, decision.iteration, "select")
        if self._snapshot.members and self._rules.selection is not None:
            parent = self._rules.selection.select(self._snapshot, seed)
            self._same(
                "selection from the population at that time gives a different parent",
                parent,
                decision.parent_id,
            )
        self._check_names()
        evaluations = [each for _, each in self._events if isinstance(each, EvaluationDone)]
        for each in evaluations:
            if each.purpose is Purpose.TRAINING:
                self._check_training(each.evaluation)
        measured = [each.evaluation for each in evaluations if each.purpose is Purpose.VALIDATION]
        if decision.verdict in EVALUATED:
            self._check_ruling(measured)
        else:
            self._same("a mutant stopped by a gate must have no validation", 0, len(measured))
            self._same("a mutant stopped by a gate must have no rates", (NO_RATE, NO_RATE), _rates(decision))

    def _same(self, problem: str, expected: object, found: object) -> bool:
        return self._findings.same(self._place, problem, expected, found)

    def _check_names(self) -> None:
        decision = self._decision
        made = [each.mutant for _, each in self._events if isinstance(each, MutantMade)]
        expected = [mutant_id(decision.iteration)] if decision.verdict.made_mutant else []
        self._same("it decides about a different mutant", expected[-1:] or [None], [decision.mutant_id])
        self._same("the mutants made are different ones", expected, [mutant.harness_id for mutant in made])
        parents = {mutant.parent_id for mutant in made}
        parents |= {each.parent_id for _, each in self._events if isinstance(each, DiagnosisMade)}
        self._same(
            "its parent is not the one that was changed", {decision.parent_id}, parents | {decision.parent_id}
        )

    def _check_training(self, evaluation: Evaluation) -> None:
        self._same(
            "training papers were run with a harness other than the parent",
            self._decision.parent_id,
            evaluation.harness_id,
        )
        if self._start is not None:
            seed = iteration_seed(self._rules.search, self._decision.iteration, "minibatch")
            papers = self._start.splits.get(TRAIN, ())
            drawn = draw_minibatch(papers, self._rules.search.minibatch, seed)
            found = tuple(result.paper_id for result in evaluation.results)
            self._same("its training papers are not those drawn", drawn, found)

    def _check_ruling(self, measured: Sequence[Evaluation]) -> None:
        decision = self._decision
        names = [decision.parent_id, decision.mutant_id]
        if not self._same(
            "parent and mutant must be evaluated once each", names, [e.harness_id for e in measured]
        ):
            return
        parent, mutant = measured
        rates = (parent.rate, mutant.rate)
        self._same("its rates are not those of its evaluations", rates, _rates(decision))
        papers = self._start.splits.get(VALIDATION, ()) if self._start else ()
        if self._rules.admission is None:
            return
        admission = self._rules.admission.rule(parent.rate, mutant.rate, len(papers))
        verdict = Verdict.ADMITTED if admission.admitted else Verdict.REJECTED
        self._same("the admission rule gives a different verdict", verdict.value, decision.verdict.value)
        self._same("the admission rule gives a different reason", admission.reason, decision.reason)
        self._check_race(parent, mutant, papers)

    def _check_race(self, parent: Evaluation, mutant: Evaluation, papers: Sequence[str]) -> None:
        search = self._rules.search
        self._same(
            "the parent must be run on every validation paper, in order", list(papers), _papers(parent)
        )
        order: Sequence[str] = papers
        if search.racing:
            order = race_order(
                tuple(papers),
                {result.paper_id: result.passed for result in parent.results},
                self._snapshot.papers,
                full_scores=search.full_scores,
            )
        stop = stop_rule(parent.rate.passed, len(papers), full_scores=search.full_scores)
        length = len(papers)
        if search.racing:
            ends = (
                n for n in range(1, len(papers) + 1) if stop(mutant.results[:n]) or n > len(mutant.results)
            )
            length = next(ends, len(papers))
        self._same(
            "the mutant's race should have run on other papers or stopped elsewhere",
            list(order[:length]),
            _papers(mutant),
        )


def _papers(evaluation: Evaluation) -> list[str]:
    return [result.paper_id for result in evaluation.results]


def _rates(decision: Decision) -> tuple[object, object]:
    return decision.parent_rate, decision.mutant_rate


SHOWN_BREAKS = 3
"""One missing line makes all later ones impossible; at most this many are reported."""


class EventsAudit:
    """Call `read` with every event and its place. `rules` is None when there is no spec."""

    def __init__(self, rules: Rules | None, findings: Findings) -> None:
        self._rules = rules
        self._findings = findings
        self._builder = EMPTY.builder()
        self._at_rest = EMPTY
        self._breaks = 0
        self._iteration: list[tuple[str, Event]] = []
        self._evaluations: list[EvaluationDone] = []
        self._checks: dict[type[Event], Callable[..., None]] = {
            RunStarted: self._started,
            MutantMade: self._made,
            EvaluationDone: self._evaluated,
            SearchEnded: self._ended,
            ChampionChosen: self._chosen,
            RunFinished: self._finished,
        }

    @property
    def population(self) -> Population:
        """The population folded so far."""
        population = self._builder.build()
        self._builder = population.builder()  # a population and its builder share their data
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
            self._builder.apply(event)
        except IntegrityError as error:
            self._breaks += 1
            if self._breaks <= SHOWN_BREAKS:
                self._findings.fault(place, f"it is impossible at this point: {error}")
            elif self._breaks == SHOWN_BREAKS + 1:
                self._findings.fault(place, "this line and some after it are impossible at this point")

    def _same(self, place: str, problem: str, expected: object, found: object) -> None:
        self._findings.same(place, problem, expected, found)

    def _started(self, event: RunStarted, place: str) -> None:
        names = sorted(event.splits)
        self._same(
            place, "its splits are not train, validation and test", ["test", "train", "validation"], names
        )
        for name in names:
            papers = event.splits[name]
            self._same(place, f"a paper occurs twice in {name}", len(set(papers)), len(papers))
        for one, two in combinations(names, 2):
            common = sorted(set(event.splits[one]) & set(event.splits[two]))
            self._same(place, f"{one} and {two} share papers", [], common)

    def _made(self, event: MutantMade, place: str) -> None:
        mutant, start = event.mutant, self._builder.start
        name = SEED_ID if mutant.kind is MutationKind.SEED else mutant_id(mutant.iteration)
        self._same(place, "a mutant must be named after its iteration", name, mutant.harness_id)
        if start is not None and mutant.kind is MutationKind.SEED:
            problem = "the seed's files are not those the run started with"
            self._same(place, problem, start.seed_tree_hash, mutant.tree_hash)

    def _evaluated(self, event: EvaluationDone, place: str) -> None:
        self._evaluations.append(event)
        evaluation, start = event.evaluation, self._builder.start
        self._findings.checked["evaluations"] += 1
        self._same(place, "the split does not fit the purpose", SPLITS[event.purpose], evaluation.split)
        mutant = self._builder.mutants.get(evaluation.harness_id)
        if mutant is not None:
            problem = f"the files measured are not those of {evaluation.harness_id}"
            self._same(place, problem, mutant.tree_hash, evaluation.tree_hash)
        if start is not None:
            problem = "it was made by a different evaluator than the run's"
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
        self._same(place, "its flag for covering the whole split is wrong", is_whole, evaluation.complete)
        if event.purpose is not Purpose.VALIDATION:
            self._same(place, f"its papers are not those of {evaluation.split} in order", list(known), papers)

    def _replicate(self, event: EvaluationDone, place: str) -> None:
        found = event.evaluation.replicate
        problem = "its replicate number does not belong to its purpose"
        if event.purpose not in FIRST_REPLICATE:
            self._same(place, problem, event.iteration, found)
            return
        self._same(place, "its iteration number is wrong", len(self._builder.decisions), event.iteration)
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
        self._same(place, "the champion should be a different one", expected.harness_id, event.harness_id)
        self._same(place, "the ranking does not follow from the evaluations", expected.ranking, event.ranking)
        self._same(place, "the reason should be a different one", expected.reason, event.reason)

    def _ended(self, event: SearchEnded | RunFinished, place: str) -> None:
        self._same(place, "the number of iterations is wrong", len(self._builder.decisions), event.iterations)
        if self._rules is not None and event.reason not in self._rules.reasons:
            self._same(place, "no run ends for this reason", " / ".join(self._rules.reasons), event.reason)

    def _finished(self, event: RunFinished, place: str) -> None:
        self._ended(event, place)
        is_without = event.reason in NO_CHAMPION
        problem = "its reason does not agree with whether there is a champion"
        self._same(place, problem, is_without, self._builder.champion is None)
        if is_without:  # runs of earlier versions had a champion even then
            expected = why_no_champion(self.population, self._evaluations)
            self._same(place, "the reason should be a different one", expected, event.reason)


def _ends_a_step(event: Event) -> bool:
    """Is the population after this event one that an iteration may select from?"""
    return isinstance(event, DecisionMade) or (
        isinstance(event, EvaluationDone) and event.purpose is Purpose.SEED
    )
