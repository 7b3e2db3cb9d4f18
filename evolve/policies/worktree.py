"""A harness's files while the implementer edits them: in memory, without any link or path of the host.

Every path is checked before use. A change outside the editable files is refused and counted; an edit that
does not fit (no match, unknown file) only fails, with a message that helps to correct it: it shows the lines
most similar to the text that was searched for.

Models see and write line feeds only; a file keeps its line ends and byte order mark (`text_files.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from studbook.errors import ManifestError, StudbookError
from studbook.evolve.policies.actions import REPLACE_SHAPE, Hunk
from studbook.evolve.policies.matching import (
    describe_matches,
    find_loosely,
    is_whole,
    nearest_lines,
    without_numbers,
)
from studbook.harnesses import folder
from studbook.harnesses.folder import INJECTED
from studbook.harnesses.text_files import read_text, write_text
from studbook.harnesses.tree import MANIFEST_NAME, HarnessTree, changed_paths, list_files


class Refused(StudbookError):
    """A change outside the harness or its editable files: counted, and reported to the implementer."""


class EditFailed(StudbookError):
    """An edit or lookup that does not fit the files; the message says how to correct it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLimits:
    file_bytes: int = 200_000
    total_bytes: int = 1_000_000
    files: int = 64


class Worktree:
    """The files of one mutant during editing. Not thread-safe: one dialogue owns it."""

    def __init__(self, parent: HarnessTree, limits: TreeLimits | None = None) -> None:
        self._parent = parent
        self._limits = limits or TreeLimits()
        self._manifest = parent.manifest
        self._files: dict[str, bytes] = dict(parent.files)
        self.failed_replaces = 0

    @property
    def tree(self) -> HarnessTree:
        return HarnessTree.of(self._files)

    @property
    def changed_paths(self) -> tuple[str, ...]:
        return changed_paths(self._parent.files, self._files)

    def list_files(self) -> str:
        return list_files(self._files)

    def read(self, raw_path: str) -> str:
        path = check_path(raw_path)
        if path not in self._files:
            raise EditFailed(f"there is no file {path}; the files are:\n{self.list_files()}")
        return _decode(path, self._files[path])

    def search(self, text: str) -> str:
        """`path:line: text` for every line that contains `text`, at most 100."""
        needle = text.strip("\n")
        hits = [
            f"{path}:{number}: {line.rstrip()}"
            for path, data in self._files.items()
            for number, line in enumerate(read_text(data).split("\n"), start=1)
            if needle in line or ("\n" in needle and line and line == needle.split("\n")[0])
        ]
        return "\n".join(hits[:100]) or "no line holds this text"

    def write(self, raw_path: str, text: str) -> str:
        path = self._check_editable(raw_path)
        data = self._encode(path, text if text.endswith("\n") or not text else text + "\n")
        what = "wrote" if path in self._files else "created"
        return self._keep(path, data, f"{what} {path} ({len(data)} bytes)")

    def append(self, raw_path: str, text: str, instead: Sequence[Hunk] = ()) -> str:
        """Adds lines at the end of a file that exists; or replaces, if the old lines of `instead` occur."""
        path = self._check_editable(raw_path)
        before = self.read(path)
        if instead and all(before.count(hunk.old) == 1 for hunk in instead):
            return self.replace(path, instead)
        return self.write(path, before + ("" if before.endswith("\n") or not before else "\n") + text)

    def delete(self, raw_path: str) -> str:
        path = self._check_editable(raw_path)
        if path not in self._files:
            raise EditFailed(f"there is no file {path}; the files are:\n{self.list_files()}")
        if path == self._manifest.entry.partition(":")[0]:
            raise Refused(
                f"{path} is where the harness starts, so it cannot be deleted; write it anew instead"
            )
        del self._files[path]
        return f"deleted {path}"

    def replace(self, raw_path: str, hunks: Sequence[Hunk]) -> str:
        """Apply all hunks or none; each must match exactly once, in the text after the earlier hunks.

        One that does not occur exactly may occur apart from whitespace.
        """
        path = self._check_editable(raw_path)
        text = self.read(path)
        for hunk in hunks:
            text = self._apply(path, text, hunk)
        data = self._encode(path, text)
        places = f"{len(hunks)} place{'s' if len(hunks) > 1 else ''}"
        return self._keep(path, data, f"replaced {places} in {path} ({len(data)} bytes)")

    def replace_whole(self, raw_path: str, text: str) -> str:
        """A replace that names no old text: a revision of the whole file, if it is like it."""
        path = self._check_editable(raw_path)
        if not is_whole(self.read(path), text):
            self.failed_replaces += 1
            raise EditFailed(f"{REPLACE_SHAPE}; to write the whole file anew: write {path}")
        return self.write(path, text)

    def _apply(self, path: str, text: str, hunk: Hunk) -> str:
        count = text.count(hunk.old)
        if count == 1:
            return text.replace(hunk.old, hunk.new)
        plain = without_numbers(hunk)
        change = None if count else find_loosely(text, plain, is_python=path.endswith(".py"))
        if change is not None:
            return change.apply(text)
        self.failed_replaces += 1
        if count:
            where = describe_matches(text, hunk.old)
            problem = f"the old text occurs {count} times in {path} ({where}); add lines around it"
        else:
            near = nearest_lines(text, hunk.old)
            problem = f"the old text does not occur in {path}; the nearest lines are:\n{near}"
        if self.failed_replaces >= 2:
            problem += f"\nReplacing failed {self.failed_replaces} times: `write {path}` as a whole."
        raise EditFailed(problem)

    def _keep(self, path: str, data: bytes, done: str) -> str:
        """Stores the file; returns `done`, or that nothing has changed."""
        is_same = self._files.get(path) == data
        self._files[path] = data
        return f"this leaves {path} exactly as it is: write what should be different" if is_same else done

    def _check_editable(self, raw_path: str) -> str:
        path = check_path(raw_path)
        if path.lower() == MANIFEST_NAME:
            raise Refused(f"{MANIFEST_NAME} is not edited by hand: knobs are tuned elsewhere")
        clash = folder.find_clash([*self._files, path])
        if clash is not None:
            raise Refused(clash)
        if path.lower() == INJECTED:
            raise Refused(f"{INJECTED} is given to every harness and cannot be replaced")
        if not self._manifest.is_editable(path):
            raise Refused(f"{path} is outside the editable files ({', '.join(self._manifest.editable)})")
        return path

    def _encode(self, path: str, text: str) -> bytes:
        data = write_text(text, self._files.get(path, b""))
        others = {name: size for name, size in self._sizes().items() if name != path}
        if "\0" in text or len(data) > self._limits.file_bytes:
            raise EditFailed(f"{path} has {len(data)} bytes: at most {self._limits.file_bytes}, no NUL")
        if sum(others.values()) + len(data) > self._limits.total_bytes or len(others) >= self._limits.files:
            raise EditFailed(
                "the harness would be too large "
                f"(limits: {self._limits.files} files, {self._limits.total_bytes} bytes)"
            )
        return data

    def _sizes(self) -> dict[str, int]:
        return {path: len(data) for path, data in self._files.items()}


def check_path(raw: str) -> str:
    """A simple relative POSIX path; raises Refused for anything that could point elsewhere."""
    path = raw.strip().removeprefix("./")
    try:
        folder.check_path(path)
    except ManifestError as error:
        raise Refused(str(error)) from error
    return path


def _decode(path: str, data: bytes) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EditFailed(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    return read_text(data)
