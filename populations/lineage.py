"""The files of every harness of a run, as a real git repository: `git log --graph --all` draws the tree.

`refs/mutants/m0031` names every mutant, admitted or not; branches (`refs/heads/m0031`) the seed and the
admitted mutants; `best` the best harness so far, so that a clone checks it out and `git diff seed best`
works. Commit ids depend only on content: author, committer and date (one minute per iteration) are derived,
and because no `git` process writes, no hook, signing key or line-ending rule of the user's configuration has
an effect.

The repository may be somebody else's: nothing in it is obeyed, and a file that could instruct git is refused
by name (`git_layout.py`); objects are read here (`git_store.py`, `git_packs.py`). Paths and hypotheses come
from models: a path means the same on every machine (`tree_paths.py`), and a hypothesis is the subject of its
commit, on one line, and can neither forge a trailer nor control a terminal.
"""

import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from studbook.errors import IntegrityError, ManifestError, RevisionError
from studbook.identity import hash_bytes, hash_json
from studbook.populations.git_layout import (
    BEST_BRANCH,
    CONFIG,
    FOLDERS,
    HEAD_CONTENT,
    SHA,
    PackedRefs,
    check_repository,
    find_ref,
)
from studbook.populations.git_objects import (
    MAX_FILES_BYTES,
    GitObject,
    commit_object,
    commit_parts,
    read_files,
    tree_objects,
)
from studbook.populations.git_packs import Packs
from studbook.populations.git_store import read_loose, store
from studbook.populations.population import Population
from studbook.populations.storage import atomic_write, storage_errors
from studbook.populations.tree_paths import check_tree_paths
from studbook.scratch import scratch_folder

_SUBJECT_LENGTH = 100
_VALUE_LENGTH = 1000
_KEY = re.compile(r"[A-Z][A-Za-z0-9-]{0,40}\Z")


