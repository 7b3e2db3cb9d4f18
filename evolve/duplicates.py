"""Has this harness been seen before? By normal form, over everything that was ever made, admitted or not."""

from collections.abc import Mapping
from itertools import islice
from threading import Lock

from studbook.evolve.contracts import TreeStore
from studbook.harnesses.normal_form import normal_hash
from studbook.harnesses.tree import HarnessTree
from studbook.populations.records import Mutant


class SeenTrees:
    """Of one run: which mutants have which normal form, for their trees never change. Thread-safe."""

    def __init__(self, trees: TreeStore) -> None:
        self._trees = trees
        self._lock = Lock()
        self._read = 0
        self._first: dict[bytes, str] = {}

    def find_twin(self, tree: HarnessTree, mutants: Mapping[str, Mutant]) -> str | None:
        """The first of `mutants` with the same normal form.

        They are those of the run at some time, in the order in which they were made: only what was made
        since the last call is read.
        """
        wanted = bytes.fromhex(normal_hash(tree))
        with self._lock:
            for mutant in islice(mutants.values(), self._read, None):
                form = bytes.fromhex(normal_hash(self._trees.get(mutant)))
                self._first.setdefault(form, mutant.harness_id)
            self._read = max(self._read, len(mutants))
            twin = self._first.get(wanted)
            return twin if twin in mutants else None  # where the first is not, no later one is
