"""The values that pass between the steps of an iteration, and the seams of the loop. No logic lives here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from harnesses.tree import HarnessTree
from populations.records import MutationKind, PaperResult
from studbook.llm.seals import NOTHING, Rests


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The analyzer's prose: a root-cause analysis with quoted evidence. `rests`: the calls it came from."""

    text: str
    rests: Rests = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One earlier iteration, summarised for the analyzer and the implementer."""

    iteration: int
    parent_id: str
    mutant_id: str | None
    hypothesis: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A mutant as proposed: the changed tree, and one line saying what it should do and why.

    `refused_actions` counts edits outside the harness folder or the manifest's editable globs; `rests` names
    the calls of the dialogue.
    """

    tree: HarnessTree
    kind: MutationKind
    hypothesis: str
    refused_actions: int = 0
    rests: Rests = NOTHING


TryHarness = Callable[[HarnessTree], str]
"""Runs a tree on one training paper in the sandbox; returns a short account for the implementer."""


class Analyzer(Protocol):
    def analyze(
        self, parent: HarnessTree, results: Sequence[PaperResult], history: Sequence[HistoryEntry], seed: int
    ) -> Diagnosis: ...


class Implementer(Protocol):
    """Raises InfrastructureError only; a useless answer gives a Proposal whose tree equals the parent's."""

    def implement(
        self,
        parent: HarnessTree,
        diagnosis: Diagnosis,
        history: Sequence[HistoryEntry],
        try_harness: TryHarness,
        seed: int,
    ) -> Proposal: ...