def clean_line(text: str, length: int = _VALUE_LENGTH) -> str:
    """Printable, single spaces, at most `length` characters (then ending in an ellipsis)."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * length]).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def format_message(mutant_id: str, hypothesis: str, trailers: Mapping[str, str]) -> str:
    """Raises ValueError for a key that is not a valid trailer."""
    lines = [f"{mutant_id}: {clean_line(hypothesis, _SUBJECT_LENGTH) or 'no hypothesis'}", ""]
    for key, value in trailers.items():
        if not _KEY.match(key):
            raise ValueError(f"{key!r:.80} is not a trailer")
        lines.append(f"{key}: {clean_line(value) or '-'}")
    return "\n".join(lines) + "\n"


def read_trailers(message: str) -> dict[str, str]:
    """The trailers of a message written by `format_message`."""
    _, _, block = message.partition("\n\n")
    pairs = (line.partition(": ") for line in block.splitlines())
    return {key: value for key, separator, value in pairs if separator}


AUTHOR = "Studbook <studbook@localhost>"
FIRST_SECOND = 1_577_836_800  # 2020-01-01T00:00:00Z: the date of iteration 0
SECONDS_PER_ITERATION = 60
KEPT_BLOBS, KEPT_BLOB_BYTES = 512, 64_000
INCOMPLETE = "  the copy of the run is incomplete; ask for the file that `studbook pack` writes"

_ID = re.compile(r"seed|m[0-9]{4,}\Z")
_REF = re.compile(r"refs/(mutants|heads)/[a-z0-9]+\Z")


class Lineage:
    """Opens `path`, or creates it. Thread-safe. Close it, or use it in a `with` statement.

    Raises IntegrityError naming a file in it that Studbook did not write, StorageError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.RLock()
        self._stored: dict[str, None] = {}
        self._best: str | None = None
        self._blobs: dict[str, bytes] = {}
        with storage_errors(path, "read"):
            check_repository(path)
        if not (path / "HEAD").exists():
            _create(path)
        self._packs = Packs(path / "objects")
        self._packed_refs = PackedRefs(path)

    @classmethod
    def existing(cls, path: Path) -> Self:
        """Opens a lineage to read it; raises IntegrityError if there is none, and creates nothing."""
        if not os.path.lexists(path / "HEAD"):
            raise IntegrityError(
                f"{path} is missing: the run folder is incomplete\n  restore it from a backup"
            )
        return cls(path)

    def add(
        self,
        mutant_id: str,
        tree: Mapping[str, bytes],
        *,
        parent_commit: str | None,
        iteration: int,
        hypothesis: str,
        run_name: str,
        kind: str,
        trailers: Mapping[str, str] | None = None,
    ) -> str:
        """Returns the commit id, once durable. The same arguments give the same commit and change nothing.

        Objects are written before the ref, so a crash leaves at most unreferenced objects. An id that already
        has a different tree (from an iteration that never reached the journal) is moved to this one. Raises
        ManifestError for a path that is not allowed or files that are too large, RevisionError for an unknown
        parent.
        """
        _check_id(mutant_id)
        check_tree_paths(tree)
        if sum(map(len, tree.values())) >= MAX_FILES_BYTES:
            raise ManifestError(f"the files of a harness have less than {MAX_FILES_BYTES:,} bytes together")
        with self._guard:
            made = mutant_objects(
                mutant_id,
                tree,
                parent_commit=parent_commit,
                parent_id=None if parent_commit is None else self._mutant_of(parent_commit),
                iteration=iteration,
                hypothesis=hypothesis,
                run_name=run_name,
                kind=kind,
                trailers=trailers,
            )
            commit = made[-1]
            with storage_errors(self.path, "write to"):
                store(self.path / "objects", made, self._stored)
            self._point(f"refs/mutants/{mutant_id}", commit.sha)
            if self._find_ref(f"refs/heads/{BEST_BRANCH}") is None:
                self.admit(mutant_id)
                self.set_best(mutant_id)
            return commit.sha

    def admit(self, mutant_id: str) -> None:
        """Creates the branch of a mutant."""
        self._point(f"refs/heads/{mutant_id}", self.get_commit(mutant_id))

    def set_best(self, mutant_id: str) -> None:
        """Moves `best`, which a clone checks out; it starts at the first harness added."""
        commit = self.get_commit(mutant_id)
        with self._guard:
            if self._best != commit:
                self._point(f"refs/heads/{BEST_BRANCH}", commit)
                self._best = commit

    def find_commit(self, mutant_id: str) -> str | None:
        """The commit of a mutant, None if there is no such mutant."""
        return self._find_ref(f"refs/mutants/{mutant_id}") if _ID.match(mutant_id) else None

    def get_commit(self, revision: str) -> str:
        """The commit id of a mutant id, a `refs/…` name or a commit id; raises RevisionError."""
        if SHA.match(revision):
            return revision
        name = revision if _REF.match(revision) else None
        commit = self._find_ref(name) if name else self.find_commit(revision)
        if commit is None:
            raise RevisionError(f"{self.path} has no mutant or ref {revision[:80]!r}")
        return commit

    def read(self, revision: str) -> dict[str, bytes]:
        """The files of a mutant id, ref or commit id.

        Raises IntegrityError if they were changed or are incomplete, RevisionError for an unknown commit.
        """
        commit = self.get_commit(revision)
        with self._guard:
            tree, message = self._commit(commit)
            try:
                files = read_files(tree, self._get)
            except IntegrityError as error:
                raise IntegrityError(f"{self.path}: {revision[:80]}: {error}") from error
        if tree_hash_of(files) != read_trailers(message).get("Tree-Hash"):
            raise IntegrityError(f"{self.path}: the files of {revision[:80]} are not those that were added")
        return files

    def trailers(self, revision: str) -> dict[str, str]:
        """Mutant, Parent, Run, Iteration, Kind, Hypothesis, Tree-Hash and any others."""
        with self._guard:
            return read_trailers(self._commit(self.get_commit(revision))[1])

    def _commit(self, sha: str) -> tuple[str, str]:
        """The tree and the message."""
        found = self._find(sha)
        if found is None:
            raise RevisionError(f"{self.path} has no commit {sha}\n{INCOMPLETE}")
        try:
            return commit_parts(found.data if found.kind == "commit" else b"")
        except IntegrityError as error:
            raise IntegrityError(f"{self.path}: {sha}: {error}") from error

    def _mutant_of(self, commit: str) -> str:
        name = self.trailers(commit).get("Mutant")
        if name is None:
            raise IntegrityError(f"{self.path}: {commit} is not the commit of a mutant")
        return name

    def _get(self, kind: str, sha: str, path: str) -> bytes:
        """Caches recent small files, because most files of a harness are its parent's."""
        data = self._blobs.pop(sha, None) if kind == "blob" else None
        if data is None:
            found = self._find(sha)
            if found is None:
                raise IntegrityError(f"{path or 'its files'} (object {sha}): not there\n{INCOMPLETE}")
            if found.kind != kind:
                raise IntegrityError(f"{path or 'its files'} (object {sha}): a {found.kind}, not a {kind}")
            data = found.data
        if kind == "blob" and len(data) <= KEPT_BLOB_BYTES:
            self._blobs[sha] = data
            if len(self._blobs) > KEPT_BLOBS:
                del self._blobs[next(iter(self._blobs))]
        return data

    def _find(self, sha: str) -> GitObject | None:
        with storage_errors(self.path, "read"):
            return read_loose(self.path / "objects", sha) or self._packs.find(sha)

    def _find_ref(self, name: str) -> str | None:
        with self._guard, storage_errors(self.path, "read"):
            return find_ref(self.path, name) or self._packed_refs.find(name)

    def _point(self, ref: str, commit: str) -> None:
        with self._guard:
            if self._find_ref(ref) != commit:
                atomic_write(self.path / ref, commit.encode() + b"\n", temporary_in=self.path)

    def close(self) -> None:
        with self._guard:
            self._packs.close()

    def __enter__(self) -> "Lineage":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def mutant_objects(
    mutant_id: str,
    tree: Mapping[str, bytes],
    *,
    parent_commit: str | None,
    parent_id: str | None,
    iteration: int,
    hypothesis: str,
    run_name: str,
    kind: str,
    trailers: Mapping[str, str] | None = None,
) -> list[GitObject]:
    """All objects of a mutant, its commit last: the same arguments give the same ids on any machine."""
    message = format_message(
        mutant_id,
        hypothesis,
        {
            "Mutant": mutant_id,
            "Parent": "-" if parent_id is None else parent_id,
            "Run": run_name,
            "Iteration": str(iteration),
            "Kind": str(kind),
            "Hypothesis": hypothesis,
            "Tree-Hash": tree_hash_of(tree),
            **(trailers or {}),
        },
    )
    objects = tree_objects(tree)
    seconds = FIRST_SECOND + SECONDS_PER_ITERATION * iteration
    commit = commit_object(
        tree=objects[-1].sha, parent=parent_commit, author=AUTHOR, seconds=seconds, message=message
    )
    return [*objects, commit]


