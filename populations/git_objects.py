"""Git objects as values: blob, tree and commit, made from files and read back into files.

Pure. What is read may come from a run of somebody else, so every form that `tree_objects` does not write is
refused: links, other modes, entries out of order, trees without end. `git_store.py` and `git_packs.py` read
and write the bytes.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from studbook.errors import IntegrityError, ManifestError
from studbook.populations.tree_paths import check_tree_paths

MAX_OBJECT_BYTES = 8 * 1024 * 1024
MAX_ENTRIES = 2000
MAX_FILES_BYTES = 8 * 1024 * 1024
"""All files of one harness; `harnesses/folder.py` allows less than these three."""

_FILE_MODE, _FOLDER_MODE = b"100644", b"40000"
_PATH_CHARACTERS = 4096
_COMMIT = re.compile(rb"tree ([0-9a-f]{40})\n")
_CONTENT = re.compile(rb"(blob|tree|commit|tag) (0|[1-9][0-9]{0,9})\0")


@dataclass(frozen=True, slots=True)
class GitObject:
    """`kind` is blob, tree, commit or tag."""

    sha: str
    kind: str
    data: bytes

    @staticmethod
    def of(kind: str, data: bytes) -> "GitObject":
        found = hashlib.sha1(_head(kind, data), usedforsecurity=False)
        found.update(data)
        return GitObject(found.hexdigest(), kind, data)

    @staticmethod
    def parse(content: bytes) -> "GitObject":
        """Raises IntegrityError for anything else than one object."""
        head = _CONTENT.match(content)
        if head is None or int(head[2]) != len(content) - head.end():
            raise IntegrityError("it is not a git object")
        return GitObject.of(head[1].decode(), content[head.end() :])

    @property
    def content(self) -> bytes:
        """What git hashes."""
        return _head(self.kind, self.data) + self.data


def _head(kind: str, data: bytes) -> bytes:
    return b"%s %d\0" % (kind.encode(), len(data))


def tree_objects(files: Mapping[str, bytes]) -> list[GitObject]:
    """All blobs and trees of `files`, children first; the root tree is the last."""
    objects: list[GitObject] = []
    rows: list[tuple[bytes, bytes, str]] = []
    folders: dict[str, dict[str, bytes]] = {}
    for path, data in files.items():
        name, _, rest = path.partition("/")
        if rest:
            folders.setdefault(name, {})[rest] = data
        else:
            objects.append(GitObject.of("blob", data))
            rows.append((name.encode("utf-8"), _FILE_MODE, objects[-1].sha))
    for name, children in folders.items():
        objects += tree_objects(children)
        rows.append((name.encode("utf-8"), _FOLDER_MODE, objects[-1].sha))
    return [*objects, _tree(rows)]


def _tree(rows: list[tuple[bytes, bytes, str]]) -> GitObject:
    rows.sort(key=lambda row: _order(row[0], row[1]))
    lines = (b"%s %s\0" % (mode, name) + bytes.fromhex(sha) for name, mode, sha in rows)
    return GitObject.of("tree", b"".join(lines))


def _order(name: bytes, mode: bytes) -> bytes:
    """Git sorts a folder as if its name ended in a slash."""
    return name + b"/" if mode == _FOLDER_MODE else name


def commit_object(*, tree: str, parent: str | None, author: str, seconds: int, message: str) -> GitObject:
    """`author` is "Name <address>", for author and committer; `seconds` since 1970, UTC."""
    lines = [f"tree {tree}"]
    if parent is not None:
        lines.append(f"parent {parent}")
    lines += [f"{who} {author} {seconds} +0000" for who in ("author", "committer")]
    return GitObject.of("commit", "\n".join([*lines, "", message]).encode("utf-8"))


def commit_parts(data: bytes) -> tuple[str, str]:
    """The tree id and the message of a commit object; raises IntegrityError."""
    found = _COMMIT.match(data)
    if found is None:
        raise IntegrityError("it is not a commit")
    try:
        return found[1].decode(), data.partition(b"\n\n")[2].decode("utf-8")
    except UnicodeDecodeError as error:
        raise IntegrityError("its message is not UTF-8") from error


def tree_rows(data: bytes) -> Iterator[tuple[str, bool, str]]:
    """Yields the name, whether it is a folder, and the id of each entry of a tree; raises IntegrityError."""
    at, last = 0, b""
    while at < len(data):
        end = data.find(b"\0", at) + 1
        mode, _, name = data[at : end - 1].partition(b" ") if end else (b"", b"", b"")
        at = end + 20
        if mode not in (_FILE_MODE, _FOLDER_MODE) or b"/" in name or at > len(data):
            raise IntegrityError(
                f"its entry {name.decode('utf-8', 'replace')[:100]!a} is no plain file or folder"
            )
        if (place := _order(name, mode)) <= last:
            raise IntegrityError(f"its entry {name.decode('utf-8', 'replace')[:100]!a} is out of order")
        last = place
        try:
            yield name.decode("utf-8"), mode == _FOLDER_MODE, data[end:at].hex()
        except UnicodeDecodeError as error:
            raise IntegrityError("the name of an entry is not UTF-8") from error


def read_files(tree: str, get: Callable[[str, str, str], bytes]) -> dict[str, bytes]:
    """The files of a tree by path, sorted. `get(kind, sha, path)` gives the data of an object.

    Raises IntegrityError for paths and sizes that no harness has, and what `get` raises.
    """
    files: dict[str, bytes] = {}
    waiting, entries, size = [(tree, "")], 0, 0
    while waiting:
        sha, prefix = waiting.pop()
        for name, is_folder, child in tree_rows(get("tree", sha, prefix)):
            path = prefix + name
            entries += 1
            if is_folder:
                waiting.append((child, f"{path}/"))
            else:
                files[path] = get("blob", child, path)
                size += len(files[path])
            if entries > MAX_ENTRIES or size > MAX_FILES_BYTES or len(path) > _PATH_CHARACTERS:
                raise IntegrityError("it has more files, or larger ones, than any harness")
    try:
        check_tree_paths(files)
    except ManifestError as error:
        raise IntegrityError(str(error)) from error
    return dict(sorted(files.items()))
