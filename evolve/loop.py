"""The outer loop: runs iterations concurrently, commits them in order, and stops for a recorded reason.

Opens no file, reads no environment, prints nothing. Iteration i uses the population after iteration i − lag;
results are committed strictly in iteration order, one append each. So the lineage depends on the spec, never
on workers or timing, and after a crash uncommitted iterations are simply run again. If concurrent attempts
propose the same harness, the one with the later number is the duplicate, whichever finished first.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice

from studbook.errors import BudgetExceeded, InfrastructureError, ManifestError, StudbookError
from studbook.evolve.contracts import Commit, SearchSettings, StopRequested, TreeStore
from studbook.evolve.gates import SeenTrees, check_duplicate
from studbook.evolve.iteration import (
    EVALUATED,
    Attempt,
    Workshop,
    mutant_id,
    run_iteration,
    speculate_on_iteration,
)
from studbook.harnesses.tree import HarnessTree
from studbook.populations.events import DecisionMade, DiagnosisMade, EvaluationDone, Event, MutantMade
from studbook.populations.population import Population
from studbook.populations.records import Decision, Mutant, MutationKind, Verdict


class EndReason(StrEnum):
    ITERATIONS = "iterations"
    PATIENCE = "patience"
    BUDGET = "budget"
    STOPPED = "stopped"
    INFRASTRUCTURE = "infrastructure"
    UNMEASURED = "unmeasured"  # orderly, but nothing was compared, so there is no champion


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why the search ended. If `error` interrupted it, it can be resumed and no champion is chosen."""

    reason: EndReason
    population: Population
    error: StudbookError | None = None

    @property
    def is_orderly(self) -> bool:
        return self.error is None


PAUSE_AFTER = 2


def evolve(
    shop: Workshop,
    population: Population,
    commit: Commit,
    *,
    workers: int | None = None,
    pause_after: int | None = PAUSE_AFTER,
) -> Ending:
    """Continue at `population.next_iteration` until a limit is reached or an error interrupts the search.

    At most `lag` iterations run at once, fewer with fewer `workers`. `pause_after`: the search is interrupted
    after this many unanswered iterations in a row; None for a replay, which never is.
    """
    settings = shop.settings
    flights = _Flights(shop, min(settings.lag, workers or settings.lag))
    unanswered = 0
    try:
        while True:
            if pause_after is not None and unanswered >= pause_after:
                raise InfrastructureError(_pause_message(population, unanswered))
            reason = end_reason(settings, population)
            if reason is not None:
                return Ending(reason=reason, population=population)
            flights.launch(population)
            attempt = flights.land(population.next_iteration)
            population = _commit(shop, attempt, population, commit)
            if attempt.proposal.kind is not MutationKind.KNOBS:  # which asks no model
                unanswered = unanswered + 1 if attempt.verdict is Verdict.UNANSWERED else 0
    except (StopRequested, BudgetExceeded, InfrastructureError) as error:
        return Ending(reason=_reason_of(error), population=population, error=error)
    finally:
        flights.close()


def end_reason(settings: SearchSettings, population: Population) -> EndReason | None:
    """The limit that was reached, judging only by committed iterations."""
    if population.iterations_done >= settings.iterations:
        return EndReason.ITERATIONS
    if settings.patience is None:
        return None
    answered = (each for each in reversed(population.decisions) if each.verdict is not Verdict.UNANSWERED)
    recent = list(islice(answered, settings.patience))
    barren = all(decision.verdict is not Verdict.ADMITTED for decision in recent)
    return EndReason.PATIENCE if barren and len(recent) == settings.patience else None


def _pause_message(population: Population, count: int) -> str:
    reason = population.decisions[-1].reason
    return (
        f"no proposal in {count} iterations in a row: {reason}\n"
        "  this says nothing about the harness; `studbook doctor SPEC` sends each role the requests of a run"
    )


