"""The run as it is written down: journal, population and branches move together, or not at all."""

from collections.abc import Sequence

from evolve.trees import LineageTrees
from populations.events import Event
from populations.journal import Journal
from populations.population import Population


class Ledger:
    """Holds the current population. `commit` is the loop's; called from one thread."""

    def __init__(self, journal: Journal, trees: LineageTrees, population: Population) -> None:
        self.journal = journal
        self.trees = trees
        self.population = population

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
        return extended
