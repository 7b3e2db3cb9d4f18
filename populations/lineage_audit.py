"""Checks the lineage against the journal: every mutant's files, commit and refs, and nothing else.

Every file of the repository is read as bytes and verified: objects by their ids, refs by their format. A
commit depends only on the journal and the files, so it is recomputed and must have the same id; otherwise the
difference is reported. No `git` process runs in the repository, so a planted hook or config is never
executed; packs are read by a process that only sees the objects.
"""

import hashlib
import os
import re
import subprocess
import tempfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import IntegrityError
from studbook.findings import Findings
from studbook.populations.git_store import commit_parts, tree_rows
from studbook.populations.lineage import BEST_BRANCH, CONFIG, HEAD_CONTENT, mutant_objects, tree_hash_of
from studbook.populations.population import SEED_ID
from studbook.populations.records import Mutant

NAME = "lineage.git"
GIT_SECONDS = 600
MAX_OBJECT_BYTES = 64 * 1024 * 1024

_LOOSE = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{38})\Z")
_PACK = re.compile(r"objects/pack/pack-[0-9a-f]{40}\.(?:pack|idx|rev|bitmap|mtimes)\Z")
_LEFTOVER = re.compile(r"(?:objects/[0-9a-f]{2}/tmp_obj_[^/]+|\.[^/]+\.part)\Z")
_DERIVED = frozenset({"objects/info/packs", "objects/info/commit-graph", "info/refs"})
_SHA = re.compile(r"[0-9a-f]{40}\Z")
_PACKED_REF = re.compile(r"([0-9a-f]{40}) (refs/[^ ]+)\Z")


