"""A harness as an immutable value: relative POSIX paths and bytes, with a manifest read from them.

Nothing here runs harness code. Reading folders and writing them is `harnesses/folder.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from studbook.identity import hash_bytes, hash_json

if TYPE_CHECKING:
    from studbook.harnesses.manifest import Manifest

MANIFEST_NAME = "harness.yaml"


@dataclass(frozen=True)
class HarnessTree:
    """Files of one harness. Equal trees have equal `tree_hash` (exact bytes). What is derived is kept."""

    files: Mapping[str, bytes]

    @staticmethod
    def of(files: Mapping[str, bytes]) -> "HarnessTree":
        return HarnessTree(MappingProxyType(dict(sorted(files.items()))))

    @cached_property
    def tree_hash(self) -> str:
        return hash_json({path: hash_bytes(data) for path, data in self.files.items()})

    @cached_property
    def manifest(self) -> "Manifest":
        """The validated manifest; raises ManifestError naming file and key."""
        from studbook.harnesses.manifest import read_manifest  # brings in pydantic: looking does without

        return read_manifest(self.files)

    def replace(self, changes: Mapping[str, bytes | None]) -> "HarnessTree":
        """A new tree with `changes` applied; None deletes."""
        files = {**self.files, **{path: data for path, data in changes.items() if data is not None}}
        deleted = {path for path, data in changes.items() if data is None}
        return HarnessTree.of({path: data for path, data in files.items() if path not in deleted})
