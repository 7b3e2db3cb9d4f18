"""Checks the lineage against the journal: every mutant's files, commit and refs, and nothing else.

Every file of the repository is read as bytes and verified: objects by their ids, refs by their format. A
commit depends only on the journal and the files, so it is recomputed and must have the same id; otherwise the
difference is reported. No `git` runs, so nothing planted in the repository is executed; and what is read is
bounded, because whoever made the repository chose its sizes.
"""

import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import IntegrityError
from studbook.findings import Findings
from studbook.populations.git_layout import (
    BEST_BRANCH,
    CONFIG,
    FOREIGN,
    HEAD_CONTENT,
    LOOSE,
    REF,
    PackedRefs,
    files_below,
    find_ref,
    is_expected,
    is_leftover,
)
from studbook.populations.git_objects import MAX_OBJECT_BYTES, GitObject, commit_parts, read_files
from studbook.populations.git_packs import Packs
from studbook.populations.git_store import inflate
from studbook.populations.lineage import mutant_objects, tree_hash_of
from studbook.populations.population import SEED_ID
from studbook.populations.records import Mutant
from studbook.populations.storage import read_plain

NAME = "lineage.git"
MAX_ALL_BYTES = 1024**3
"""All objects of a run: ten thousand mutants have a quarter of it."""
MAX_PACK_EFFORT = 4 * MAX_ALL_BYTES
MAX_PACK_FAULTS = 100
MAX_FILES_BYTES = 8 * MAX_ALL_BYTES
"""The files of all mutants, counted once for each."""
OBJECT_BYTES = 200
"""What an object takes in memory besides its data, and some more."""

_NAMED_BYTES = 64 * 1024


class LineageFiles:
    """The contents of `path`: `objects` by id as (kind, data), `refs` by name. Faults go to `findings`."""

    def __init__(self, path: Path, findings: Findings) -> None:
        self._path = path
        self._findings = findings
        self._bytes = 0
        self.objects: dict[str, tuple[str, bytes]] = {}
        self.refs: dict[str, str] = {}
        self._read()

    def _read(self) -> None:
        if self._path.is_symlink():
            self._findings.fault(NAME, "it is a link, and a run has only plain files")
        for name in sorted(files_below(self._path)):
            if match := LOOSE.match(name):
                self._read_loose(name, match[1] + match[2])
            elif REF.match(name) and not is_leftover(name):
                self._read_ref(name)
            else:
                self._read_other(name)
        with self._reading("packed-refs"):
            self.refs = PackedRefs(self._path).read() | self.refs
        self._same("config", CONFIG, "git would act on it")
        self._same("HEAD", HEAD_CONTENT, "a clone would check out something else")
        with self._reading("objects/pack"):
            self._read_packs()

    def _place(self, name: str) -> str:
        return f"{NAME}/{name}"

    def _told(self, error: Exception) -> str:
        """The first line, with paths as they are in the repository."""
        return str(error).partition("\n")[0].replace(f"{self._path}/", "")

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, OSError) as error:
            self._findings.fault(self._place(name), self._told(error))

    def _read_loose(self, name: str, sha: str) -> None:
        self._findings.checked["git objects"] += 1
        try:
            found = GitObject.parse(inflate(read_plain(self._path / name, MAX_OBJECT_BYTES) or b""))
        except (OSError, IntegrityError) as error:
            self._findings.fault(self._place(name), f"the object cannot be read: {self._told(error)}")
            return
        problem = "the object is not what its name says"
        if self._findings.same(self._place(name), problem, sha, found.sha):
            self._keep(found)

    def _keep(self, found: GitObject) -> None:
        """Keeps objects in memory up to a limit."""
        self._bytes += len(found.data) + OBJECT_BYTES
        if self._bytes > MAX_ALL_BYTES:
            self._findings.fault(
                NAME, f"its objects have more than {MAX_ALL_BYTES:,} bytes; not all were read"
            )
        else:
            self.objects[found.sha] = found.kind, found.data

    def _read_ref(self, name: str) -> None:
        try:
            self.refs[name] = find_ref(self._path, name) or ""
        except (IntegrityError, OSError) as error:
            self._findings.fault(self._place(name), "the ref names no commit", found=self._told(error))

    def _read_other(self, name: str) -> None:
        try:
            mode = (self._path / name).lstat().st_mode
        except FileNotFoundError:
            return  # an unfinished write of a run that goes on
        if stat.S_ISDIR(mode):
            self._findings.fault(self._place(name), "the folder cannot be listed, or is too deep for a run")
        elif not is_expected(name) or not stat.S_ISREG(mode):
            self._findings.fault(self._place(name), FOREIGN)
        elif is_leftover(name):
            self._findings.note(f"{self._place(name)} was left by another write; you can delete it")

    def _same(self, name: str, expected: bytes, why: str) -> None:
        with self._reading(name):
            found = read_plain(self._path / name, _NAMED_BYTES)
            if found is None and name == "config":
                self._findings.note(f"{self._place(name)} is missing, which does no harm: git has defaults")
                return
            self._findings.same(
                self._place(name),
                f"it is not what Studbook wrote: {why}",
                expected.decode(),
                (b"nothing" if found is None else found).decode("utf-8", "replace"),
            )

    def _read_packs(self) -> None:
        packs = Packs(self._path / "objects")
        damaged = 0
        try:
            for sha, found in packs.read_all():
                self._findings.checked["git objects"] += 1
                if isinstance(found, IntegrityError):
                    damaged += 1
                    self._findings.fault(self._place("objects/pack"), self._told(found))
                elif sha not in self.objects:
                    self._keep(found)
                if packs.effort > MAX_PACK_EFFORT or damaged > MAX_PACK_FAULTS:
                    raise IntegrityError("more effort or damage than in any run; not all was read")
        finally:
            packs.close()


