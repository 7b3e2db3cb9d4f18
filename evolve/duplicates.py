"""Has this harness been seen before? By normal form, over everything that was ever made, admitted or not."""

from collections.abc import Iterable

from evolve.seams import TreeStore
from harnesses.normal_form import normal_hash
from harnesses.tree import HarnessTree
from populations.records import Mutant


class SeenTrees:
    """Looks trees up by mutant; remembers the normal form of each, for they never change. Thread-safe."""

    def __init__(self, trees: TreeStore) -> None:
        self._trees = trees
        self._known: dict[str, str] = {}

    def find_twin(self, tree: HarnessTree, mutants: Iterable[Mutant]) -> str | None:
        """The first of `mutants` with the same normal form."""
        wanted = normal_hash(tree)
        return next((each.harness_id for each in mutants if self._normal_form(each) == wanted), None)

    def _normal_form(self, mutant: Mutant) -> str:
        known = self._known.get(mutant.tree_hash)
        if known is None:
            known = self._known.setdefault(mutant.tree_hash, normal_hash(self._trees.get(mutant)))
        return known