class LineageFiles:
    """The contents of `path`: `objects` by id as (kind, data), `refs` by name. Faults go to `findings`."""

    def __init__(self, path: Path, findings: Findings) -> None:
        self._path = path
        self._findings = findings
        self.objects: dict[str, tuple[str, bytes]] = {}
        self.refs: dict[str, str] = {}
        self._read()

    def _read(self) -> None:
        packed: dict[str, str] = {}
        has_packs = False
        for name in sorted(_files_below(self._path)):
            if match := _LOOSE.match(name):
                self._read_loose(name, match[1] + match[2])
            elif name.startswith("refs/"):
                self._read_ref(name)
            elif name == "packed-refs":
                packed = self._read_packed_refs()
            elif _PACK.match(name):
                has_packs = True
            else:
                self._read_other(name)
        self.refs = packed | self.refs
        self._same("config", CONFIG, "git would act on it")
        self._same("HEAD", HEAD_CONTENT, "a clone would check out something else")
        if has_packs:
            self._read_packs()

    def _place(self, name: str) -> str:
        return f"{NAME}/{name}"

    def _read_loose(self, name: str, sha: str) -> None:
        self._findings.checked["git objects"] += 1
        try:
            inflater = zlib.decompressobj()
            content = inflater.decompress((self._path / name).read_bytes(), MAX_OBJECT_BYTES)
            if not inflater.eof or inflater.unused_data:
                raise zlib.error("cut short, too large, or followed by other bytes")
        except (OSError, zlib.error) as error:
            self._findings.fault(self._place(name), f"the object cannot be read: {error}")
            return
        head, _, data = content.partition(b"\0")
        kind = head.partition(b" ")[0].decode("ascii", "replace")
        found = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        problem = "the object is not what its name says"
        if self._findings.same(self._place(name), problem, sha, found):
            self.objects[sha] = kind, data

    def _read_ref(self, name: str) -> None:
        text = (self._path / name).read_bytes().decode("ascii", "replace")
        if text.endswith("\n") and _SHA.match(text[:-1]):
            self.refs[name] = text[:-1]
        else:
            self._findings.fault(self._place(name), "the ref names no commit", found=text)

    def _read_packed_refs(self) -> dict[str, str]:
        """The first line is written by git; our refs are commits, so none has a peeled line."""
        refs = {}
        lines = (self._path / "packed-refs").read_bytes().decode("utf-8", "replace").splitlines()
        for number, line in enumerate(lines, start=1):
            if match := _PACKED_REF.match(line):
                refs[match[2]] = match[1]
            elif not line.startswith("# pack-refs with:"):
                place = f"{self._place('packed-refs')}, line {number}"
                self._findings.fault(place, "it is not a ref", found=line)
        return refs

    def _read_other(self, name: str) -> None:
        if _LEFTOVER.match(name):
            self._findings.note(
                f"{self._place(name)} is left over from an interrupted write; you can delete it"
            )
        elif name not in {"config", "HEAD"} | _DERIVED and not name.startswith("objects/info/commit-graphs/"):
            self._findings.fault(self._place(name), "Studbook did not write this file, and git may act on it")

    def _same(self, name: str, expected: bytes, why: str) -> None:
        path = self._path / name
        found = path.read_bytes() if path.is_file() else b"nothing"
        self._findings.same(
            self._place(name),
            f"it is not what Studbook wrote: {why}",
            expected.decode(),
            found.decode("utf-8", "replace"),
        )

    def _read_packs(self) -> None:
        """Reads packs with git, in an empty repository that only borrows the objects."""
        objects = self._path / "objects"
        place = self._place("objects/pack")
        try:
            with tempfile.TemporaryDirectory(prefix="studbook-verify-") as scratch:
                for line in _git(
                    scratch, objects, "fsck", "--full", "--strict", "--no-dangling"
                ).splitlines():
                    if not line.startswith("notice:"):
                        self._findings.fault(place, f"git fsck: {line}")
                ids = _git(scratch, objects, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
                for sha in ids.split():
                    if sha not in self.objects and _SHA.match(sha):
                        self._read_packed(scratch, objects, sha)
        except FileNotFoundError:
            self._findings.fault(place, "there are packs, but git is not installed to read them")
        except subprocess.TimeoutExpired:
            self._findings.fault(place, f"git did not read them within {GIT_SECONDS} seconds")

    def _read_packed(self, scratch: str, objects: Path, sha: str) -> None:
        kind = _git(scratch, objects, "cat-file", "-t", sha).strip()
        data = _run(scratch, objects, "cat-file", kind or "blob", sha).stdout
        content = b"%s %d\0" % (kind.encode(), len(data)) + data
        self._findings.checked["git objects"] += 1
        found = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        place = f"{self._place('objects/pack')}, object {sha}"
        if self._findings.same(place, "the object is not what its name says", sha, found):
            self.objects[sha] = kind, data


def _files_below(root: Path) -> Iterator[str]:
    """Includes links but does not follow them."""
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in [*files, *links]:
            yield (Path(folder) / name).relative_to(root).as_posix()


def _git(scratch: str, objects: Path, *arguments: str) -> str:
    done = _run(scratch, objects, *arguments)
    text = done.stdout + (done.stderr if done.returncode else b"")
    return text.decode("utf-8", "replace")


def _run(scratch: str, objects: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OBJECT_DIRECTORY": str(objects.resolve()),
    }
    repository = Path(scratch) / "empty.git"
    if not repository.is_dir():
        _make_empty(repository)
    return subprocess.run(
        ["git", f"--git-dir={repository}", *arguments],
        env=environment,
        cwd=scratch,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=GIT_SECONDS,
        check=False,
    )


def _make_empty(repository: Path) -> None:
    for name in ("objects", "refs/heads"):
        (repository / name).mkdir(parents=True)
    (repository / "config").write_bytes(CONFIG)
    (repository / "HEAD").write_bytes(HEAD_CONTENT)


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
            files = dict(self._walk(commit_parts(data)[0]))
        except (IntegrityError, UnicodeDecodeError, RecursionError) as error:
            self._findings.fault(place, str(error))
            return
        problem = "the files do not match the tree hash in the journal"
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
        self._findings.fault(place, "it differs from the journal", expected=one, found=two)


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").splitlines()