MUTANTS, HEADS = "refs/mutants/", "refs/heads/"
BEST = f"{HEADS}{BEST_BRANCH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The lineage according to the journal.

    `late`: members that may not have a branch yet, because their append may be the last one. `best`:
    harnesses that the branch may point to. `open_iterations`: iterations whose mutants may not be in the
    journal yet.
    """

    run_name: str
    mutants: Sequence[Mutant]
    members: Collection[str]
    late: Collection[str]
    best: Collection[str]
    open_iterations: range
    is_running: bool = False


def audit_lineage(files: LineageFiles, expected: Expected, findings: Findings) -> None:
    _Audit(files, expected, findings).run()


class _Audit:
    def __init__(self, files: LineageFiles, expected: Expected, findings: Findings) -> None:
        self._files = files
        self._expected = expected
        self._findings = findings
        self._known = {mutant.harness_id: mutant for mutant in expected.mutants}
        self._bytes = 0

    def run(self) -> None:
        for mutant in self._expected.mutants:
            self._findings.checked["harnesses"] += 1
            self._check_ref(f"{MUTANTS}{mutant.harness_id}", mutant.commit)
            if self._bytes < MAX_FILES_BYTES:
                self._check_commit(mutant)
        for name in self._expected.members:
            if name in self._known:
                self._check_branch(name)
        self._check_best()
        for name in sorted(self._files.refs):
            self._check_is_known(name)

    def _check_ref(self, name: str, commit: str) -> None:
        found = self._files.refs.get(name, "nothing")
        self._findings.same(f"{NAME}/{name}", "the journal names another commit", commit, found)

    def _check_branch(self, name: str) -> None:
        ref = f"{HEADS}{name}"
        if ref not in self._files.refs and name in self._expected.late:
            self._findings.note(f"{NAME}: {name} has no branch yet; the next commit of the run creates it")
        else:
            self._check_ref(ref, self._known[name].commit)

    def _check_best(self) -> None:
        """During a run it may point to a harness that was added after the journal was read."""
        commits = {self._known[name].commit for name in self._expected.best if name in self._known}
        if self._expected.is_running:
            commits |= {sha for name, sha in self._files.refs.items() if name.startswith(MUTANTS)}
        found = self._files.refs.get(BEST, "nothing")
        if commits and found not in commits:
            problem = "the branch does not point to the best harness of the journal"
            self._findings.fault(
                f"{NAME}/{BEST}", problem, expected=" or ".join(sorted(commits)), found=found
            )

    def _check_is_known(self, name: str) -> None:
        harness_id = name.removeprefix(MUTANTS).removeprefix(HEADS)
        if name == BEST or (name.startswith(MUTANTS) and harness_id in self._known):
            return
        if name.startswith(HEADS) and harness_id in self._expected.members:
            return
        if name.startswith((MUTANTS, HEADS)) and self._is_open(harness_id):
            self._findings.note(f"{NAME}/{name} belongs to an iteration that has not ended in the journal")
            return
        self._findings.fault(f"{NAME}/{name}", "the journal has no such ref", found=self._files.refs[name])

    def _is_open(self, harness_id: str) -> bool:
        if harness_id == SEED_ID:
            return not self._known  # it is committed before the first event
        number = harness_id.removeprefix("m")
        return number.isdecimal() and number.isascii() and int(number) in self._expected.open_iterations

    def _check_commit(self, mutant: Mutant) -> None:
        place = f"{NAME}, commit {mutant.commit} ({mutant.harness_id})"
        kind, data = self._files.objects.get(mutant.commit, ("", b""))
        if kind != "commit":
            self._findings.fault(place, "it is missing or cannot be read", found=kind)
            return
        try:
            files = read_files(commit_parts(data)[0], self._get)
        except IntegrityError as error:
            self._findings.fault(place, str(error))
            return
        self._bytes += sum(map(len, files.values()))
        if self._bytes >= MAX_FILES_BYTES:
            self._findings.fault(
                place, "the mutants have more files than those of any run; not all were read"
            )
        problem = "the files do not match the tree hash in the journal"
        if self._findings.same(place, problem, mutant.tree_hash, tree_hash_of(files)):
            self._compare(mutant, files, data, place)

    def _get(self, kind: str, sha: str, path: str) -> bytes:
        found, data = self._files.objects.get(sha, ("", b""))
        if found != kind:
            named = f"file {path}" if kind == "blob" else f"tree {path or '/'}"
            raise IntegrityError(f"its {named} ({sha}) is missing or cannot be read")
        return data

    def _compare(self, mutant: Mutant, files: dict[str, bytes], data: bytes, place: str) -> None:
        parent = self._known.get(mutant.parent_id or "")
        made = mutant_objects(
            mutant.harness_id,
            files,
            parent_commit=parent.commit if parent else None,
            parent_id=mutant.parent_id,
            iteration=mutant.iteration,
            hypothesis=mutant.hypothesis,
            run_name=self._expected.run_name,
            kind=mutant.kind,
        )[-1]
        if made.sha == mutant.commit:
            return
        says = _lines(data)
        expected = _lines(made.data)
        pairs = [(one, two) for one, two in zip(expected, says, strict=False) if one != two]
        one, two = pairs[0] if pairs else (f"{len(expected)} lines", f"{len(says)} lines")
        self._findings.fault(place, "it differs from the journal", expected=one, found=two)


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").splitlines()
