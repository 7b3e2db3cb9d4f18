"""Which files the repository of a run may have. Anything else is refused by name, before anything is read.

A run folder may come from somebody else, and a repository can make git run commands: by its config, hooks,
promised objects, replacements, attributes, and objects borrowed from other folders. Studbook runs no git in a
run and obeys none of them; but whoever looks into the run with git would, and a run that is not what it seems
is not worth reading. Allowed is what Studbook and `git gc` write, everything else is foreign.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from studbook.errors import IntegrityError
from studbook.populations.storage import is_stray, read_plain

BEST_BRANCH = "best"
CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
HEAD_CONTENT = f"ref: refs/heads/{BEST_BRANCH}\n".encode()
FOLDERS = ("objects/info", "objects/pack", "refs/heads", "refs/tags", "refs/mutants")

LOOSE = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{38})\Z")
PACK = re.compile(r"objects/pack/pack-[0-9a-f]{40}\.(?:pack|idx|rev|bitmap|mtimes)\Z")
_UNFINISHED = re.compile(
    r"(?:objects/[0-9a-f]{2}/tmp_obj_[^/]+|objects/pack/tmp_(?:pack|idx|rev)_[^/]+"
    r"|\.[^/]+\.part|gc\.pid(?:\.lock)?|gc\.log|packed-refs\.(?:lock|new))\Z"
)
DERIVED = re.compile(
    r"(?:objects/info/(?:packs|commit-graph|commit-graphs/(?:commit-graph-chain|graph-[0-9a-f]{40}\.graph))"
    r"|info/refs)\Z"
)
"""What git writes to read faster; Studbook does not read it."""

SHA = re.compile(r"[0-9a-f]{40}\Z")
_NAMED = frozenset({"config", "HEAD", "packed-refs"})
_INNER = re.compile(
    r"(?:objects(?:/(?:[0-9a-f]{2}|info(?:/commit-graphs)?|pack))?|info|refs(?:/(?:heads|mutants|tags))?)\Z"
)
_LISTED = ("", "objects", "objects/info", "objects/pack", "info", "refs")
"""Folders whose entries are few; the files in the others are checked when they are read."""

REF = re.compile(r"refs/(?:heads|mutants|tags)/[^ ]+\Z")
_PACKED_REF = re.compile(rf"([0-9a-f]{{40}}) ({REF.pattern})")
_REF_BYTES = 64
_CONFIG_BYTES = 64 * 1024
_PACKED_REFS_BYTES = 64 * 1024 * 1024
_MAX_DEPTH = 8
"""No folder of a repository is deeper."""
FOREIGN = "Studbook did not write this file, and git may act on it"
WHAT_TO_DO = (
    "  Nothing in the repository was obeyed. If you put it there, move it out of the run;\n"
    "  if the run came from elsewhere, ask its owner for the file that `studbook pack` writes"
)


def is_expected(name: str) -> bool:
    """Whether a file with this name in the repository belongs there; refs need a check of their own."""
    return name in _NAMED or is_leftover(name) or any(kind.match(name) for kind in (LOOSE, PACK, DERIVED))


def is_leftover(name: str) -> bool:
    """Whether it was left by an interrupted write, a file manager or a network file system.

    Git passes over the stray files of the last two, but for what it takes for the index of a pack.
    """
    folder, _, last = name.rpartition("/")
    is_index = folder == "objects/pack" and last.endswith(".idx")
    return bool(_UNFINISHED.match(name)) or (is_stray(last) and not is_index)


def check_repository(path: Path) -> None:
    """Raises IntegrityError naming a file that Studbook and `git gc` do not write, and OSError.

    Quick: looks at the folders that git looks at for instructions, and at the config.
    """
    if path.is_symlink():
        raise IntegrityError(f"{path} is a link, and a run has only plain files\n{WHAT_TO_DO}")
    for folder in _LISTED:
        for entry in _entries(path / folder):
            foreign = _find_foreign(f"{folder}/{entry.name}" if folder else entry.name, entry)
            if foreign is not None:
                raise IntegrityError(f"{path}/{_shown(foreign)}: {FOREIGN}\n{WHAT_TO_DO}")
    config = read_plain(path / "config", _CONFIG_BYTES)
    if config not in (None, CONFIG):
        raise IntegrityError(
            f"{path / 'config'} is not what Studbook wrote: git would act on it\n{WHAT_TO_DO}"
        )


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:
        return []


def _find_foreign(name: str, entry: "os.DirEntry[str]") -> str | None:
    """The file that does not belong there: the entry, or the first file in it."""
    if not entry.is_dir(follow_symlinks=False):
        return None if is_expected(name) and entry.is_file(follow_symlinks=False) else name
    if _INNER.match(name):
        return None
    return next((f"{name}/{each}" for each in files_below(Path(entry.path))), None)


def files_below(root: Path) -> Iterator[str]:
    """Their names from `root` on. Includes links but does not follow them.

    A folder that cannot be listed, or lies deeper than any of a repository, stands for what is in it.
    """
    waiting = [""]
    while waiting:  # no recursion: somebody else may have nested folders without end
        folder = waiting.pop()
        try:
            entries = _entries(root / folder)
        except OSError:
            if folder:
                yield folder
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False) and name.count("/") < _MAX_DEPTH:
                waiting.append(name)
            else:
                yield name


def _shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)


def find_ref(path: Path, name: str) -> str | None:
    """The commit that a loose ref names, None if there is no such ref. Raises IntegrityError, OSError."""
    data = read_plain(path / name, _REF_BYTES)
    if data is None:
        return None
    text = data.decode("ascii", "replace")
    if not text.endswith("\n") or not SHA.match(text[:-1]):
        raise IntegrityError(f"{path / name} names no commit")
    return text[:-1]


class PackedRefs:
    """The refs in `packed-refs`, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path / "packed-refs"
        self._state: tuple[int, int, int] | None = None
        self._refs: dict[str, str] = {}

    def find(self, name: str) -> str | None:
        """Raises IntegrityError naming a line that is not a ref, OSError."""
        return self.read().get(name)

    def read(self) -> dict[str, str]:
        """All refs by name. Raises as `find`."""
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return {}
        state = (found.st_ino, found.st_size, found.st_mtime_ns)
        if state != self._state:
            self._refs = _parse_packed_refs(self._path)
            self._state = state
        return self._refs


def _parse_packed_refs(path: Path) -> dict[str, str]:
    """The first line is a comment of git's; refs of a run are commits, so none has a peeled line."""
    refs = {}
    text = (read_plain(path, _PACKED_REFS_BYTES) or b"").decode("utf-8", "replace")
    *lines, rest = text.split("\n")
    if rest:
        raise IntegrityError(f"{path}, line {len(lines) + 1}: it is cut short\n{WHAT_TO_DO}")
    for number, line in enumerate(lines, start=1):
        if match := _PACKED_REF.match(line):
            refs[match[2]] = match[1]
        elif not line.startswith("# pack-refs with:"):
            raise IntegrityError(f"{path}, line {number}: it is not a ref of a run\n{WHAT_TO_DO}")
    return refs
