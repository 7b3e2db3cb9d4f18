"""Open a run and read it, as plain records.

Takes no lock, writes nothing, works during a run, and imports no code of plug-ins or harnesses. Raises
RevisionError for an unknown name and IntegrityError for a damaged run. `experiments/library/working.py`
starts runs and evaluations.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from studbook.errors import RevisionError
from studbook.experiments.run.costs import state_of
from studbook.experiments.run.opening import OpenedRun, find_paper, is_being_written
from studbook.experiments.run.opening import open_run as open_folder
from studbook.experiments.views.views import LineageStep, RunSummary, as_json, lineage_steps, run_summary
from studbook.harnesses.folder import write_harness
from studbook.harnesses.tree import HarnessTree
from studbook.populations.diff import FileDiff, HarnessDiff, diff_evaluations, diff_files
from studbook.populations.events import EvaluationDone, Purpose
from studbook.populations.family import resolve
from studbook.populations.population import SEED_ID
from studbook.populations.records import MutationKind, PaperResult, PaperVerdict, Verdict
from studbook.populations.storage import RUNS_DIR
from studbook.rate import Rate

if TYPE_CHECKING:
    from studbook.evaluate.trajectories import Trajectory

Record = TypeVar("Record", covariant=True)


class Records(Sequence[Record], Generic[Record]):
    """Frozen records in order: a sequence that converts to a data frame."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = tuple(records)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> "Records[Record]": ...
    def __getitem__(self, index: int | slice) -> "Record | Records[Record]":
        return Records(self._records[index]) if isinstance(index, slice) else self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"Records({list(self._records)!r})"

    def to_dicts(self) -> list[dict[str, Any]]:
        """One flat dict of plain values per record, for `pandas.DataFrame(...)`.

        A rate becomes two columns, NAME_passed and NAME_n, so its n is never lost.
        """
        return [_flat(record) for record in self._records]


