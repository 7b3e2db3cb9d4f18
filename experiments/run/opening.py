"""Opens a run for looking: its journal read and folded, its harnesses at hand. Writes nothing."""

import fcntl
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from studbook.errors import IntegrityError, RevisionError
from studbook.experiments.run.folders import find_run, is_run
from studbook.harnesses.tree import HarnessTree
from studbook.populations.events import EvaluationDone, RunStarted
from studbook.populations.journal import Entry, JournalReader, entries_with
from studbook.populations.layout import RunFolder
from studbook.populations.lineage import Lineage
from studbook.populations.population import EMPTY, Population
from studbook.populations.revisions import resolve, split_revision
from studbook.populations.storage import storage_errors

EVALUATION = "evaluation_done"


@dataclass(frozen=True, kw_only=True)
class OpenedRun:
    """`head` is the hash of the last line, "" for an empty journal."""

    folder: RunFolder
    population: Population
    head: str

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All of the journal, every line proved."""
        return tuple(JournalReader(self.folder.journal))

    @property
    def start(self) -> RunStarted:
        if self.population.start is None:
            raise IntegrityError(f"{self.folder.journal} does not begin with run_started")
        return self.population.start

    def evaluations(self) -> Iterator[EvaluationDone]:
        """With their rounds and reasons, which the population leaves out; decoded anew each time."""
        for entry in self.entries:
            if entry.kind == EVALUATION and isinstance(event := entry.event, EvaluationDone):
                yield event

    def evaluations_of(self, harness_id: str) -> tuple[EvaluationDone, ...]:
        """The same of one harness: only its lines are read."""
        wanted = f'"harness_id":{json.dumps(harness_id)}'.encode()
        with storage_errors(self.folder.journal, "read"):
            entries = tuple(entries_with(self.folder.journal, wanted))
        events = (entry.event for entry in entries if entry.kind == EVALUATION)
        return tuple(
            event
            for event in events
            if isinstance(event, EvaluationDone) and event.evaluation.harness_id == harness_id
        )

    def read_tree(self, harness_id: str) -> HarnessTree:
        if not self.folder.lineage.is_dir():
            raise IntegrityError(
                f"{self.folder.lineage} is missing: the run folder is not whole\n  take it from a backup"
            )
        with Lineage(self.folder.lineage) as lineage:
            return HarnessTree.of(lineage.read(self.population.mutants[harness_id].commit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A run, and the harness of it that was named; None when only the run was."""

    run: OpenedRun
    harness_id: str | None

    def get_harness(self) -> str:
        return self.harness_id or resolve("best", self.run.population)


def open_run(name: str, runs_dir: Path) -> OpenedRun:
    """Proves every line of the journal on the way."""
    folder = find_run(name, runs_dir)
    reader, builder = JournalReader(folder.journal), EMPTY.builder()
    for entry in reader:
        builder.read(entry)
    head = reader.last.hash if reader.last else ""
    return OpenedRun(folder=folder, population=builder.build(), head=head)


def open_target(text: str, runs_dir: Path, same_run: OpenedRun | None = None) -> Target:
    """`RUN`, `RUN:REV`; with `same_run`, a bare name is a harness of it, or else another run."""
    name = split_revision(text)
    if name.run is None and same_run is not None and name.revision is not None:
        try:
            return Target(run=same_run, harness_id=resolve(name.revision, same_run.population))
        except RevisionError:
            if not is_run(text, runs_dir):
                raise
    if name.run is None:
        return Target(run=open_run(text, runs_dir), harness_id=None)
    run = open_run(name.run, runs_dir)
    return Target(run=run, harness_id=resolve(name.revision or "best", run.population))


def find_paper(text: str, run: OpenedRun) -> str:
    """The paper whose id begins with `text`; raises RevisionError when none or several do."""
    known = sorted({paper for split in run.start.splits.values() for paper in split})
    matches = [paper for paper in known if paper.startswith(text)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RevisionError(
            f"{text!r} begins {len(matches)} papers: {', '.join(matches[:4])}\n  give more of it"
        )
    raise RevisionError(
        f"no paper {text!r} in run {run.folder.name}\n  the run's papers: {', '.join(known[:4])}, …"
    )


def is_being_written(folder: RunFolder) -> bool:
    """Whether some process holds the writer's lock now; asks without waiting and lets go at once."""
    lock = folder.journal.with_name(folder.journal.name + ".lock")
    try:
        with lock.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
