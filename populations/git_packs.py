"""The door to GitPython: what `git gc` or `git pack-refs` put into packs is read through it.

Studbook writes loose objects and refs only, so most runs never open this. Reading starts one `git cat-file`
process, kept until `close`, that sees none of the user's configuration.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import git

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_CONFIG_COUNT": "1",  # a run copied from another account is read all the same
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


class PackedRepository:
    """Not thread-safe: the lineage holds its lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: git.Repo | None = None

    def find_object(self, sha: str) -> bytes | None:
        """The data of a packed object, None when no pack has it."""
        if not any((self._path / "objects" / "pack").glob("*.pack")):
            return None
        try:
            data: bytes = self._repo().odb.stream(bytes.fromhex(sha)).read()
        except ValueError:  # GitPython's word for an id that `git cat-file` calls missing
            return None
        return data

    def find_ref(self, name: str) -> str | None:
        """The commit a packed ref points to, None when there is none of that name."""
        if not (self._path / "packed-refs").is_file():
            return None
        from git import SymbolicReference  # a quarter of a second, which most runs need not spend

        try:
            return str(SymbolicReference.dereference_recursive(self._repo(), name))
        except ValueError:  # GitPython's word for a ref that does not exist
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
