"""The seams of the loop besides analyzer and implementer: papers, trees, records and screens."""

from collections.abc import Callable, Sequence
from typing import Protocol

from evolve.gates import GateFailure
from harnesses.tree import HarnessTree
from populations.events import Event, Purpose
from populations.population import Population
from populations.records import Decision, Evaluation, Mutant, PaperResult
from studbook.errors import StudbookError


class StopRequested(StudbookError):
    """The user asked the run to stop: what is finished is kept, what is not will be run again."""


class TreeStore(Protocol):
    """Where mutants are kept, admitted or not. `get` is thread-safe; `add` is called from one thread.

    Adding the same mutant again gives the same commit.
    """

    def get(self, mutant: Mutant) -> HarnessTree: ...

    def add(self, mutant: Mutant, tree: HarnessTree, parent_commit: str | None) -> str:
        """The commit that now holds `tree` (`mutant.commit` is not read)."""
        ...


Commit = Callable[[Sequence[Event]], Population]
"""Appends the events of one iteration in one piece, and returns the population with them folded in."""


class Observer(Protocol):
    """Told what happens, for a live display; called from several threads, must not raise or block."""

    def iteration_started(self, iteration: int, parent_id: str) -> None: ...

    def diagnosed(self, iteration: int, text: str) -> None: ...

    def proposed(self, iteration: int, hypothesis: str) -> None: ...

    def paper_finished(
        self, iteration: int, purpose: Purpose, harness_id: str, result: PaperResult
    ) -> None: ...

    def gate_failed(self, iteration: int, failure: GateFailure) -> None: ...

    def evaluated(self, iteration: int, purpose: Purpose, evaluation: Evaluation) -> None: ...

    def decided(self, decision: Decision, hypothesis: str) -> None: ...


class Silent:
    """An `Observer` that shows nothing."""

    def iteration_started(self, iteration: int, parent_id: str) -> None:
        """Shows nothing."""

    def diagnosed(self, iteration: int, text: str) -> None:
        """Shows nothing."""

    def proposed(self, iteration: int, hypothesis: str) -> None:
        """Shows nothing."""

    def paper_finished(self, iteration: int, purpose: Purpose, harness_id: str, result: PaperResult) -> None:
        """Shows nothing."""

    def gate_failed(self, iteration: int, failure: GateFailure) -> None:
        """Shows nothing."""

    def evaluated(self, iteration: int, purpose: Purpose, evaluation: Evaluation) -> None:
        """Shows nothing."""

    def decided(self, decision: Decision, hypothesis: str) -> None:
        """Shows nothing."""
