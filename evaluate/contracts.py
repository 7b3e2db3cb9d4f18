"""The values the evaluator works on, and the protocols around it. No logic lives here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from studbook.harnesses.tree import HarnessTree
from studbook.populations.records import FailureCategory, PaperResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A source document. `paper_id` is the first 16 hex digits of the SHA-256 of its normalized text."""

    paper_id: str
    title: str
    text: str
    source: str  # file name, for display; never sent into a box


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    criterion: str
    weight: int  # negative: meeting the criterion lowers the score
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    context: str
    question: str
    reference_answer: str
    rubric: tuple[Criterion, ...]
    question_type: str
    tags: tuple[str, ...]


class Status(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One independent answer of one solver, with the judge's marks (one per criterion, in rubric order)."""

    solver: str  # weak | strong
    index: int
    seed: int
    answer: str
    marks: tuple[bool, ...]
    score: Fraction
    is_truncated: bool = False  # the answer was cut off at the solver's token limit; it is scored as is


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The evaluator's report on one example. UNDECIDED: weak rollouts passed, strong ones not run yet.

    If the weak rollouts already rule out acceptance, the report is REJECTED with that reason.
    """

    example_hash: str
    round_number: int
    status: Status
    category: FailureCategory | None
    reason: str
    weak: tuple[Rollout, ...]
    strong: tuple[Rollout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """`category` and `reason` say why an example is not accepted; both are reported to the harness."""

    status: Status
    category: FailureCategory | None
    reason: str


class Predicate(Protocol):
    """Decides which examples are accepted, from the scores of the rollouts alone.

    Must be pure; scores are exact fractions in [0, 1]. Without strong rollouts (`strong` empty) the ruling
    is REJECTED or UNDECIDED, never ACCEPTED: weak rollouts alone can only reject.
    """

    def rule(self, weak: Sequence[Fraction], strong: Sequence[Fraction]) -> Ruling: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPaper:
    """What a reader extracted from a file: its text, and its title if the format has one."""

    text: str
    title: str | None = None


class PaperReader(Protocol):
    """Turns the bytes of one file format into text. The bytes are untrusted; it must end soon for any input.

    Raises ValueError with the reason for a file it cannot read; that file is skipped, counted and shown.
    """

    def reads(self, name: str) -> bool:
        """Does this reader handle a file with this name?"""
        ...

    def read(self, data: bytes, name: str) -> ReadPaper: ...


class PaperSource(Protocol):
    """Generates papers instead of reading them; the same `count` and `seed` give the same papers."""

    def papers(self, count: int, seed: int) -> list[Paper]: ...

    def write(self, folder: Path, count: int, seed: int) -> tuple[Path, ...]:
        """Write the same papers as files; raises CorpusError instead of overwriting a different file."""
        ...


class PaperEvaluator(Protocol):
    """Runs one harness on one paper in a sandbox and scores it.

    Guarantees: the result depends only on (harness tree, paper, replicate) and the frozen evaluator;
    finished results are stored (by `key`) and returned again without a box or a call; a misbehaving
    harness gives a verdict, never an exception. Raises InfrastructureError, BudgetExceeded. Thread-safe.
    """

    evaluator_hash: str

    def evaluate_paper(self, harness: HarnessTree, paper: Paper, replicate: int) -> PaperResult: ...

    def draw_again(self, harness: HarnessTree, paper: Paper, replicate: int) -> None:
        """Forget the result, if there is one; next time its judging roles draw fresh random seeds.

        Called for a paper that is not running, before the run pauses because such a role cannot be read.
        """
        ...


StopEarly = Callable[[Sequence[PaperResult]], bool]
"""Given the results so far, in paper order: can the remaining papers be skipped?"""
