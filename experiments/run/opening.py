"""Finds run folders, creates them, and opens them for reading: the folded journal and the harnesses.

Opening writes nothing. A new folder is filled under a hidden name and renamed when it is complete, so a run
exists either completely or not at all. `populations/storage.py` defines what a folder contains.
"""

import difflib
import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from studbook.errors import IntegrityError, RevisionError, UsageError
from studbook.experiments.run.provenance import Provenance, provenance_of
from studbook.harnesses.tree import HarnessTree
from studbook.populations.events import EvaluationDone, RunStarted
from studbook.populations.family import resolve, split_revision
from studbook.populations.journal import Entry, JournalReader, entries_with
from studbook.populations.lineage import Lineage
from studbook.populations.population import EMPTY, Population
from studbook.populations.storage import RunFolder, open_plain, storage_errors, sync_folder
from studbook.sandbox.owner import DEADLINE_LABEL, OWNER_LABEL, is_stale, this_process

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
UNFINISHED = ".new-run-"
FOREIGN_SECONDS = 24 * 3600
"""Age at which a draft made on another machine, or before the last reboot, is removed."""

MAX_LOCK_BYTES = 64 * 1024

Write = Callable[[RunFolder], None]


def list_runs(runs_dir: Path) -> list[RunFolder]:
    """Folders with a journal, oldest first."""
    if not runs_dir.is_dir():
        return []
    named = [RunFolder(path) for path in runs_dir.iterdir() if not path.name.startswith(UNFINISHED)]
    found = [folder for folder in named if folder.exists]
    return sorted(found, key=_begun)


def _begun(folder: RunFolder) -> tuple[float, str]:
    return (folder.spec.stat().st_mtime if folder.spec.exists() else 0.0, folder.name)


def find_run(name: str, runs_dir: Path) -> RunFolder:
    """By name in `runs_dir`, or by path; raises RevisionError with the nearest name.

    Raises IntegrityError for a run whose files or folders are something else, such as links.
    """
    folder = locate_run(name, runs_dir)
    folder.check_kinds()
    return folder


def locate_run(name: str, runs_dir: Path) -> RunFolder:
    """`find_run`, for whoever reads a folder that may hold anything."""
    for folder in _places(name, runs_dir):
        if folder.exists:
            return folder
    names = [folder.name for folder in list_runs(runs_dir)]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        raise RevisionError(f"no run {name!r} in {runs_dir}\n  did you mean {near[0]}?")
    there = (
        f"runs there: {', '.join(names[-5:])}" if names else "there are none; start one: studbook run SPEC"
    )
    raise RevisionError(f"no run {name!r} in {runs_dir}\n  {there}")


def is_run(name: str, runs_dir: Path) -> bool:
    return any(folder.exists for folder in _places(name, runs_dir))


def _places(name: str, runs_dir: Path) -> tuple[RunFolder, RunFolder]:
    return RunFolder(runs_dir / name), RunFolder(Path(name))


def leave_empty(_: RunFolder) -> None:
    """Writes nothing into a new run folder."""


def create_run(
    runs_dir: Path, spec_name: str, wanted: str | None = None, write: Write = leave_empty
) -> RunFolder:
    """A new folder, `wanted` or spec_name-N; two runs started at once get two folders.

    `write` fills it. It is named once it is complete and has a journal: a process killed before that leaves
    no run, one killed later leaves a run that can be resumed. If `write` raises, nothing is left behind.
    """
    _check_wanted(runs_dir, wanted)
    draft = _make_unfinished(runs_dir)
    try:
        write(draft)
        with storage_errors(draft.root, "write"):
            draft.journal.touch()
        return _named(draft, runs_dir, spec_name, wanted)
    finally:
        shutil.rmtree(draft.root, ignore_errors=True)  # already renamed unless something failed


@contextmanager
def discarding_refused(folder: RunFolder) -> Iterator[None]:
    """Removes a new run that is refused (UsageError) before its first event: nothing of it was measured."""
    try:
        yield
    except UsageError:
        if not folder.journal.stat().st_size:
            shutil.rmtree(folder.root, ignore_errors=True)
        raise


def _check_wanted(runs_dir: Path, wanted: str | None) -> None:
    if wanted is None:
        return
    if not RUN_NAME.fullmatch(wanted):
        raise UsageError(
            f"--name {wanted!r}: letters, digits, dot, dash and underscore only, and no sign at the beginning"
        )
    path = runs_dir / wanted
    if RunFolder(path).exists:
        raise UsageError(f"{path} already exists\n  choose another --name, or: studbook resume {wanted}")
    if os.path.lexists(path):
        raise UsageError(f"{path} already exists and is not a run\n  choose another --name, or remove it")


def _make_unfinished(runs_dir: Path) -> RunFolder:
    """Its hidden name identifies the owner, so that the next run can remove what a killed one left."""
    with storage_errors(runs_dir, "create"):
        runs_dir.mkdir(parents=True, exist_ok=True)
        for left in runs_dir.glob(f"{UNFINISHED}*"):
            if _is_abandoned(left):
                shutil.rmtree(left, ignore_errors=True)
        owner = str(this_process()).replace("/", "_")
        path = runs_dir / f"{UNFINISHED}{owner}_{secrets.token_hex(4)}"
        path.mkdir()
    return RunFolder(path).create()


