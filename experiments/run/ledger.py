"""A run as it is recorded: journal, population and branches are updated together or not at all.

`LineageTrees` is the lineage repository as the loop's `TreeStore`. Trees never change, so recent ones are
cached.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

from studbook.errors import IntegrityError
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import META_ROLES, NAME_LENGTH
from studbook.llm.records import CallRecords
from studbook.populations.events import EvaluationDone, Event
from studbook.populations.journal import (
    Announce,
    Clock,
    Journal,
    JournalReader,
    entries_with,
    ignore_announcement,
)
from studbook.populations.lineage import Lineage
from studbook.populations.population import EMPTY, Population
from studbook.populations.records import Mutant, Verdict
from studbook.populations.storage import RunFolder

KEPT_TREES = 128


class LineageTrees:
    """Thread-safe. `run_name` goes into the commit trailers."""

    def __init__(self, lineage: Lineage, run_name: str) -> None:
        self._lineage = lineage
        self._run_name = run_name
        self._lock = Lock()
        self._known: OrderedDict[str, HarnessTree] = OrderedDict()

    def get(self, mutant: Mutant) -> HarnessTree:
        """Raises IntegrityError if the files in the repository are not those named in the journal."""
        with self._lock:
            known = self._known.get(mutant.tree_hash)
        tree = known or HarnessTree.of(self._lineage.read(mutant.commit))
        if tree.tree_hash != mutant.tree_hash:
            raise IntegrityError(f"{mutant.harness_id}: the files in the lineage differ from the journal's")
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
        """Points the branches at the last admitted mutant and at the best harness so far."""
        last = population.decisions[-1] if population.decisions else None
        if last is not None and last.verdict is Verdict.ADMITTED and last.mutant_id is not None:
            self._lineage.admit(last.mutant_id)
        if population.members:
            self._lineage.set_best(population.best_id)


class Ledger:
    """Holds the current population. The loop calls `commit`, from one thread."""

    def __init__(self, journal: Journal, trees: LineageTrees, population: Population) -> None:
        self.journal = journal
        self.trees = trees
        self.population = population

    @property
    def head(self) -> str:
        """The hash of the last event, which covers all events before it."""
        return self.journal.head

    def evaluations(self) -> Iterator[EvaluationDone]:
        """All evaluations so far with their rounds, which the population omits; reads the journal."""
        events = JournalReader(self.journal.path).events()
        return (event for event in events if isinstance(event, EvaluationDone))

    def commit(self, events: Sequence[Event]) -> Population:
        """Raises IntegrityError for impossible events, StorageError if they cannot be written."""
        extended = self.population.extend(events)
        self.journal.append(events)
        self.population = extended
        self.trees.follow(extended)
        return extended


def forget_open_failures(journal: Path, records: CallRecords) -> None:
    """Lets a resumed run draw afresh where the outer loop's models failed, unless a decision rests on it."""
    for key in records.failed_keys(*META_ROLES):
        if not any(entries_with(journal, key[:NAME_LENGTH].encode())):
            records.forget_failure(key)


RESULT_KEY = re.compile(rb'"key":"([0-9a-f]{64})"')
"""Within strings, JSON escapes the quotes."""


def check_trajectories(folder: RunFolder) -> None:
    """Raises IntegrityError if a file is missing or empty that a recorded result refers to.

    What is in the files is checked when they are read, and by `studbook verify`.
    """
    store = TrajectoryStore(folder.trajectories)
    named = {
        key.decode()
        for entry in JournalReader(folder.journal)
        if entry.kind == "evaluation_done"
        for key in RESULT_KEY.findall(entry.data_text)
    }
    lost = sorted(key for key in named if not store.has(key))
    if lost:
        raise IntegrityError(
            f"{len(lost):,} of the {len(named):,} trajectories that the journal refers to are missing or "
            f"empty, like {store.path_of(lost[0])}\n  restore them from a backup of the run; "
            f"studbook verify {folder.name} lists them"
        )


L = TypeVar("L", bound=Ledger)


@contextmanager
def opened_ledger(
    folder: RunFolder,
    run_name: str,
    *,
    clock: Clock,
    holder: str,
    kind: type[L],
    announce: Announce = ignore_announcement,
) -> Iterator[L]:
    """The run in `folder`, new or existing, with its lock held."""
    builder = EMPTY.builder()
    with (
        Journal(folder.journal, clock=clock, holder=holder, visit=builder.read, announce=announce) as journal,
        Lineage(folder.lineage) as lineage,
    ):
        ledger = kind(journal, LineageTrees(lineage, run_name), builder.build())
        ledger.trees.follow(ledger.population)  # a crash may have left the branches behind the journal
        yield ledger
