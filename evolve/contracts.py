"""The values passed between the steps of an iteration, the Protocols of the loop, and its registries.

A registry (`Door`) is where a spec may name a user's own policy; the registries are below the Protocols. The
loop's settings come from the spec, as plain values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from studbook.errors import InfrastructureError, StudbookError
from studbook.harnesses.tree import HarnessTree, Knob
from studbook.llm.contracts import NO_EVIDENCE, Evidence
from studbook.populations.events import Event, Purpose
from studbook.populations.population import Population
from studbook.populations.records import Decision, Evaluation, Mutant, MutationKind, PaperResult, Verdict
from studbook.rate import Rate
from studbook.registry import Door


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """`lag`: iteration i selects from the population after iteration i − lag; part of the spec.

    `patience`: the search ends after this many iterations in a row without an admission. `knob_share`: the
    share of iterations that mutate only knobs.
    """

    run_seed: int
    iterations: int
    minibatch: int
    lag: int = 1
    knob_share: float = 0.2
    full_scores: bool = True
    racing: bool = True
    patience: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionSettings:
    """How the champion is chosen. `shrinkage`: papers' worth of the seed's rate mixed into each rate.

    There are no defaults here, because the spec has them.
    """

    candidates: int
    confirm_replicates: int
    test_replicates: int
    shrinkage: int


class Selection(Protocol):
    """Draws the parent of an iteration.

    Guarantees: a pure function of the population and the seed, so that the same run has the same lineage
    on any machine; returns the id of a member (the seed harness or an admitted mutant).
    """

    def select(self, population: Population, seed: int) -> str: ...


class Admission(NamedTuple):
    admitted: bool
    reason: str


class AdmissionRule(Protocol):
    """Decides whether a mutant enters the population.

    Guarantees: pure; `parent` and `mutant` are rates over the same papers and replicate, out of `papers`
    in total. `mutant` may cover fewer if its race was stopped because the rest could not make it strictly
    better.
    """

    def rule(self, parent: Rate, mutant: Rate, papers: int) -> Admission: ...


IsNew = Callable[[Mapping[str, float]], bool]
"""Would these knob values give a harness that is new to the run?"""


class KnobProposer(Protocol):
    """Proposes values for a parent's numeric knobs.

    Guarantees: depends on its arguments alone. Returns a value for every knob, within its range, such that
    `is_new` accepts them; {} if it finds none. Thread-safe.
    """

    def propose(
        self, knobs: Sequence[Knob], population: Population, seed: int, is_new: IsNew
    ) -> dict[str, float]: ...


class StopRequested(StudbookError):
    """The user asked the run to stop: finished work is kept, unfinished work will be run again."""


class Unanswered(InfrastructureError):
    """The model of a role of the outer loop gave no answer, which says nothing about the harness.

    `evidence` names its failed calls.
    """

    def __init__(self, message: str, evidence: Evidence = NO_EVIDENCE) -> None:
        super().__init__(message)
        self.evidence = evidence


class TreeStore(Protocol):
    """Stores mutants, admitted or not. `get` is thread-safe; `add` is called from one thread.

    Adding the same mutant again gives the same commit.
    """

    def get(self, mutant: Mutant) -> HarnessTree: ...

    def add(self, mutant: Mutant, tree: HarnessTree, parent_commit: str | None) -> str:
        """Store `tree` and return its commit (`mutant.commit` is not read)."""
        ...


Commit = Callable[[Sequence[Event]], Population]
"""Appends the events of one iteration atomically, and returns the population with them folded in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFailure:
    verdict: Verdict
    reason: str


class Observer(Protocol):
    """Notified of events, for a live display; called from several threads, must not raise or block."""

    def iteration_started(self, iteration: int, parent_id: str) -> None: ...

    def diagnosed(self, iteration: int, text: str) -> None: ...

    def proposed(self, iteration: int, hypothesis: str) -> None: ...

    def paper_finished(
        self, iteration: int, purpose: Purpose, harness_id: str, result: PaperResult
    ) -> None: ...

    def gate_failed(self, iteration: int, failure: GateFailure) -> None: ...

    def evaluated(self, iteration: int, purpose: Purpose, evaluation: Evaluation) -> None: ...

    def decided(self, decision: Decision, hypothesis: str) -> None: ...


class Silent:
    """An `Observer` that shows nothing."""

    def iteration_started(self, iteration: int, parent_id: str) -> None:
        """Shows nothing."""

    def diagnosed(self, iteration: int, text: str) -> None:
        """Shows nothing."""

    def proposed(self, iteration: int, hypothesis: str) -> None:
        """Shows nothing."""

    def paper_finished(self, iteration: int, purpose: Purpose, harness_id: str, result: PaperResult) -> None:
        """Shows nothing."""

    def gate_failed(self, iteration: int, failure: GateFailure) -> None:
        """Shows nothing."""

    def evaluated(self, iteration: int, purpose: Purpose, evaluation: Evaluation) -> None:
        """Shows nothing."""

    def decided(self, decision: Decision, hypothesis: str) -> None:
        """Shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The analyzer's root-cause analysis, with quotations. `evidence`: the calls it came from."""

    text: str
    evidence: Evidence = NO_EVIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One earlier iteration, summarized for the analyzer and the implementer."""

    iteration: int
    parent_id: str
    mutant_id: str | None
    hypothesis: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposed mutant: the changed tree, and one line that says what the change should do and why.

    `refused_actions` counts edits outside the harness folder or the manifest's editable globs; `evidence`
    names the calls of the dialogue.
    """

    tree: HarnessTree
    kind: MutationKind
    hypothesis: str
    refused_actions: int = 0
    evidence: Evidence = NO_EVIDENCE


TryHarness = Callable[[HarnessTree], str]
"""Runs a tree on one training paper in the sandbox; returns a short report for the implementer."""


class Analyzer(Protocol):
    """Explains why a parent failed, in prose with evidence, from training results and the history.

    Raises Unanswered if its model does not answer, else InfrastructureError only. Thread-safe.
    """

    def analyze(
        self, parent: HarnessTree, results: Sequence[PaperResult], history: Sequence[HistoryEntry], seed: int
    ) -> Diagnosis: ...


class Implementer(Protocol):
    """A useless answer gives a Proposal whose tree equals the parent's.

    Raises Unanswered if its model does not answer, else InfrastructureError only.
    """

    def implement(
        self,
        parent: HarnessTree,
        diagnosis: Diagnosis,
        history: Sequence[HistoryEntry],
        try_harness: TryHarness,
        seed: int,
    ) -> Proposal: ...


POLICIES = "studbook.evolve.policies"

SELECTION = Door[Selection]("selection", ["select"], [f"{POLICIES}.selection"], takes_function=True)
ADMISSION = Door[AdmissionRule]("admission", ["rule"], [f"{POLICIES}.admission"], takes_function=True)
ANALYZER = Door[Analyzer]("analyzer", ["analyze"], [f"{POLICIES}.analyzers"])
IMPLEMENTER = Door[Implementer]("implementer", ["implement"], [f"{POLICIES}.implementers"])
KNOBS = Door[KnobProposer]("knobs", ["propose"], [f"{POLICIES}.knob_proposers"], takes_function=True)
