"""The host's own Python as an image: standard library, interpreter and the shared libraries they need.

For Linux machines that reach no registry. Everything is copied under /usr/local with readable modes, so a
Python in a private home (pyenv, uv) works too. The tag names the content, so it is made once. No installed
packages are copied, and the host's paths do not appear in it.
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
from pathlib import Path
from typing import Any

from studbook.errors import SandboxError
from studbook.identity import hash_json

REPOSITORY = "studbook-host-python"
LAYOUT = 1  # raise when what goes into the image changes
LEFT_OUT = {
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo",
    "ensurepip", "lib2to3", "pydoc_data", "config",
}  # fmt: skip
CHANGES = ["ENV PATH=/usr/local/bin:/usr/bin:/bin", "ENV LD_LIBRARY_PATH=/usr/local/lib"]
ARCHITECTURES = {"x86_64": {"x86_64", "amd64"}, "aarch64": {"aarch64", "arm64"}}


def obstacle_to_import(engine_info: dict[str, Any]) -> str:
    """Why the host's Python would not run in this engine's containers; "" when it would."""
    if sys.platform != "linux":
        return f"this machine runs {sys.platform}, the engine's containers run Linux"
    machine = platform.machine()
    if engine_info.get("Architecture") not in ARCHITECTURES.get(machine, {machine}):
        return f"the engine is {engine_info.get('Architecture')}, this machine {machine}"
    return ""


def host_reference() -> str:
    """The image's name: a hash of what would go into it, from sizes and times."""
    stat = [[name, path.stat().st_size, int(path.stat().st_mtime)] for name, path in library_files()]
    executable = executable_path().stat()
    key = hash_json([LAYOUT, sys.version, executable.st_size, int(executable.st_mtime), sorted(stat)])
    return f"{REPOSITORY}:{sys.version_info[0]}.{sys.version_info[1]}-{key[:16]}"


def write_host_python(tar_path: Path) -> None:
    """The image's files as a tar; about 40 MB, one to three seconds."""
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
    """(path below the standard library, file), extension modules included."""
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
    """Shared libraries that the binaries are linked to, and the program loader."""
    run = subprocess.run(
        ["ldd", *map(str, sorted(binaries))], capture_output=True, text=True, check=False, timeout=60
    )
    words = (word for line in run.stdout.splitlines() if not line.endswith(":") for word in line.split())
    found = {Path(word) for word in words if word.startswith("/")}
    if not found and run.returncode != 0 and "not a dynamic executable" not in run.stderr:
        raise SandboxError(f"ldd could not tell what {executable_path()} needs: {run.stderr.strip()[:200]}")
    return {path for path in found if path.is_file()}


def library_folder(path: Path) -> str:
    """The loader's path is written into every binary; all else is found through LD_LIBRARY_PATH."""
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
    """Without bytecode every box would compile what it imports: 370 ms. Made here where the host has none."""
    cached = Path(importlib.util.cache_from_source(str(path)))
    if not is_fresh(cached, path):
        cached = scratch / "module.pyc"
        try:
            py_compile.compile(str(path), cfile=str(cached), doraise=True)
        except (py_compile.PyCompileError, UnicodeDecodeError):
            return  # a template or a deliberately broken file: never imported
    folder, _, file = name.rpartition("/")
    target = Path(importlib.util.cache_from_source(file)).name
    add_file(tar, f"{folder}/__pycache__/{target}", cached)


def is_fresh(cached: Path, source: Path) -> bool:
    """Whether the bytecode's header names this very source (flags, time, size)."""
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