def _is_abandoned(draft: Path) -> bool:
    parts = draft.name.removeprefix(UNFINISHED).rsplit("_", 1)[0]
    try:
        deadline = int(draft.stat().st_mtime) + FOREIGN_SECONDS
    except OSError:  # its owner has just renamed or removed it
        return False
    return is_stale({OWNER_LABEL: parts.replace("_", "/", 2), DEADLINE_LABEL: str(deadline)}, time.time())


def _named(draft: RunFolder, runs_dir: Path, spec_name: str, wanted: str | None) -> RunFolder:
    number = 0 if wanted else _highest_number(runs_dir, spec_name)
    while True:
        number += 1
        path = runs_dir / (wanted or f"{spec_name}-{number}")
        if _rename(draft.root, path):
            return RunFolder(path)
        _check_wanted(runs_dir, wanted)


def _rename(draft: Path, path: Path) -> bool:
    """False if `path` exists. (An empty folder created at this moment would be replaced.)"""
    if os.path.lexists(path):
        return False
    with storage_errors(path, "create"):
        try:
            draft.rename(path)
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
                return False
            raise
        sync_folder(path.parent)
    return True


def _highest_number(runs_dir: Path, spec_name: str) -> int:
    numbers = [
        int(match[1])
        for path in runs_dir.iterdir()
        if (match := re.fullmatch(re.escape(spec_name) + r"-(\d{1,9})", path.name))
    ]
    return max(numbers, default=0)


EVALUATION = "evaluation_done"


@dataclass(frozen=True, kw_only=True)
class OpenedRun:
    """`head` is the hash of the journal's last line, "" for an empty journal."""

    folder: RunFolder
    population: Population
    head: str

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The journal up to `head`, every line verified; a run in progress may have written more since."""
        found: list[Entry] = []
        if self.head:
            for entry in JournalReader(self.folder.journal):
                found.append(entry)
                if entry.hash == self.head:
                    break
        return tuple(found)

    @cached_property
    def provenance(self) -> Provenance:
        return provenance_of(self.folder, self.head)

    @property
    def start(self) -> RunStarted:
        if self.population.start is None:
            raise IntegrityError(f"{self.folder.journal} does not begin with run_started")
        return self.population.start

    def evaluations(self) -> Iterator[EvaluationDone]:
        """With rounds and reasons, which the population omits; decoded on every call."""
        for entry in self.entries:
            if entry.kind == EVALUATION and isinstance(event := entry.event, EvaluationDone):
                yield event

    def evaluations_of(self, harness_id: str) -> tuple[EvaluationDone, ...]:
        """The evaluations of one harness; reads only its lines."""
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
        with Lineage.existing(self.folder.lineage) as lineage:
            return HarnessTree.of(lineage.read(self.population.mutants[harness_id].commit))

    def read_tree_to_run(self, harness_id: str) -> HarnessTree:
        """Raises IntegrityError if the files are not those whose hash is in the journal."""
        tree = self.read_tree(harness_id)
        if tree.tree_hash != self.population.mutants[harness_id].tree_hash:
            raise IntegrityError(f"{harness_id}: the files in the lineage differ from the journal's")
        return tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A run and the harness that was named; None if only the run was named."""

    run: OpenedRun
    harness_id: str | None

    def get_harness(self) -> str:
        return self.harness_id or resolve("best", self.run.population)


def open_run(name: str, runs_dir: Path) -> OpenedRun:
    """Verifies every line of the journal."""
    folder = find_run(name, runs_dir)
    reader, builder = JournalReader(folder.journal), EMPTY.builder()
    for entry in reader:
        builder.read(entry)
    head = reader.last.hash if reader.last else ""
    return OpenedRun(folder=folder, population=builder.build(), head=head)


def open_target(text: str, runs_dir: Path, same_run: OpenedRun | None = None) -> Target:
    """`RUN` or `RUN:REV`; with `same_run`, a bare name is first looked up among its harnesses."""
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
    """The paper whose id begins with `text`; raises RevisionError if none or several do."""
    known = sorted({paper for split in run.start.splits.values() for paper in split})
    matches = [paper for paper in known if paper.startswith(text)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RevisionError(
            f"{text!r} matches {len(matches)} papers: {', '.join(matches[:4])}\n  type more characters"
        )
    raise RevisionError(
        f"no paper {text!r} in run {run.folder.name}\n  the run's papers: {', '.join(known[:4])}, …"
    )


def find_start(folder: RunFolder) -> RunStarted | None:
    """The first event of the journal, without reading the others; None if the run has not begun."""
    for entry in JournalReader(folder.journal):
        return entry.event if isinstance(entry.event, RunStarted) else None
    return None


def read_head(folder: RunFolder) -> str:
    """The hash of the journal's last line, every line verified; "" for an empty journal."""
    reader = JournalReader(folder.journal)
    for _ in reader:
        pass
    return reader.last.hash if reader.last else ""


def is_being_written(folder: RunFolder) -> bool:
    """Whether a process holds the writer's lock now; does not wait and does not keep the lock."""
    try:
        with open_plain(folder.lock, MAX_LOCK_BYTES) as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, IntegrityError):  # of another kind: nobody can hold it
        return False
    except BlockingIOError:
        return True
    return False
