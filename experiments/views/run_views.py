"""What a run shows while it goes on, as plain values: its start, each iteration, where it stands, its end.

Built from specs and records elsewhere; drawn by `experiments/display*.py` and printed as JSON. Text that a
model or a harness wrote arrives here raw and is cleaned by whoever draws it.
"""

from dataclasses import dataclass

from studbook.populations.diff import ScoreDiff
from studbook.populations.records import MutationKind, Verdict
from studbook.rate import NO_RATE, Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class StartView:
    """`notes` are lines the user should read before money is spent (skipped papers, a weak sandbox)."""

    run: str
    folder: str
    models: str
    is_testbed: bool
    sandbox: str
    isolates_untrusted_code: bool
    papers: str
    splits: dict[str, int]
    harness: str
    search: str
    iterations: int
    finished_iterations: int = 0
    is_finished: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationView:
    iteration: int
    iterations: int
    parent_id: str
    mutant_id: str | None
    kind: MutationKind | None
    hypothesis: str
    verdict: Verdict
    reason: str
    parent_rate: Rate = NO_RATE
    mutant_rate: Rate = NO_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressView:
    """`best_rate` pools the complete validation evaluations of the best harness. Only paid calls cost."""

    done: int
    iterations: int
    best_id: str
    best_rate: Rate
    best_is_stopped: bool = False
    calls: int
    recorded_calls: int
    tokens: int
    cost_dollars: float
    seconds: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageStep:
    harness_id: str
    kind: MutationKind
    hypothesis: str
    rate: Rate
    is_stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndView:
    """`next_commands` are (command, what it does); `test_difference` is champion against seed."""

    run: str
    reason: str
    lineage: tuple[LineageStep, ...]
    verdicts: dict[str, int]
    champion_id: str | None
    champion_reason: str
    champion_test: Rate
    seed_test: Rate
    is_testbed: bool
    progress: ProgressView
    next_commands: tuple[tuple[str, str], ...]
    test_difference: ScoreDiff | None = None