def _flat(record: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in dataclasses.fields(record):
        value = getattr(record, each.name)
        if isinstance(value, Rate):
            found |= {f"{each.name}_passed": value.passed, f"{each.name}_n": value.n}
        else:
            found[each.name] = as_json(value)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class MutantRecord:
    """A harness of a run: the seed, or a mutant, admitted or not.

    `verdict` is None for the seed. `validation` pools its complete validation evaluations during the search.
    """

    harness_id: str
    parent_id: str | None
    iteration: int
    kind: MutationKind
    verdict: Verdict | None
    reason: str
    hypothesis: str
    validation: Rate
    knobs: dict[str, float]
    tree_hash: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRecord:
    """One harness over the papers of one split with one replicate number.

    `is_complete` is False if racing stopped it early; `confirmed` counts the accepted examples that were
    accepted again on fresh rollouts.
    """

    harness_id: str
    purpose: Purpose
    iteration: int
    split: str
    replicate: int
    is_complete: bool
    rate: Rate
    confirmed: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRecord:
    """One harness on one paper in one evaluation."""

    harness_id: str
    purpose: Purpose
    iteration: int
    split: str
    replicate: int
    paper_id: str
    verdict: PaperVerdict
    reason: str
    rounds: int
    calls: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Changes between two harnesses. `scores` is None across runs: their papers and random seeds differ."""

    before: str
    after: str
    files: Records[FileDiff]
    scores: HarnessDiff | None

    def __str__(self) -> str:
        """The file changes as one unified diff."""
        return "\n".join(line for file in self.files for line in file.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Harness:
    """A harness stored in a run."""

    record: MutantRecord
    opened: OpenedRun = field(repr=False)

    @property
    def name(self) -> str:
        """RUN:HARNESS, as the command line spells it."""
        return f"{self.opened.folder.name}:{self.record.harness_id}"

    @property
    def tree(self) -> HarnessTree:
        """Its files and its manifest."""
        return self.opened.read_tree(self.record.harness_id)

    def diff(self, before: "str | Harness") -> Comparison:
        """What changed from `before`, a harness or a name in this run: files, papers, score."""
        if isinstance(before, str):
            before = Run.of(self.opened).harness(before)
        first, second = before.record.harness_id, self.record.harness_id
        is_same_run = before.opened.folder.root.resolve() == self.opened.folder.root.resolve()
        return Comparison(
            before=before.name,
            after=self.name,
            files=Records(diff_files(before.tree.files, self.tree.files)),
            scores=diff_evaluations(self.opened.population, first, second) if is_same_run else None,
        )

    def write(self, folder: str | Path) -> Path:
        """Copies the harness to a new or empty folder. Raises ManifestError, StorageError."""
        write_harness(self.tree, Path(folder))
        return Path(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The state of a run folder when it was opened; open it again to see later changes."""

    opened: OpenedRun = field(repr=False)
    folder: Path

    @staticmethod
    def of(opened: OpenedRun) -> "Run":
        return Run(opened=opened, folder=opened.folder.root)

    @property
    def name(self) -> str:
        return self.opened.folder.name

    @property
    def is_running(self) -> bool:
        """Whether a process is writing it now."""
        return is_being_written(self.opened.folder)

    @property
    def summary(self) -> RunSummary:
        """The line that `studbook ls` shows."""
        return run_summary(self.name, self.opened.population, state_of(self.opened))

    @property
    def seed(self) -> Harness:
        return self.harness(SEED_ID)

    @property
    def best(self) -> Harness:
        """The champion if there is one, else the population member with the highest score."""
        return self.harness("best")

    @property
    def champion(self) -> Harness | None:
        """The harness that the run recommends; None if it is unfinished or measured no mutant."""
        champion = self.opened.population.champion
        return None if champion is None else self.harness(champion.harness_id)

    def harness(self, revision: str | Harness) -> Harness:
        """`seed`, `best`, `m0003`, `m0003^`, `m0003~2`. Raises RevisionError with the nearest name."""
        return Harness(record=self._record(self._id_of(revision)), opened=self.opened)

    def _id_of(self, revision: str | Harness) -> str:
        """Of a name, or of a harness of this run."""
        name = revision.record.harness_id if isinstance(revision, Harness) else revision
        return resolve(name, self.opened.population)

    def mutants(self) -> Records[MutantRecord]:
        """The seed and every mutant that was made, in the order of the iterations."""
        return Records(self._record(name) for name in self.opened.population.mutants)

    def lineage(self, revision: str | Harness = "best") -> Records[LineageStep]:
        """From the seed to this harness."""
        return Records(lineage_steps(self.opened.population, self._id_of(revision)))

    def evaluations(self) -> Records[EvaluationRecord]:
        """All evaluations in journal order."""
        return Records(
            EvaluationRecord(
                harness_id=each.harness_id,
                purpose=each.purpose,
                iteration=each.iteration,
                split=each.split,
                replicate=each.replicate,
                is_complete=each.is_complete,
                rate=each.rate,
                confirmed=each.confirmed,
            )
            for each in self.opened.population.evaluations
        )

    def results(self) -> Records[PaperRecord]:
        """One record per paper of each evaluation; reads the whole journal."""
        return Records(
            PaperRecord(
                harness_id=event.evaluation.harness_id,
                purpose=event.purpose,
                iteration=event.iteration,
                split=event.evaluation.split,
                replicate=event.evaluation.replicate,
                paper_id=result.paper_id,
                verdict=result.verdict,
                reason=result.reason,
                rounds=len(result.rounds),
                calls=result.calls,
                prompt_tokens=result.usage.prompt_tokens,
                completion_tokens=result.usage.completion_tokens,
            )
            for event in self.opened.evaluations()
            for result in event.evaluation.results
        )

    def trajectories(self, revision: str | Harness, paper: str) -> "Records[Trajectory]":
        """Everything a harness did on a paper (a prefix of its id is enough), oldest first.

        Raises RevisionError if there is no such paper, or the harness was never run on it.
        """
        from studbook.evaluate.trajectories import TrajectoryStore  # imports the evaluator

        harness_id = self._id_of(revision)
        found = results_on(self.opened, harness_id, find_paper(paper, self.opened))
        store = TrajectoryStore(self.opened.folder.trajectories)
        return Records(store.get(result.key) for _, result in found)

    def trajectory(self, revision: str | Harness, paper: str) -> "Trajectory":
        """The latest of `trajectories`."""
        return self.trajectories(revision, paper)[-1]

    def _record(self, harness_id: str) -> MutantRecord:
        population = self.opened.population
        mutant, decision = population.mutants[harness_id], population.find_decision(harness_id)
        return MutantRecord(
            harness_id=harness_id,
            parent_id=mutant.parent_id,
            iteration=mutant.iteration,
            kind=mutant.kind,
            verdict=decision.verdict if decision else None,
            reason=decision.reason if decision else "",
            hypothesis=mutant.hypothesis,
            validation=population.tally(harness_id).observed,
            knobs=dict(mutant.knobs),
            tree_hash=mutant.tree_hash,
            commit=mutant.commit,
        )


def results_on(run: OpenedRun, harness_id: str, paper_id: str) -> list[tuple[EvaluationDone, PaperResult]]:
    """All results of a harness on a paper, in journal order; raises RevisionError if there are none."""
    found = [
        (event, result)
        for event in run.evaluations_of(harness_id)
        for result in event.evaluation.results
        if result.paper_id == paper_id
    ]
    if not found:
        where = f"{run.folder.name}:{harness_id}"
        raise RevisionError(f"{harness_id} was not run on paper {paper_id}\n  see: studbook show {where}")
    return found


def open_run(run: str | Path, runs_dir: str | Path = RUNS_DIR) -> Run:
    """A run by path, or by name in `runs_dir`. Raises RevisionError, IntegrityError; writes nothing."""
    return Run.of(open_folder(str(run), Path(runs_dir)))
