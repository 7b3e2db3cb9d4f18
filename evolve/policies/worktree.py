"""A harness's files while the implementer edits them: in memory, without any link or path of the host.

Every path is checked before use. A change outside the editable files is refused and counted; an edit that
does not fit (no match, unknown file) only fails, with a message that helps to correct it: it shows the lines
most similar to the text that was searched for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from studbook.errors import ManifestError, StudbookError
from studbook.evolve.policies.actions import Hunk
from studbook.harnesses import folder
from studbook.harnesses.folder import INJECTED
from studbook.harnesses.tree import MANIFEST_NAME, HarnessTree, changed_paths, list_files

MAX_COMPARED_LINES = 2000
ROUGHLY_COMPARED = 2000
"""Characters of a window that are counted, in linear time."""

CLOSELY_COMPARED = 500
"""Characters of the best windows that are aligned, in up to cubic time."""

BEST = 4


def nearest_lines(text: str, wanted: str) -> str:
    """The window of `text` most similar to `wanted`, with line numbers and one line of margin."""
    lines = text.split("\n")[:MAX_COMPARED_LINES]
    wanted_lines = wanted.split("\n")
    size = min(len(wanted_lines), len(lines), 30)
    windows = ["\n".join(lines[at : at + size]) for at in range(len(lines) - size + 1)]
    start = _most_like(windows, "\n".join(wanted_lines[:size]))
    return numbered(lines, start - 1, start + size + 1)


def describe_matches(text: str, wanted: str) -> str:
    """The line numbers at which `wanted` starts."""
    numbers: list[str] = []
    at = text.find(wanted)
    while at >= 0 and len(numbers) < 10:
        numbers.append(str(text.count("\n", 0, at) + 1))
        at = text.find(wanted, at + 1)
    return f"it begins at lines {', '.join(numbers)}"


def numbered(lines: list[str], start: int, stop: int) -> str:
    chosen = range(max(0, start), min(len(lines), stop))
    return "\n".join(f"{at + 1:4d} | {lines[at]}" for at in chosen)


def _most_like(windows: list[str], target: str) -> int:
    """The index of the closest of the windows that share the most characters; ties go to the first."""
    rough = SequenceMatcher(None, "", target[:ROUGHLY_COMPARED], autojunk=False)
    close = SequenceMatcher(None, "", target[:CLOSELY_COMPARED], autojunk=False)
    scores = []
    for at, window in enumerate(windows):
        rough.set_seq1(window[:ROUGHLY_COMPARED])
        scores.append((-rough.quick_ratio(), at))
    best: list[tuple[float, int]] = []
    for _, at in sorted(scores)[:BEST]:
        close.set_seq1(windows[at][:CLOSELY_COMPARED])
        best.append((-close.ratio(), at))
    return min(best)[1]


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
            f"{path}:{number}: {line}"
            for path, data in self._files.items()
            for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), start=1)
            if needle in line or ("\n" in needle and line and line == needle.split("\n")[0])
        ]
        return "\n".join(hits[:100]) or "no line holds this text"

    def write(self, raw_path: str, text: str) -> str:
        path = self._check_editable(raw_path)
        data = self._encode(path, text if text.endswith("\n") or not text else text + "\n")
        is_new = path not in self._files
        self._files[path] = data
        return f"{'created' if is_new else 'wrote'} {path} ({len(data)} bytes)"

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
        """Apply all hunks or none; each must match exactly once, in the text after the earlier hunks."""
        path = self._check_editable(raw_path)
        text = self.read(path)
        for hunk in hunks:
            text = self._apply(path, text, hunk)
        data = self._encode(path, text)
        self._files[path] = data
        return f"replaced {len(hunks)} place{'s' if len(hunks) > 1 else ''} in {path} ({len(data)} bytes)"

    def _apply(self, path: str, text: str, hunk: Hunk) -> str:
        count = text.count(hunk.old)
        if count == 1:
            return text.replace(hunk.old, hunk.new)
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
        data = text.encode("utf-8", "replace")  # a model can send lone surrogates, which UTF-8 cannot encode
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
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EditFailed(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
