"""Chooses the image of a box. Any image with Python >= 3.9 works; nothing is built from a Dockerfile.

There are four ways, tried in this order: an image that is already there, one that the user asked for, the
official slim image from a registry by its digest, and the host's own Python imported as an image. If all
fail, the error names them.

The last way is for Linux machines that reach no registry. The tag is a hash of the content, so the image is
made once; `host_python.py` says what is in it.
"""

import platform
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from studbook.errors import SandboxError
from studbook.identity import hash_json
from studbook.sandbox.host_python import executable_path, library_files, write_tar
from studbook.scratch import scratch_folder

REPOSITORY = "studbook-host-python"
LAYOUT = 3  # increment when the contents of the image change
CHANGES = ["ENV PATH=/usr/local/bin:/usr/bin:/bin", "ENV LD_LIBRARY_PATH=/usr/local/lib"]
ARCHITECTURES = {"x86_64": {"x86_64", "amd64"}, "aarch64": {"aarch64", "arm64"}}


def obstacle_to_import(engine_info: dict[str, Any]) -> str:
    """Why the host's Python cannot run in this engine's containers; "" when it can."""
    if sys.platform != "linux":
        return f"this machine runs {sys.platform}, the engine's containers run Linux"
    machine = platform.machine()
    if engine_info.get("Architecture") not in ARCHITECTURES.get(machine, {machine}):
        return f"the engine is {engine_info.get('Architecture')}, this machine {machine}"
    return ""


def host_reference() -> str:
    """The image's name: a hash of the sizes and times of the files that go into it."""
    stat = [[name, path.stat().st_size, int(path.stat().st_mtime)] for name, path in library_files()]
    executable = executable_path().stat()
    key = hash_json([LAYOUT, sys.version, executable.st_size, int(executable.st_mtime), sorted(stat)])
    return f"{REPOSITORY}:{sys.version_info[0]}.{sys.version_info[1]}-{key[:16]}"


DEFAULT = "python:3.12-slim"
PINNED = "python@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea"
"""The image to pull: the index (every architecture) of python:3.12.14-slim-trixie, August 2026."""
PULL_PATIENCE_SECONDS = 15  # without progress; a busy engine unpacks slowly
WHY = {
    "toomanyrequests": "This is the registry's rate limit: log in or wait.",
    "verification failed": "The registry served content that does not match the digest: do not trust it.",
}
"""Engine messages about a failed pull, and what they mean."""


class ImageStore(Protocol):
    """The part of an engine that stores images; see `Engine`."""

    def info(self) -> dict[str, Any]: ...
    def find_image(self, reference: str) -> dict[str, Any] | None: ...
    def pull(self, reference: str, patience_seconds: int) -> None: ...
    def import_image(self, tar: Path, reference: str, changes: list[str]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """`way`: "local", "pulled" or "host python"; `digest` is the registry's, or "" when there is none.

    `contents` is a digest of what a box gets from it, the layers and the variables, independent of where they
    came from; `note` says, for display, why a better way was not available.
    """

    reference: str
    image_id: str
    digest: str
    way: str
    contents: str
    volumes: tuple[str, ...] = ()
    note: str = ""

    @property
    def told(self) -> str:
        """Where the image came from, for display."""
        return f"{self.way}; {self.note}" if self.note else self.way


def choose_image(engine: ImageStore, wanted: str | None) -> Image:
    """Raises SandboxError when no way gives an image."""
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
    with scratch_folder("image") as folder:
        tar = folder / "python.tar"
        write_tar(tar)
        engine.import_image(tar, reference, CHANGES)
    return image_of(reference, get_image(engine, reference), "host python")


def get_image(engine: ImageStore, reference: str) -> dict[str, Any]:
    found = engine.find_image(reference)
    if found is None:
        raise SandboxError(f"the engine imported image {reference} but does not have it")
    return found


def image_of(reference: str, found: dict[str, Any], way: str) -> Image:
    digests = found.get("RepoDigests") or [""]
    config = found.get("Config") or {}
    layers = (found.get("RootFS") or {}).get("Layers") or [found["Id"]]
    return Image(
        reference=reference,
        image_id=found["Id"],
        digest=digests[0].rpartition("@")[2],
        way=way,
        contents=hash_json([layers, sorted(config.get("Env") or [])])[:32],
        volumes=tuple(sorted(config.get("Volumes") or {})),
    )


def no_way(pull_error: SandboxError, obstacle: str) -> str:
    return (
        f"no image for the boxes. Tried: {DEFAULT} on the engine (absent); pulling {PINNED} ({pull_error}); "
        f"this machine's own Python ({obstacle}).\n"
        f"Load an image with Python >= 3.9 (`docker load`) and name it: -s sandbox.image=NAME"
    )