def _commit(shop: Workshop, attempt: Attempt, population: Population, commit: Commit) -> Population:
    events = to_events(attempt, population, shop.trees, shop.seen)
    population = commit(events)
    decided = events[-1]
    assert isinstance(decided, DecisionMade)  # to_events ends with it
    shop.observer.decided(decided.decision, attempt.proposal.hypothesis)
    return population


def _reason_of(error: StudbookError) -> EndReason:
    if isinstance(error, StopRequested):
        return EndReason.STOPPED
    return EndReason.BUDGET if isinstance(error, BudgetExceeded) else EndReason.INFRASTRUCTURE


class _Flights:
    """Iterations in progress, by number. Closing sets the stop token, so that nothing new is started."""

    def __init__(self, shop: Workshop, workers: int) -> None:
        self._shop = shop
        self._pool = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="iteration")
        self._futures: dict[int, Future[Attempt]] = {}

    def launch(self, population: Population) -> None:
        """Start every iteration whose snapshot of the population is complete."""
        settings = self._shop.settings
        first = population.next_iteration
        for iteration in range(first, min(first + settings.lag, settings.iterations + 1)):
            if iteration not in self._futures:
                snapshot = population.as_of(max(0, iteration - settings.lag))
                self._futures[iteration] = self._pool.submit(run_iteration, self._shop, snapshot, iteration)
        if first + settings.lag <= settings.iterations:  # lacks only the decision that is awaited now
            speculate_on_iteration(self._shop, population, first + settings.lag)

    def land(self, iteration: int) -> Attempt:
        """Wait for one iteration; re-raises its exception."""
        return self._futures.pop(iteration).result()

    def close(self) -> None:
        self._shop.measuring.stop_token.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)


def to_events(
    attempt: Attempt, population: Population, trees: TreeStore, seen: SeenTrees
) -> tuple[Event, ...]:
    """The events of one iteration, in order, checked against everything committed so far.

    Also makes the mutant's git commit.
    """
    if attempt.verdict in EVALUATED:
        failure = check_duplicate(seen.find_twin(attempt.proposal.tree, population.mutants))
        attempt = attempt.fail(failure) if failure else attempt
    events: list[Event] = []
    if attempt.diagnosis is not None:
        events.append(
            DiagnosisMade(
                iteration=attempt.iteration,
                parent_id=attempt.parent_id,
                text=attempt.diagnosis.text,
                evidence=attempt.diagnosis.evidence,
            )
        )
    if attempt.made_mutant:
        events.append(MutantMade(mutant=_store(attempt, population, trees)))
    events.extend(
        EvaluationDone(iteration=attempt.iteration, purpose=each.purpose, evaluation=each.evaluation)
        for each in attempt.measured
    )
    proposal = attempt.proposal
    events.append(
        DecisionMade(
            decision=_decision(attempt), refused_actions=proposal.refused_actions, evidence=proposal.evidence
        )
    )
    return tuple(events)


def _store(attempt: Attempt, population: Population, trees: TreeStore) -> Mutant:
    proposal = attempt.proposal
    mutant = Mutant(
        harness_id=mutant_id(attempt.iteration),
        parent_id=attempt.parent_id,
        iteration=attempt.iteration,
        kind=proposal.kind,
        tree_hash=proposal.tree.tree_hash,
        commit="",
        hypothesis=proposal.hypothesis,
        knobs=knob_values(proposal.tree),
    )
    commit = trees.add(mutant, proposal.tree, population.mutants[attempt.parent_id].commit)
    return replace(mutant, commit=commit)


def knob_values(tree: HarnessTree) -> dict[str, float]:
    """{} for a broken mutant whose manifest cannot be read."""
    try:
        return tree.manifest.knob_values
    except ManifestError:
        return {}


def _decision(attempt: Attempt) -> Decision:
    assert attempt.verdict is not None  # a gate or the admission rule has decided it
    return Decision(
        iteration=attempt.iteration,
        parent_id=attempt.parent_id,
        mutant_id=mutant_id(attempt.iteration) if attempt.made_mutant else None,
        verdict=attempt.verdict,
        reason=attempt.reason,
        parent_rate=attempt.parent_rate,
        mutant_rate=attempt.mutant_rate,
    )
