"""The lineage repository as the loop's `TreeStore`. Trees never change, so the last ones met are kept."""

from collections import OrderedDict
from threading import Lock

from harnesses.tree import HarnessTree
from populations.lineage import Lineage
from populations.population import Population
from populations.records import Mutant, Verdict
from studbook.errors import IntegrityError

KEPT_TREES = 128


class LineageTrees:
    """Thread-safe. `run_name` stands in the commit trailers."""

    def __init__(self, lineage: Lineage, run_name: str) -> None:
        self._lineage = lineage
        self._run_name = run_name
        self._lock = Lock()
        self._known: OrderedDict[str, HarnessTree] = OrderedDict()

    def get(self, mutant: Mutant) -> HarnessTree:
        """Raises IntegrityError when the repository holds other files than the journal says."""
        with self._lock:
            known = self._known.get(mutant.tree_hash)
        tree = known or HarnessTree.of(self._lineage.read(mutant.commit))
        if tree.tree_hash != mutant.tree_hash:
            raise IntegrityError(f"{mutant.harness_id}: the files in the lineage are not the journal's")
        self._keep(tree)
        return tree

    def add(self, mutant: Mutant, tree: HarnessTree, parent_commit: str | None) -> str:
        commit = self._lineage.add(
            mutant.harness_id,
            tree.files,
            parent_commit=parent_commit,
            iteration=mutant.iteration,
            hypothesis=mutant.hypothesis,
            run_name=self._run_name,
            kind=mutant.kind,
        )
        self._keep(tree)
        return commit

    def _keep(self, tree: HarnessTree) -> None:
        with self._lock:
            self._known[tree.tree_hash] = tree
            self._known.move_to_end(tree.tree_hash)
            if len(self._known) > KEPT_TREES:
                self._known.popitem(last=False)

    def follow(self, population: Population) -> None:
        """Point the branches at what is committed: the last admitted mutant, `best` at the best so far."""
        last = population.decisions[-1] if population.decisions else None
        if last is not None and last.verdict is Verdict.ADMITTED and last.mutant_id is not None:
            self._lineage.admit(last.mutant_id)
        if population.members:
            self._lineage.set_best(population.best_id)
