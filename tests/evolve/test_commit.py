"""Settling an attempt against everything that was committed while it was under way."""

import pytest
from support.search_rig import STARTED

from studbook.errors import IntegrityError
from studbook.evolve.contracts import Admission, Diagnosis, GateFailure, Proposal
from studbook.evolve.gates import SeenTrees
from studbook.evolve.iteration import Attempt
from studbook.evolve.loop import to_events
from studbook.experiments.run.ledger import LineageTrees
from studbook.populations.events import DecisionMade, DiagnosisMade, EvaluationDone, MutantMade
from studbook.populations.lineage import Lineage
from studbook.populations.population import fold
from studbook.populations.records import Evaluation, Mutant, MutationKind, Verdict
from studbook.testbed.fakes import LEVEL, MemoryTrees, fake_harness


def seed_mutant(trees):
    tree = fake_harness()
    mutant = Mutant(
        harness_id="seed",
        parent_id=None,
        iteration=0,
        kind=MutationKind.SEED,
        tree_hash=tree.tree_hash,
        commit="",
        hypothesis="the seed",
    )
    return Mutant(
        harness_id="seed",
        parent_id=None,
        iteration=0,
        kind=MutationKind.SEED,
        tree_hash=tree.tree_hash,
        commit=trees.add(mutant, tree, None),
        hypothesis="the seed",
    )


def begun(trees):
    return fold([STARTED, MutantMade(mutant=seed_mutant(trees))])


def admitted(iteration, tree):
    def evaluation(name):
        return Evaluation(
            harness_id=name,
            tree_hash="t",
            evaluator_hash="fake",
            split="validation",
            replicate=iteration,
            results=(),
        )

    proposal = Proposal(tree=tree, kind=MutationKind.PROMPT, hypothesis="Up.", refused_actions=2)
    attempt = Attempt(
        iteration=iteration, parent_id="seed", proposal=proposal, diagnosis=Diagnosis(text="Too low.")
    )
    admission = Admission(admitted=True, reason="beats its parent")
    return attempt.decide(admission, evaluation("seed"), evaluation(f"m{iteration:04d}"))


def test_an_admitted_attempt_becomes_diagnosis_mutant_evaluations_and_decision():
    trees = MemoryTrees()
    population = begun(trees)
    events = to_events(admitted(1, fake_harness(30)), population, trees, SeenTrees(trees))
    assert [type(event) for event in events] == [
        DiagnosisMade,
        MutantMade,
        EvaluationDone,
        EvaluationDone,
        DecisionMade,
    ]
    mutant, last = events[1].mutant, events[-1]
    assert (mutant.harness_id, mutant.parent_id, mutant.knobs) == ("m0001", "seed", {"bonus": 0})
    assert trees.get(mutant) == fake_harness(30)
    assert (last.decision.verdict, last.refused_actions) == (Verdict.ADMITTED, 2)


def test_of_two_equal_proposals_made_at_once_the_later_is_a_duplicate_and_its_validation_does_not_count():
    trees = MemoryTrees()
    seen = SeenTrees(trees)
    population = begun(trees)
    population = population.extend(to_events(admitted(1, fake_harness(30)), population, trees, seen))
    same = fake_harness(30).replace({LEVEL: b"30  \n\n"})  # layout does not make a new harness
    events = to_events(admitted(2, same), population, trees, seen)
    assert [type(event) for event in events] == [DiagnosisMade, MutantMade, DecisionMade]
    decision = events[-1].decision
    assert (decision.verdict, decision.reason) == (Verdict.DUPLICATE, "the same harness as m0001")
    assert (decision.parent_rate.n, decision.mutant_rate.n) == (0, 0)
    population.extend(events)


def test_an_attempt_that_changed_nothing_makes_no_mutant():
    trees = MemoryTrees()
    population = begun(trees)
    failure = GateFailure(
        verdict=Verdict.NO_CHANGE, reason="the implementer's edit left the harness as it was"
    )
    attempt = Attempt(
        iteration=1,
        parent_id="seed",
        proposal=Proposal(tree=fake_harness(), kind=MutationKind.PROMPT, hypothesis="Nothing."),
    ).fail(failure)
    (event,) = to_events(attempt, population, trees, SeenTrees(trees))
    assert (event.decision.verdict, event.decision.mutant_id) == (Verdict.NO_CHANGE, None)


def test_a_broken_mutant_is_kept_with_its_files_even_without_a_readable_manifest():
    trees = MemoryTrees()
    population = begun(trees)
    tree = fake_harness().replace({"harness.yaml": b"version: 9\n"})
    attempt = Attempt(
        iteration=1,
        parent_id="seed",
        proposal=Proposal(tree=tree, kind=MutationKind.PROMPT, hypothesis="Other."),
    ).fail(GateFailure(verdict=Verdict.BROKEN, reason="harness.yaml is not editable"))
    made, decided = to_events(attempt, population, trees, SeenTrees(trees))
    assert (made.mutant.knobs, trees.get(made.mutant)) == ({}, tree)
    assert decided.decision.mutant_id == "m0001"


def test_the_lineage_repository_is_a_tree_store(tmp_path):
    with Lineage(tmp_path / "lineage.git") as lineage:
        trees = LineageTrees(lineage, "rig")
        population = begun(trees)
        attempt = admitted(1, fake_harness(30))
        events = to_events(attempt, population, trees, SeenTrees(trees))
        assert to_events(attempt, population, trees, SeenTrees(trees)) == events  # again: the same commit
        population = population.extend(events)
        trees.follow(population)
        assert lineage.get_commit("refs/heads/m0001") == population.mutants["m0001"].commit
        fresh = LineageTrees(lineage, "rig")
        assert fresh.get(population.mutants["m0001"]) == fake_harness(30)
        forged = Mutant(
            harness_id="m0002",
            parent_id="seed",
            iteration=2,
            kind=MutationKind.PROMPT,
            tree_hash="0" * 64,
            commit=population.mutants["m0001"].commit,
            hypothesis="",
        )
        with pytest.raises(IntegrityError, match="m0002: the files in the lineage differ from the journal's"):
            fresh.get(forged)
