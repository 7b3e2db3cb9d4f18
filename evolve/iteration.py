"""One iteration: select → evaluate → analyze → implement → gates → evaluate both → decide.

A function of a snapshot of the population, the iteration's number and its other arguments. Every random seed
is derived from the run's seed and the iteration's number. It writes nothing: its outcome is an `Attempt`, a
plain value that `loop.py` turns into events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random
from typing import TypeVar

from studbook.errors import InfrastructureError, PluginError, RequestFailed
from studbook.evaluate.contracts import Paper, StopEarly
from studbook.evaluate.evaluations import never_stop
from studbook.evolve.contracts import (
    Admission,
    AdmissionRule,
    Analyzer,
    Diagnosis,
    GateFailure,
    Implementer,
    KnobProposer,
    Observer,
    Proposal,
    SearchSettings,
    Selection,
    TreeStore,
    Unanswered,
)
from studbook.evolve.gates import SeenTrees, check_duplicate, check_static, check_survival
from studbook.evolve.measuring import TRAIN, VALIDATION, Measurement, Measuring
from studbook.evolve.prompting import History
from studbook.evolve.racing import race_order, stop_rule
from studbook.harnesses.tree import HarnessTree, set_knobs
from studbook.identity import derive_seed
from studbook.llm.contracts import NO_EVIDENCE
from studbook.populations.events import Purpose
from studbook.populations.population import Population
from studbook.populations.records import Evaluation, MutationKind, PaperResult, Verdict
from studbook.rate import NO_RATE, Rate

EVALUATED = frozenset({Verdict.ADMITTED, Verdict.REJECTED})


@lru_cache(maxsize=64)
def mutant_id(iteration: int) -> str:
    """Cached, so that a run holds one string per iteration instead of several equal ones."""
    return f"m{iteration:04d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    purpose: Purpose
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A proposal, at first undecided (`verdict` None); a gate or the admission rule decides it."""

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
        return self.verdict is None or self.verdict.made_mutant

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
        """The same attempt, stopped at a gate, without any validation results."""
        return replace(
            self,
            measured=tuple(each for each in self.measured if each.purpose is Purpose.TRAINING),
            verdict=failure.verdict,
            reason=failure.reason,
            parent_rate=NO_RATE,
            mutant_rate=NO_RATE,
        )

    def unanswered(self, error: InfrastructureError) -> "Attempt":
        """The same attempt, without a proposal because a model did not answer."""
        evidence = error.evidence if isinstance(error, Unanswered) else NO_EVIDENCE
        failed = self.fail(GateFailure(verdict=Verdict.UNANSWERED, reason=str(error).partition("\n")[0]))
        return replace(failed, proposal=replace(self.proposal, evidence=evidence))


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Everything an iteration needs; shared by concurrent iterations, so every part is thread-safe."""

    settings: SearchSettings
    papers: Mapping[str, Sequence[Paper]]
    selection: Selection
    trees: TreeStore
    seen: SeenTrees
    measuring: Measuring
    analyzer: Analyzer
    implementer: Implementer
    admission: AdmissionRule
    observer: Observer
    knobs: KnobProposer
    history: History = field(default_factory=History)


def run_iteration(shop: Workshop, snapshot: Population, iteration: int) -> Attempt:
    """Run one iteration; raises InfrastructureError, BudgetExceeded, StopRequested."""
    return _Iteration(shop, snapshot, iteration).run()


def speculate_on_iteration(shop: Workshop, population: Population, iteration: int) -> None:
    """Start early what the iteration will need if its snapshot does not differ much from `population`."""
    speculation = shop.measuring.speculation
    if speculation.is_allowed(iteration) and not is_knob_iteration(shop.settings, iteration):
        parent = shop.trees.get(population.mutants[select_parent(shop, population, iteration)])
        speculation.speculate(iteration, parent, draw_training(shop, iteration))


def select_parent(shop: Workshop, snapshot: Population, iteration: int) -> str:
    """Raises PluginError if the selection policy chooses a harness that is not in the population."""
    chosen = shop.selection.select(snapshot, iteration_seed(shop.settings, iteration, "select"))
    if chosen not in snapshot.members:
        raise PluginError(
            f"the selection policy chose {chosen!r}, which is no member of the population\n"
            f"  it has {', '.join(snapshot.members[:8])}"
        )
    return chosen


def is_knob_iteration(settings: SearchSettings, iteration: int) -> bool:
    """Whether the iteration mutates knobs, if a new harness is possible that way."""
    return Random(iteration_seed(settings, iteration, "kind")).random() < settings.knob_share


def draw_training(shop: Workshop, iteration: int) -> tuple[Paper, ...]:
    seed = iteration_seed(shop.settings, iteration, "minibatch")
    return draw_minibatch(shop.papers[TRAIN], shop.settings.minibatch, seed)


class _Iteration:
    """The state shared by the steps of one iteration."""

    def __init__(self, shop: Workshop, snapshot: Population, iteration: int) -> None:
        self._shop = shop
        self._snapshot = snapshot
        self._iteration = iteration
        self._parent_id = select_parent(shop, snapshot, iteration)
        self._parent = shop.trees.get(snapshot.mutants[self._parent_id])
        self._training = draw_training(shop, iteration)

    def run(self) -> Attempt:
        speculation = self._shop.measuring.speculation
        try:
            speculation.keep_only(self._iteration, self._parent)
            return self._run()
        finally:
            speculation.settle(self._iteration)

    def _run(self) -> Attempt:
        self._shop.observer.iteration_started(self._iteration, self._parent_id)
        attempt = self._tune() or self._edit()
        if attempt.verdict is None:
            self._shop.observer.proposed(self._iteration, attempt.proposal.hypothesis)
            failure = self._gates(attempt.proposal.tree)
            attempt = attempt if failure is None else attempt.fail(failure)
        if attempt.verdict is None:
            return self._decide(attempt)
        self._shop.observer.gate_failed(
            self._iteration, GateFailure(verdict=attempt.verdict, reason=attempt.reason)
        )
        return attempt

    def _tune(self) -> Attempt | None:
        """New knob values for the parent, if this iteration mutates knobs and a new harness is possible."""
        if not is_knob_iteration(self._shop.settings, self._iteration):
            return None
        before = self._parent.manifest.knob_values
        knobs = self._parent.manifest.knobs
        values = self._shop.knobs.propose(knobs, self._snapshot, self._seed("knobs"), self._is_new)
        moved = [
            f"{name} {before[name]:g} → {value:g}" for name, value in values.items() if value != before[name]
        ]
        if not moved:
            return None
        tree = set_knobs(self._parent, values)
        proposal = Proposal(tree=tree, kind=MutationKind.KNOBS, hypothesis=f"knobs: {', '.join(moved)}")
        return Attempt(iteration=self._iteration, parent_id=self._parent_id, proposal=proposal)

    def _is_new(self, values: Mapping[str, float]) -> bool:
        return self._find_twin(set_knobs(self._parent, values)) is None

    def _find_twin(self, tree: HarnessTree) -> str | None:
        return self._shop.seen.find_twin(tree, self._snapshot.mutants)

    def _edit(self) -> Attempt:
        """An edit by analyzer and implementer, from the parent's results on a minibatch of papers."""
        shop, history = self._shop, self._shop.history.of(self._snapshot)
        training = self._evaluate(Purpose.TRAINING, self._parent_id, self._parent, self._training)
        attempt = Attempt(
            iteration=self._iteration,
            parent_id=self._parent_id,
            proposal=Proposal(tree=self._parent, kind=MutationKind.PROMPT, hypothesis=""),
            measured=(Measured(purpose=Purpose.TRAINING, evaluation=training),),
        )
        try:
            diagnosis = shop.analyzer.analyze(self._parent, training.results, history, self._seed("analyze"))
            attempt = replace(attempt, diagnosis=diagnosis)
            shop.observer.diagnosed(self._iteration, diagnosis.text)
            shop.measuring.stop_token.check()
            proposal = shop.implementer.implement(
                self._parent, diagnosis, history, self._try, self._seed("implement")
            )
        except (Unanswered, RequestFailed) as error:
            return attempt.unanswered(error)
        shop.measuring.stop_token.check()
        return replace(attempt, proposal=proposal)

    def _try(self, tree: HarnessTree) -> str:
        result = self._run_once(tree)
        rounds = [f"round {each.number}: {each.status}: {each.reason}" for each in result.rounds]
        return "\n".join([f"{result.verdict.replace('_', ' ')}: {result.reason}", *rounds])

    def _run_once(self, tree: HarnessTree) -> PaperResult:
        """Run the mutant on the first training paper: a survival test, never a score."""
        name = mutant_id(self._iteration)
        return self._evaluate(Purpose.TRAINING, name, tree, self._training[:1]).results[0]

    def _gates(self, tree: HarnessTree) -> GateFailure | None:
        failure = check_static(self._parent, tree) or check_duplicate(self._find_twin(tree))
        if failure is not None:
            return failure
        for likely in (self._parent, tree):  # few harnesses that come this far do not survive their paper
            self._shop.measuring.speculation.speculate(self._iteration, likely, self._shop.papers[VALIDATION])
        return check_survival(self._run_once(tree))

    def _decide(self, attempt: Attempt) -> Attempt:
        papers = self._shop.papers[VALIDATION]
        parent = self._evaluate(Purpose.VALIDATION, self._parent_id, self._parent, papers)
        order, stop = self._race(parent, papers)
        self._shop.measuring.speculation.hold_back(self._iteration)  # the race decides what is still needed
        name = mutant_id(self._iteration)
        mutant = self._evaluate(Purpose.VALIDATION, name, attempt.proposal.tree, order, stop)
        admission = self._shop.admission.rule(parent.rate, mutant.rate, len(papers))
        return attempt.decide(admission, parent, mutant)

    def _race(self, parent: Evaluation, papers: Sequence[Paper]) -> tuple[Sequence[Paper], StopEarly]:
        settings = self._shop.settings
        if not settings.racing:
            return papers, never_stop
        by_id = {paper.paper_id: paper for paper in papers}
        order = race_order(
            tuple(by_id),
            {result.paper_id: result.passed for result in parent.results},
            self._snapshot.papers,
            full_scores=settings.full_scores,
        )
        stop = stop_rule(parent.rate.passed, len(papers), full_scores=settings.full_scores)
        return [by_id[paper_id] for paper_id in order], stop

    def _evaluate(
        self,
        purpose: Purpose,
        name: str,
        tree: HarnessTree,
        papers: Sequence[Paper],
        stop: StopEarly = never_stop,
    ) -> Evaluation:
        """The replicate is the iteration's number, so a re-measured parent gets fresh random seeds."""
        what = Measurement(
            iteration=self._iteration, purpose=purpose, harness_id=name, replicate=self._iteration
        )
        return self._shop.measuring.evaluate(what, tree, papers, stop)

    def _seed(self, what: str) -> int:
        return iteration_seed(self._shop.settings, self._iteration, what)


def iteration_seed(settings: SearchSettings, iteration: int, what: str) -> int:
    """Every random choice of an iteration has its own seed."""
    return derive_seed(what, settings.run_seed, iteration)


def draw_minibatch(papers: Sequence[T], size: int, seed: int) -> tuple[T, ...]:
    """Draw training papers without replacement; all of them if there are no more than `size`."""
    return tuple(Random(seed).sample(papers, min(size, len(papers))))
