"""Turning a finished attempt into the events of its iteration, against everything committed by now.

Attempts are settled one at a time and in order. Several that ran at once may have proposed the same harness;
the later one is a duplicate then, whichever finished first.
"""

from dataclasses import replace

from studbook.errors import ManifestError
from studbook.evolve.contracts import TreeStore
from studbook.evolve.duplicates import SeenTrees
from studbook.evolve.gates import check_duplicate
from studbook.evolve.iteration import Attempt, mutant_id
from studbook.harnesses.tree import HarnessTree
from studbook.populations.events import DecisionMade, DiagnosisMade, EvaluationDone, Event, MutantMade
from studbook.populations.population import Population
from studbook.populations.records import Decision, Mutant, Verdict

_EVALUATED = frozenset({Verdict.ADMITTED, Verdict.REJECTED})


def settle(attempt: Attempt, population: Population, trees: TreeStore, seen: SeenTrees) -> tuple[Event, ...]:
    """The events of one iteration, in their order; the mutant's commit is made on the way."""
    if attempt.verdict in _EVALUATED:
        twin = seen.find_twin(attempt.proposal.tree, population.mutants)
        failure = check_duplicate(twin)
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
    assert attempt.verdict is not None  # an attempt is settled after a gate or the admission rule decided it
    return Decision(
        iteration=attempt.iteration,
        parent_id=attempt.parent_id,
        mutant_id=mutant_id(attempt.iteration) if attempt.made_mutant else None,
        verdict=attempt.verdict,
        reason=attempt.reason,
        parent_rate=attempt.parent_rate,
        mutant_rate=attempt.mutant_rate,
    )