def _create(path: Path) -> None:
    """Creates a bare repository like `git init`, without the user's templates; HEAD last, to complete it."""
    with storage_errors(path, "create"):
        for name in FOLDERS:
            (path / name).mkdir(parents=True, exist_ok=True)
    atomic_write(path / "config", CONFIG)
    atomic_write(path / "HEAD", HEAD_CONTENT)


def rebuild(source: Lineage, population: Population, target: Path) -> None:
    """Makes the lineage anew in `target`, a new folder, from the journal's mutants and their files.

    All or nothing. Raises IntegrityError for a commit that is not the one the journal names, StorageError.
    """
    with storage_errors(target, "create"):
        target = target.resolve()  # a link to an empty folder is followed
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder("lineage", within=target.parent) as draft:
            with Lineage(draft / "lineage.git") as made:
                _add_all(source, population, made)
            made.path.rename(target)


def _add_all(source: Lineage, population: Population, made: Lineage) -> None:
    for mutant in population.mutants.values():
        parent = population.mutants[mutant.parent_id] if mutant.parent_id is not None else None
        commit = made.add(
            mutant.harness_id,
            source.read(mutant.commit),
            parent_commit=parent.commit if parent else None,
            iteration=mutant.iteration,
            hypothesis=mutant.hypothesis,
            run_name=population.start.run_name if population.start else "",
            kind=mutant.kind,
        )
        if commit != mutant.commit:
            raise IntegrityError(f"{source.path}: the commit of {mutant.harness_id} differs from the journal")
    for harness_id in population.members:
        made.admit(harness_id)
    if population.members:
        made.set_best(population.best_id)


def _check_id(mutant_id: str) -> None:
    if not _ID.match(mutant_id):
        raise ValueError(f"{mutant_id[:80]!r} is not a mutant id")


def tree_hash_of(files: Mapping[str, bytes]) -> str:
    """The same hash as `HarnessTree.tree_hash`, which is in a higher layer."""
    return hash_json({path: hash_bytes(data) for path, data in files.items()})
