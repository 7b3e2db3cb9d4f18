"""The beginning of a search: the seed enters the population, measured on the validation papers."""

from collections.abc import Sequence
from dataclasses import replace

from evaluate.contracts import Paper
from evolve.measuring import Measurement, Measuring
from evolve.seams import TreeStore
from harnesses.tree import HarnessTree
from populations.events import EvaluationDone, Event, MutantMade, Purpose
from populations.population import SEED_ID
from populations.records import Mutant, MutationKind


def found(
    seed: HarnessTree, trees: TreeStore, measuring: Measuring, validation: Sequence[Paper]
) -> tuple[Event, ...]:
    """The events that make a population of one."""
    mutant = Mutant(
        harness_id=SEED_ID,
        parent_id=None,
        iteration=0,
        kind=MutationKind.SEED,
        tree_hash=seed.tree_hash,
        commit="",
        hypothesis="the seed",
        knobs=seed.manifest.knob_values,
    )
    mutant = replace(mutant, commit=trees.add(mutant, seed, None))
    what = Measurement(iteration=0, purpose=Purpose.SEED, harness_id=SEED_ID, replicate=0)
    evaluation = measuring.evaluate(what, seed, validation)
    return MutantMade(mutant=mutant), EvaluationDone(iteration=0, purpose=Purpose.SEED, evaluation=evaluation)
