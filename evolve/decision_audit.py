"""One iteration's events judged again: who was to be its parent, what was to be measured, what to be decided.

The same functions that decided then decide once more, from the population as it stood. What analyzer and
implementer wrote is taken as it is; their calls are bound elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evolve.admission import Strict
from evolve.attempt import mutant_id
from evolve.iteration import draw_minibatch, iteration_seed
from evolve.measuring import TRAIN, VALIDATION
from evolve.racing import race_order, stop_rule
from evolve.settings import PromotionSettings, SearchSettings
from populations.events import DecisionMade, DiagnosisMade, EvaluationDone, Event, MutantMade, Purpose
from populations.population import Population
from populations.records import Decision, Evaluation, Verdict
from populations.selection import Selector
from studbook.faults import Findings
from studbook.rate import NO_RATE

EVALUATED = frozenset({Verdict.ADMITTED, Verdict.REJECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the spec fixed about the search. `reasons`: the words a finished run may end with."""

    search: SearchSettings
    promotion: PromotionSettings
    select: Selector
    reasons: tuple[str, ...]


def audit_iteration(
    events: Sequence[tuple[str, Event]], population: Population, rules: Rules, findings: Findings
) -> None:
    """`events`: since the last decision, this one last. `population`: as it stood before them."""
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
        if self._snapshot.members:
            parent = self._rules.select(self._snapshot, self._rules.search.temperature, seed)
            self._same(
                "selection from the population of then gives another parent", parent, decision.parent_id
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
            self._same("a mutant that a gate stopped has no validation", 0, len(measured))
            self._same("a mutant that a gate stopped has no rates", (NO_RATE, NO_RATE), _rates(decision))

    def _same(self, problem: str, expected: object, found: object) -> bool:
        return self._findings.same(self._place, problem, expected, found)

    def _check_names(self) -> None:
        decision = self._decision
        made = [each.mutant for _, each in self._events if isinstance(each, MutantMade)]
        expected = [] if decision.verdict is Verdict.NO_CHANGE else [mutant_id(decision.iteration)]
        self._same("the mutant it decides about is another", expected[-1:] or [None], [decision.mutant_id])
        self._same("the mutants made are others", expected, [mutant.harness_id for mutant in made])
        parents = {mutant.parent_id for mutant in made}
        parents |= {each.parent_id for _, each in self._events if isinstance(each, DiagnosisMade)}
        self._same(
            "its parent is not the one that was changed", {decision.parent_id}, parents | {decision.parent_id}
        )

    def _check_training(self, evaluation: Evaluation) -> None:
        self._same(
            "training papers were run with another than the parent",
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
            "parent and mutant are measured once each", names, [e.harness_id for e in measured]
        ):
            return
        parent, mutant = measured
        rates = (parent.rate, mutant.rate)
        self._same("its rates are not those of its evaluations", rates, _rates(decision))
        papers = self._start.splits.get(VALIDATION, ()) if self._start else ()
        admission = Strict().rule(parent.rate, mutant.rate, len(papers))
        verdict = Verdict.ADMITTED if admission.admitted else Verdict.REJECTED
        self._same("the admission rule says otherwise", verdict.value, decision.verdict.value)
        self._same("the admission rule gives another reason", admission.reason, decision.reason)
        self._check_race(parent, mutant, papers)

    def _check_race(self, parent: Evaluation, mutant: Evaluation, papers: Sequence[str]) -> None:
        search = self._rules.search
        self._same(
            "the parent was to be run on every validation paper in order", list(papers), _papers(parent)
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
            "the mutant's race had to run on other papers, or to stop elsewhere",
            list(order[:length]),
            _papers(mutant),
        )


def _papers(evaluation: Evaluation) -> list[str]:
    return [result.paper_id for result in evaluation.results]


def _rates(decision: Decision) -> tuple[object, object]:
    return decision.parent_rate, decision.mutant_rate
