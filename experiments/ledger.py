"""The run as it is written down: journal, population and branches move together, or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from evolve.trees import LineageTrees
from populations.checkpoint import is_due, where_to_begin, write_checkpoint
from populations.events import Event
from populations.journal import Clock, Journal
from populations.journal_reader import JournalReader
from populations.layout import RunFolder
from populations.lineage import Lineage
from populations.population import Population
from populations.replay import fold_entries
from studbook.errors import StorageError


class Ledger:
    """Holds the current population. `commit` is the loop's; called from one thread."""

    def __init__(
        self,
        journal: Journal,
        trees: LineageTrees,
        population: Population,
        *,
        checkpoint: Path | None = None,
        checkpoint_size: int = 0,
    ) -> None:
        """`checkpoint`: where to keep one; `checkpoint_size`: of the journal when the last one was made."""
        self.journal = journal
        self.trees = trees
        self.population = population
        self._checkpoint = checkpoint
        self._checkpoint_size = checkpoint_size

    @property
    def head(self) -> str:
        """The hash of the last event: it stands for all of them."""
        return self.journal.head

    def commit(self, events: Sequence[Event]) -> Population:
        """Raises IntegrityError for events that cannot have happened, StorageError when the disk refuses."""
        extended = self.population.extend(events)
        self.journal.append(events)
        self.population = extended
        self.trees.follow(extended)
        if is_due(self.journal.place.size, self._checkpoint_size):
            self.keep_checkpoint()
        return extended

    def keep_checkpoint(self) -> None:
        """A short cut for whoever opens the run next: where the disk refuses it, the run goes on without."""
        place = self.journal.place
        if self._checkpoint is None or place.size == self._checkpoint_size or not is_due(place.size, 0):
            return
        self._checkpoint_size = place.size
        with suppress(StorageError):
            write_checkpoint(self._checkpoint, place, self.population)


L = TypeVar("L", bound=Ledger)


@contextmanager
def opened_ledger(
    folder: RunFolder, run_name: str, *, clock: Clock, holder: str, kind: type[L]
) -> Iterator[L]:
    """The run in `folder`, new or known, with its lock held; from its checkpoint on where it has one."""
    start, before = where_to_begin(folder.checkpoint, folder.journal)
    with (
        Journal(folder.journal, clock=clock, holder=holder, start=start) as journal,
        Lineage(folder.lineage) as lineage,
    ):
        ledger = kind(
            journal,
            LineageTrees(lineage, run_name),
            fold_entries(JournalReader(folder.journal, start), before),
            checkpoint=folder.checkpoint,
            checkpoint_size=start.size if start else 0,
        )
        ledger.trees.follow(ledger.population)  # a crash may have come between an append and its branches
        try:
            yield ledger
        finally:
            ledger.keep_checkpoint()
