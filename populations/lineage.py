"""The files of every harness of a run, as a real git repository: `git log --graph --all` draws the tree.

`refs/mutants/m0031` names every mutant, admitted or not; branches (`refs/heads/m0031`) the seed and the
admitted mutants; `best` the best harness so far, so that a clone checks it out and `git diff seed best`
works. Commit ids depend only on content: author, committer and date (one minute per iteration) are derived,
and because no `git` process writes, no hook, signing key or line-ending rule of the user's configuration has
an effect. `populations/git_store.py` stores the objects.

Paths and hypotheses come from models, so they are untrusted. A path means the same on every machine: `git
fsck --strict` finds no fault, and a checkout never writes outside its folder or into `.git`. A hypothesis is
the subject of its commit, on one line, and can neither forge a trailer nor control a terminal.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from studbook.errors import IntegrityError, ManifestError, RevisionError
from studbook.identity import hash_bytes, hash_json
from studbook.populations.git_store import (
    GitObject,
    PackedRepository,
    commit_object,
    commit_parts,
    read_loose,
    store,
    tree_objects,
    tree_rows,
)
from studbook.populations.storage import atomic_write, storage_errors

_PART_BYTES = 255
_PATH_BYTES = 1024
_FORBIDDEN = frozenset('\\:*?"<>|')


def check_tree_paths(paths: Iterable[str]) -> None:
    """Raises ManifestError naming the first path that is not allowed, and why."""
    names = set(paths)
    for path in sorted(names):
        reason = _find_fault(path)
        if reason is None and any(folder in names for folder in _folders(path)):
            reason = "one of its folders is also a file"
        if reason is not None:
            raise ManifestError(f"a harness cannot contain the file {path[:200]!a}: {reason}")


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def _find_fault(path: str) -> str | None:
    if (
        not path.isprintable()
    ):  # control characters, lone surrogates, and invisible characters that could hide ".git"
        return "it contains characters that cannot be printed"
    if len(path.encode("utf-8")) > _PATH_BYTES:
        return f"it is longer than {_PATH_BYTES} bytes"
    return next((fault for part in path.split("/") if (fault := _find_part_fault(part)) is not None), None)


def _find_part_fault(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "it is not a plain relative path"
    if part.casefold().startswith((".git", "git~")):
        return "names starting with .git are reserved for git"
    if _FORBIDDEN & set(part) or part != part.strip() or part.endswith("."):
        return "it means something different on another operating system"
    if len(part.encode("utf-8")) > _PART_BYTES:
        return f"a name in it is longer than {_PART_BYTES} bytes"
    return None


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
BEST_BRANCH = "best"
KEPT_BLOBS, KEPT_BLOB_BYTES = 512, 64_000

CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
HEAD_CONTENT = f"ref: refs/heads/{BEST_BRANCH}\n".encode()
_ID = re.compile(r"seed|m[0-9]{4,}\Z")
_SHA = re.compile(r"[0-9a-f]{40}\Z")
_REF = re.compile(r"refs/(mutants|heads)/[a-z0-9]+\Z")


class Lineage:
    """Opens `path`, or creates it. Thread-safe. Close it, or use it in a `with` statement."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.RLock()
        self._stored: dict[str, None] = {}
        self._best: str | None = None
        self._blobs: dict[str, bytes] = {}
        if not (path / "HEAD").exists():
            _create(path)
        self._packed = PackedRepository(path)

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
        ManifestError for a path that is not allowed, RevisionError for an unknown parent.
        """
        _check_id(mutant_id)
        check_tree_paths(tree)
        with self._guard:
            made = mutant_objects(
                mutant_id,
                tree,
                parent_commit=parent_commit,
                parent_id=None if parent_commit is None else self.trailers(parent_commit)["Mutant"],
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
        if _SHA.match(revision):
            return revision
        name = revision if _REF.match(revision) else None
        commit = self._find_ref(name) if name else self.find_commit(revision)
        if commit is None:
            raise RevisionError(f"{self.path} has no mutant or ref {revision[:80]!r}")
        return commit

    def read(self, revision: str) -> dict[str, bytes]:
        """The files of a mutant id, ref or commit id. Raises IntegrityError if they were changed."""
        with self._guard:
            tree, message = commit_parts(self._object(self.get_commit(revision)))
            files = dict(sorted(self._files(tree)))
        if tree_hash_of(files) != read_trailers(message).get("Tree-Hash"):
            raise IntegrityError(f"{self.path}: the files of {revision[:80]} are not those that were added")
        return files

    def trailers(self, revision: str) -> dict[str, str]:
        """Mutant, Parent, Run, Iteration, Kind, Hypothesis, Tree-Hash and any others."""
        with self._guard:
            return read_trailers(commit_parts(self._object(self.get_commit(revision)))[1])

    def _files(self, tree: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        for name, is_folder, sha in tree_rows(self._object(tree)):
            if is_folder:
                yield from self._files(sha, f"{prefix}{name}/")
            else:
                yield f"{prefix}{name}", self._blob(sha)

    def _blob(self, sha: str) -> bytes:
        """Caches recent small files, because most files of a harness are its parent's."""
        data = self._blobs.pop(sha, None) or self._object(sha)
        if len(data) <= KEPT_BLOB_BYTES:
            self._blobs[sha] = data
            if len(self._blobs) > KEPT_BLOBS:
                del self._blobs[next(iter(self._blobs))]
        return data

    def _object(self, sha: str) -> bytes:
        with storage_errors(self.path, "read"):
            data = read_loose(self.path / "objects", sha)
        if data is None:
            data = self._packed.find_object(sha)
        if data is None:
            raise RevisionError(f"{self.path} has no object {sha}")
        return data

    def _find_ref(self, name: str) -> str | None:
        with self._guard, storage_errors(self.path, "read"):
            path = self.path / name
            return path.read_text("ascii").strip() if path.is_file() else self._packed.find_ref(name)

    def _point(self, ref: str, commit: str) -> None:
        with self._guard:
            if self._find_ref(ref) != commit:
                atomic_write(self.path / ref, commit.encode() + b"\n", temporary_in=self.path)

    def close(self) -> None:
        with self._guard:
            self._packed.close()

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
        for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "refs/mutants"):
            (path / name).mkdir(parents=True, exist_ok=True)
    atomic_write(path / "config", CONFIG)
    atomic_write(path / "HEAD", HEAD_CONTENT)


def _check_id(mutant_id: str) -> None:
    if not _ID.match(mutant_id):
        raise ValueError(f"{mutant_id[:80]!r} is not a mutant id")


def tree_hash_of(files: Mapping[str, bytes]) -> str:
    """The same hash as `HarnessTree.tree_hash`, which is in a higher layer."""
    return hash_json({path: hash_bytes(data) for path, data in files.items()})
