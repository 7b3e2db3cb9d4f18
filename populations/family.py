"""Who came from whom: the chain from the seed to a harness, and all harnesses as the rows of a tree.

Pure: values for `experiments/views` to draw.
"""

from collections import defaultdict
from dataclasses import dataclass

from studbook.errors import RevisionError
from studbook.populations.population import SEED_ID, Population
from studbook.populations.records import Mutant, Verdict
from studbook.rate import Rate


def lineage_chain(population: Population, harness_id: str) -> tuple[Mutant, ...]:
    """seed → … → the harness; raises RevisionError for an id that was never made."""
    chain: list[Mutant] = []
    following: str | None = harness_id
    while following is not None:
        if following not in population.mutants:
            raise RevisionError(f"there is no harness {following[:80]!r} in this run")
        chain.append(population.mutants[following])
        following = chain[-1].parent_id
    return tuple(reversed(chain))


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """One harness in a tree drawn downwards, parents before children, children by age.

    `last_flags` has one flag per level below the root: is the ancestor (at last: the harness itself) the last
    child of its parent? `verdict` is None for the seed and for a mutant that is not decided yet. `rate` is
    what was seen; `is_stopped` says that racing stopped it, so it is no fair estimate.
    """

    mutant: Mutant
    last_flags: tuple[bool, ...]
    verdict: Verdict | None
    rate: Rate
    is_stopped: bool
    is_best: bool

    @property
    def depth(self) -> int:
        return len(self.last_flags)


def tree_rows(population: Population) -> tuple[TreeRow, ...]:
    """All harnesses that were made. Iterative: a lineage may be thousands of generations deep."""
    if SEED_ID not in population.mutants:
        return ()
    children = _children(population)
    verdicts = {each.mutant_id: each.verdict for each in population.decisions if each.mutant_id is not None}
    best_id = population.best_id
    rows: list[TreeRow] = []
    waiting: list[tuple[str, tuple[bool, ...]]] = [(SEED_ID, ())]
    while waiting:
        name, flags = waiting.pop()
        row = TreeRow(
            mutant=population.mutants[name],
            last_flags=flags,
            verdict=verdicts.get(name),
            rate=population.tally(name).observed,
            is_stopped=population.tally(name).is_stopped,
            is_best=name == best_id,
        )
        rows.append(row)
        below = children[name]
        waiting += [(child, (*flags, child == below[-1])) for child in reversed(below)]
    return tuple(rows)


def _children(population: Population) -> dict[str, list[str]]:
    children: dict[str, list[str]] = defaultdict(list)
    for mutant in population.mutants.values():
        if mutant.parent_id is not None:
            children[mutant.parent_id].append(mutant.harness_id)
    return children
