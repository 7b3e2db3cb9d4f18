"""Does the lineage hold exactly what the journal says: every mutant's files, commit and refs, and no others?

A commit is made from nothing but the journal's words and the files, so it is made again and must have the
same id; where it has not, what differs is named. Reading the repository is `populations/lineage_files.py`'s.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from populations.git_objects import commit_parts, tree_rows
from populations.lineage import BEST_BRANCH, mutant_objects, tree_hash_of
from populations.lineage_files import NAME, LineageFiles
from populations.population import SEED_ID
from populations.records import Mutant
from studbook.errors import IntegrityError
from studbook.faults import Findings

MUTANTS, HEADS = "refs/mutants/", "refs/heads/"
BEST = f"{HEADS}{BEST_BRANCH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the journal says of the lineage.

    `late`: members that may have no branch yet (their append may be the last thing that happened). `best`:
    harnesses that the branch may stand at. `open_iterations`: whose mutants the journal may not know yet.
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

    def run(self) -> None:
        for mutant in self._expected.mutants:
            self._findings.checked["harnesses"] += 1
            self._check_ref(f"{MUTANTS}{mutant.harness_id}", mutant.commit)
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
            self._findings.note(f"{NAME}: {name} has no branch yet; the next commit of the run makes it")
        else:
            self._check_ref(ref, self._known[name].commit)

    def _check_best(self) -> None:
        """In a running run it may stand at a harness that the journal has got since it was read."""
        commits = {self._known[name].commit for name in self._expected.best if name in self._known}
        if self._expected.is_running:
            commits |= {sha for name, sha in self._files.refs.items() if name.startswith(MUTANTS)}
        found = self._files.refs.get(BEST, "nothing")
        if commits and found not in commits:
            problem = "the branch does not stand at the best harness of the journal"
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
            self._findings.note(f"{NAME}/{name} belongs to an iteration the journal does not end yet")
            return
        self._findings.fault(f"{NAME}/{name}", "the journal knows no such ref", found=self._files.refs[name])

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
            files = dict(self._walk(commit_parts(data)[0]))
        except (IntegrityError, UnicodeDecodeError, RecursionError) as error:
            self._findings.fault(place, str(error))
            return
        problem = "the files are not those the journal names by its tree hash"
        if self._findings.same(place, problem, mutant.tree_hash, tree_hash_of(files)):
            self._compare(mutant, files, data, place)

    def _walk(self, tree: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        kind, data = self._files.objects.get(tree, ("", b""))
        if kind != "tree":
            raise IntegrityError(f"its tree {tree} ({prefix or '/'}) is missing or cannot be read")
        for name, is_folder, sha in tree_rows(data):
            if is_folder:
                yield from self._walk(sha, f"{prefix}{name}/")
                continue
            kind, content = self._files.objects.get(sha, ("", b""))
            if kind != "blob":
                raise IntegrityError(f"its file {prefix}{name} ({sha}) is missing or cannot be read")
            yield f"{prefix}{name}", content

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
        expected = _lines(made.content.partition(b"\0")[2])
        pairs = [(one, two) for one, two in zip(expected, says, strict=False) if one != two]
        one, two = pairs[0] if pairs else (f"{len(expected)} lines", f"{len(says)} lines")
        self._findings.fault(place, "it says other things than the journal", expected=one, found=two)


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").splitlines()
