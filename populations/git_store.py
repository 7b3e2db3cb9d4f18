"""Git objects as bytes: created here, stored durably as loose files, and read from loose files and packs.

Written directly instead of by `git`: a mutant takes a few files instead of a few processes, every object is
fsynced before anything refers to it, and is hashed again when it is read. Objects packed by `git gc` or `git
pack-refs` are read through GitPython, which only this module imports: one `git cat-file` process, kept until
`close`, that ignores the user's configuration. `populations/lineage.py` manages refs.
"""

import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from studbook.errors import IntegrityError
from studbook.populations.storage import sync_folder, write_all

if TYPE_CHECKING:
    import git

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_CONFIG_COUNT": "1",  # also read a run copied from another account
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


class PackedRepository:
    """Not thread-safe: the lineage holds a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: git.Repo | None = None

    def find_object(self, sha: str) -> bytes | None:
        """The data of a packed object, None if no pack has it."""
        if not any((self._path / "objects" / "pack").glob("*.pack")):
            return None
        try:
            data: bytes = self._repo().odb.stream(bytes.fromhex(sha)).read()
        except ValueError:  # raised by GitPython for an id that `git cat-file` calls missing
            return None
        return data

    def find_ref(self, name: str) -> str | None:
        """The commit that a packed ref points to, None if there is no such ref."""
        if not (self._path / "packed-refs").is_file():
            return None
        from git import SymbolicReference  # takes 0.25 s, which most runs can save

        try:
            return str(SymbolicReference.dereference_recursive(self._repo(), name))
        except ValueError:  # raised by GitPython for a ref that does not exist
            return None

    def _repo(self) -> "git.Repo":
        if self._opened is None:
            import git  # as above

            self._opened = git.Repo(self._path, expand_vars=False)
            self._opened.git.update_environment(**_ENVIRONMENT)
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


KEPT_IDS = 2048
"""Number of remembered existing objects; a mutant adds about four and shares the others with its parent."""

_FILE_MODE, _FOLDER_MODE = b"100644", b"40000"


@dataclass(frozen=True, slots=True)
class GitObject:
    """`content` is what git hashes: kind, size, NUL, data."""

    sha: str
    content: bytes

    @staticmethod
    def of(kind: str, data: bytes) -> "GitObject":
        content = b"%s %d\0" % (kind.encode(), len(data)) + data
        return GitObject(hashlib.sha1(content, usedforsecurity=False).hexdigest(), content)


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
    """Builds a tree object; git sorts a folder as if its name ended in a slash."""
    rows.sort(key=lambda row: row[0] + b"/" if row[1] == _FOLDER_MODE else row[0])
    lines = (b"%s %s\0" % (mode, name) + bytes.fromhex(sha) for name, mode, sha in rows)
    return GitObject.of("tree", b"".join(lines))


def commit_object(*, tree: str, parent: str | None, author: str, seconds: int, message: str) -> GitObject:
    """`author` is "Name <address>", for author and committer; `seconds` since 1970, UTC."""
    lines = [f"tree {tree}"]
    if parent is not None:
        lines.append(f"parent {parent}")
    lines += [f"{who} {author} {seconds} +0000" for who in ("author", "committer")]
    return GitObject.of("commit", "\n".join([*lines, "", message]).encode("utf-8"))


def store(folder: Path, objects: list[GitObject], known: dict[str, None]) -> None:
    """Writes the missing objects to `folder` (a repository's objects/); durable when it returns.

    `known`: ids that certainly exist and are not looked up; the ids of `objects` are added, and the oldest
    are dropped when there are many.
    """
    unknown = [item for item in objects if item.sha not in known]
    missing = [item for item in unknown if not _path(folder, item.sha).exists()]
    fans = {folder / item.sha[:2] for item in missing}
    made = [fan for fan in fans if _made_folder(fan)]
    for item in missing:
        _write(_path(folder, item.sha), item)
    for fan in fans:
        sync_folder(fan)
    if made or (missing and not known):  # files of a killed process may not be durable
        sync_folder(folder)
    known.update((item.sha, None) for item in unknown)
    for old in list(islice(known, max(0, len(known) - KEPT_IDS))):
        del known[old]


def _path(folder: Path, sha: str) -> Path:
    return folder / sha[:2] / sha[2:]


def _made_folder(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def _write(path: Path, item: GitObject) -> None:
    handle, temporary = tempfile.mkstemp(prefix="tmp_obj_", dir=path.parent)  # `git gc` prunes such names
    try:
        try:
            write_all(handle, zlib.compress(item.content, 1))
            os.fchmod(handle, 0o444)
            os.fsync(handle)
        finally:
            os.close(handle)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_loose(folder: Path, sha: str) -> bytes | None:
    """The data of a loose object, verified by its id; None without a file. Raises IntegrityError, OSError."""
    path = _path(folder, sha)
    try:
        content = zlib.decompress(path.read_bytes())
    except FileNotFoundError:
        return None
    except zlib.error as error:
        raise IntegrityError(f"{path} is damaged: {error}") from error
    if hashlib.sha1(content, usedforsecurity=False).hexdigest() != sha:
        raise IntegrityError(f"{path} is damaged: its content does not match its name")
    return content.partition(b"\0")[2]


def tree_rows(data: bytes) -> Iterator[tuple[str, bool, str]]:
    """Yields the name, whether it is a folder, and the id of each entry of a tree object."""
    while data:
        head, _, rest = data.partition(b"\0")
        mode, _, name = head.partition(b" ")
        yield name.decode("utf-8"), mode == _FOLDER_MODE, rest[:20].hex()
        data = rest[20:]


def commit_parts(data: bytes) -> tuple[str, str]:
    """The tree id and the message of a commit object."""
    head, _, message = data.decode("utf-8").partition("\n\n")
    return head.partition("\n")[0].removeprefix("tree "), message
