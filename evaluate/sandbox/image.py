"""Which image a box is made of. Any with Python >= 3.9 will do; nothing is ever built from a Dockerfile.

Four ways, in this order: one that is there already, one that was asked for, the official slim image from a
registry by its digest, the host's own Python imported as an image, and else an error that names them.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from evaluate.sandbox.host_image import CHANGES, host_reference, obstacle_to_import, write_host_python
from studbook.errors import SandboxError

DEFAULT = "python:3.12-slim"
PINNED = "python@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea"
"""What is pulled: the index (every architecture) of python:3.12.14-slim-trixie, August 2026."""
PULL_PATIENCE_SECONDS = 15  # without a word of progress; a loaded engine unpacks slowly
WHY = {
    "toomanyrequests": "This is the registry's rate limit: log in or wait.",
    "verification failed": "The registry served other bytes than the digest names: do not trust it.",
}
"""What an engine says of a pull, and what it means."""


class ImageStore(Protocol):
    """The part of an engine that holds images; see `Engine`."""

    def info(self) -> dict[str, Any]: ...
    def find_image(self, reference: str) -> dict[str, Any] | None: ...
    def pull(self, reference: str, patience_seconds: int) -> None: ...
    def import_image(self, tar: Path, reference: str, changes: list[str]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """`way`: "local", "pulled" or "host python"; `digest` as the registry names it, "" when it has none.

    `note`: why a better way was not taken, for people.
    """

    reference: str
    image_id: str
    digest: str
    way: str
    volumes: tuple[str, ...] = ()
    note: str = ""

    @property
    def told(self) -> str:
        """The way, for people."""
        return f"{self.way}; {self.note}" if self.note else self.way


def choose_image(engine: ImageStore, wanted: str | None) -> Image:
    """Raises SandboxError when no way leads to an image."""
    for reference in (wanted,) if wanted is not None else (PINNED, DEFAULT):
        found = engine.find_image(reference)
        if found is not None:
            return image_of(reference, found, "local")
    if wanted is not None:
        return pull(engine, wanted)
    obstacle = obstacle_to_import(engine.info())
    reference = host_reference() if not obstacle else ""
    found = engine.find_image(reference) if reference else None
    if found is not None:
        return image_of(reference, found, "host python")
    try:
        return pull(engine, PINNED)
    except SandboxError as error:
        if obstacle:
            raise SandboxError(no_way(error, obstacle)) from error
        note = " ".join(str(error).split())
    return replace(import_host_python(engine, reference), note=note)


def pull(engine: ImageStore, reference: str) -> Image:
    try:
        engine.pull(reference, PULL_PATIENCE_SECONDS)
    except SandboxError as error:
        for said, meaning in WHY.items():
            if said in str(error):
                raise SandboxError(f"{error}\n{meaning}") from error
        raise
    return image_of(reference, get_image(engine, reference), "pulled")


def import_host_python(engine: ImageStore, reference: str) -> Image:
    with tempfile.TemporaryDirectory(prefix="studbook-image-") as folder:
        tar = Path(folder, "python.tar")
        write_host_python(tar)
        engine.import_image(tar, reference, CHANGES)
    return image_of(reference, get_image(engine, reference), "host python")


def get_image(engine: ImageStore, reference: str) -> dict[str, Any]:
    found = engine.find_image(reference)
    if found is None:
        raise SandboxError(f"the engine took image {reference} and does not have it")
    return found


def image_of(reference: str, found: dict[str, Any], way: str) -> Image:
    digests = found.get("RepoDigests") or [""]
    volumes = (found.get("Config") or {}).get("Volumes") or {}
    return Image(
        reference=reference,
        image_id=found["Id"],
        digest=digests[0].rpartition("@")[2],
        way=way,
        volumes=tuple(sorted(volumes)),
    )


def no_way(pull_error: SandboxError, obstacle: str) -> str:
    return (
        f"no image for the boxes. Tried: {DEFAULT} on the engine (absent); pulling {PINNED} ({pull_error}); "
        f"this machine's own Python ({obstacle}).\n"
        f"Load an image with Python >= 3.9 (`docker load`) and name it: -s sandbox.image=NAME"
    )
