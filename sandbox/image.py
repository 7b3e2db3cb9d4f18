"""Chooses the image of a box. Any image with Python >= 3.9 works; nothing is built from a Dockerfile.

There are four ways, tried in this order: an image that is already there, one that the user asked for, the
official slim image from a registry by its digest, and the host's own Python imported as an image. If all
fail, the error names them.

The last way is for Linux machines that reach no registry: standard library, interpreter and the shared
libraries they need are copied under /usr/local with readable modes, so that a Python in a private home
(pyenv, uv) works too. The tag is a hash of the content, so the image is made once. It contains no installed
packages and none of the host's paths.
"""

import importlib.util
import io
import os
import platform
import py_compile
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from studbook.errors import SandboxError
from studbook.identity import hash_json

REPOSITORY = "studbook-host-python"
LAYOUT = 1  # increment when the contents of the image change
LEFT_OUT = {
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo",
    "ensurepip", "lib2to3", "pydoc_data", "config",
}  # fmt: skip
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


def write_host_python(tar_path: Path) -> None:
    """Write the image's files as a tar; about 40 MB, takes one to three seconds."""
    with (
        tarfile.open(tar_path, "w", format=tarfile.GNU_FORMAT) as tar,
        tempfile.TemporaryDirectory() as scratch,
    ):
        add_skeleton(tar)
        executable, name = executable_path(), python_name()
        add_file(tar, f"usr/local/bin/{name}", executable, 0o755)
        add_link(tar, "usr/local/bin/python3", name)
        libraries = {executable}
        for relative, path in library_files():
            add_file(tar, f"usr/local/lib/{name}/{relative}", path)
            if path.suffix == ".py":
                add_bytecode(tar, f"usr/local/lib/{name}/{relative}", path, Path(scratch))
            elif path.suffix == ".so":
                libraries.add(path)
        for path in sorted(closure(libraries)):
            add_file(tar, f"{library_folder(path)}/{path.name}", path, 0o755)


def executable_path() -> Path:
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def python_name() -> str:
    return f"python{sys.version_info[0]}.{sys.version_info[1]}"


def library_files() -> Iterator[tuple[str, Path]]:
    """(path below the standard library, file), including extension modules."""
    root = Path(sysconfig.get_path("stdlib"))
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in LEFT_OUT and not f.startswith("config-"))
        for file in sorted(files):
            path = Path(folder, file)
            if (
                path.suffix in {".py", ".so"}
                and path.is_file()
                and not file.startswith(("_tkinter", "_test", "_xxtest"))
            ):
                yield path.relative_to(root).as_posix(), path


def closure(binaries: set[Path]) -> set[Path]:
    """The shared libraries that the binaries are linked to, and the program loader."""
    run = subprocess.run(
        ["ldd", *map(str, sorted(binaries))], capture_output=True, text=True, check=False, timeout=60
    )
    words = (word for line in run.stdout.splitlines() if not line.endswith(":") for word in line.split())
    found = {Path(word) for word in words if word.startswith("/")}
    if not found and run.returncode != 0 and "not a dynamic executable" not in run.stderr:
        raise SandboxError(
            f"ldd could not list the libraries that {executable_path()} needs: {run.stderr.strip()[:200]}"
        )
    return {path for path in found if path.is_file()}


def library_folder(path: Path) -> str:
    """The loader keeps its path, which every binary contains; LD_LIBRARY_PATH finds all other libraries."""
    is_loader = path.name.startswith(("ld-", "ld."))
    return path.parent.as_posix().lstrip("/") if is_loader else "usr/local/lib"


def add_skeleton(tar: tarfile.TarFile) -> None:
    for name in ("tmp", "proc", "dev", "sys", "etc", "usr/local/bin", "usr/local/lib"):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
    passwd = b"root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/tmp:/bin/false\n"
    entry = tarfile.TarInfo("etc/passwd")
    entry.size, entry.mode = len(passwd), 0o644
    tar.addfile(entry, io.BytesIO(passwd))


def add_file(
    tar: tarfile.TarFile, name: str, path: Path, mode: int = 0o644, mtime: int | None = None
) -> None:
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = stat.st_size, mode
        entry.mtime = int(stat.st_mtime) if mtime is None else mtime
        tar.addfile(entry, file)


def add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def add_bytecode(tar: tarfile.TarFile, name: str, path: Path, scratch: Path) -> None:
    """Add bytecode, compiled here if the host has none; otherwise every box compiles its imports (370 ms)."""
    cached = Path(importlib.util.cache_from_source(str(path)))
    if not is_fresh(cached, path):
        cached = scratch / "module.pyc"
        try:
            py_compile.compile(str(path), cfile=str(cached), doraise=True)
        except (py_compile.PyCompileError, UnicodeDecodeError):
            return  # a template or a deliberately invalid file: never imported
    folder, _, file = name.rpartition("/")
    target = Path(importlib.util.cache_from_source(file)).name
    add_file(tar, f"{folder}/__pycache__/{target}", cached)


def is_fresh(cached: Path, source: Path) -> bool:
    """Does the bytecode's header (flags, time, size) match this source?"""
    try:
        with cached.open("rb") as file:
            header = file.read(16)
    except FileNotFoundError:
        return False
    stat = source.stat()
    expected = importlib.util.MAGIC_NUMBER + b"".join(
        number.to_bytes(4, "little")
        for number in (0, int(stat.st_mtime) & 0xFFFFFFFF, stat.st_size & 0xFFFFFFFF)
    )
    return header == expected


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

    `contents` is a digest of the layers, independent of where they came from; `note` says, for display, why a
    better way was not available.
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
    with tempfile.TemporaryDirectory(prefix="studbook-image-") as folder:
        tar = Path(folder, "python.tar")
        write_host_python(tar)
        engine.import_image(tar, reference, CHANGES)
    return image_of(reference, get_image(engine, reference), "host python")


def get_image(engine: ImageStore, reference: str) -> dict[str, Any]:
    found = engine.find_image(reference)
    if found is None:
        raise SandboxError(f"the engine imported image {reference} but does not have it")
    return found


def image_of(reference: str, found: dict[str, Any], way: str) -> Image:
    digests = found.get("RepoDigests") or [""]
    volumes = (found.get("Config") or {}).get("Volumes") or {}
    return Image(
        reference=reference,
        image_id=found["Id"],
        digest=digests[0].rpartition("@")[2],
        way=way,
        contents=hash_json((found.get("RootFS") or {}).get("Layers") or [found["Id"]])[:32],
        volumes=tuple(sorted(volumes)),
    )


def no_way(pull_error: SandboxError, obstacle: str) -> str:
    return (
        f"no image for the boxes. Tried: {DEFAULT} on the engine (absent); pulling {PINNED} ({pull_error}); "
        f"this machine's own Python ({obstacle}).\n"
        f"Load an image with Python >= 3.9 (`docker load`) and name it: -s sandbox.image=NAME"
    )
