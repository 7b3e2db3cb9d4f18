"""The files of a small Linux system with this machine's Python, for boxes: an image, or their root folder.

Standard library, interpreter and the shared libraries they need, under /usr/local with readable modes, so a
Python in a private home (pyenv, uv) works too. Contains no installed packages and none of the host's paths.
"""

import importlib.util
import io
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import SandboxError
from studbook.scratch import scratch_folder

LEFT_OUT = {
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo",
    "ensurepip", "lib2to3", "pydoc_data", "config",
}  # fmt: skip
LIBRARIES = "/usr/local/lib"
LDD_SECONDS = 60
FOLDERS = ("tmp", "proc", "dev", "sys", "etc", "usr/local/bin", "usr/local/lib")
GROUP = b"root:x:0:\nnobody:x:65534:\n"  # without it Podman mounts one
PASSWD = b"root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/tmp:/bin/false\n"


@dataclass(frozen=True, slots=True)
class Item:
    """One file. `name` is its path below the root; `content` is a file of this machine, or its bytes."""

    name: str
    content: Path | bytes
    mode: int = 0o644


def write_tar(path: Path) -> None:
    """All files as a tar; about 70 MB, takes one to three seconds. Raises SandboxError."""
    with (
        tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar,
        scratch_folder("python") as scratch,
    ):
        folders: set[str] = set()
        for name in FOLDERS:
            add_folder(tar, name, folders)
        for item in items(scratch):
            add_folder(tar, item.name.rpartition("/")[0], folders)
            add_item(tar, item)
        entry = tarfile.TarInfo("usr/local/bin/python3")
        entry.type, entry.linkname = tarfile.SYMTYPE, python_name()
        tar.addfile(entry)


def add_folder(tar: tarfile.TarFile, name: str, folders: set[str]) -> None:
    """Every folder has an entry: a rootless engine gives one without it a mode that no box can pass."""
    if not name or name in folders:
        return
    add_folder(tar, name.rpartition("/")[0], folders)
    folders.add(name)
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    tar.addfile(entry)


def add_item(tar: tarfile.TarFile, item: Item) -> None:
    entry = tarfile.TarInfo(item.name)
    entry.mode = item.mode
    if isinstance(item.content, bytes):
        entry.size = len(item.content)
        tar.addfile(entry, io.BytesIO(item.content))
        return
    with item.content.open("rb") as file:
        stat = os.fstat(file.fileno())
        entry.size, entry.mtime = stat.st_size, int(stat.st_mtime)
        tar.addfile(entry, file)


def copy_to(root: Path) -> None:
    """All files in a folder, which is created. Raises SandboxError, OSError."""
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    with scratch_folder("python") as scratch:
        for item in items(scratch):
            target = root / item.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(item.content, bytes):
                target.write_bytes(item.content)
            else:
                shutil.copyfile(item.content, target)
                modified = int(item.content.stat().st_mtime)
                os.utime(target, (modified, modified))  # bytecode names its source's time
            target.chmod(item.mode)
    (root / "usr/local/bin/python3").symlink_to(python_name())
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o755)


def items(scratch: Path) -> Iterator[Item]:
    """`scratch` is a folder for bytecode, of which each file is gone with the next item."""
    yield Item("etc/passwd", PASSWD)
    yield Item("etc/group", GROUP)
    executable, name = executable_path(), python_name()
    yield Item(f"usr/local/bin/{name}", executable, 0o755)
    modules = set()
    for relative, path in library_files():
        place = f"{LIBRARIES.lstrip('/')}/{name}/{relative}"
        yield Item(place, path)
        if path.suffix == ".py":
            yield from bytecode(place, path, scratch)
        elif path.suffix == ".so":
            modules.add(path)
    for path in sorted(closure(executable, modules)):
        yield Item(f"{library_folder(path)}/{path.name}", path, 0o755)


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


def closure(executable: Path, modules: set[Path]) -> set[Path]:
    """The shared libraries that an executable and its modules are linked to, and the program loader.

    The loader of glibc lists them all at once; `ldd` would start it twice for each. Raises SandboxError.
    """
    found = _listed_by_loader(executable, modules) or _listed_by_ldd([executable, *sorted(modules)])
    return {path for path in found if path.is_file()} - modules - {executable}


def _listed_by_loader(executable: Path, modules: set[Path]) -> set[Path]:
    """Nothing where the loader is another one, where a module does not load, or a path cannot be named."""
    preloaded = [str(path) for path in sorted(modules)]
    if any(re.search(r"[\s:]", path) for path in preloaded):
        return set()
    tracing = {"LD_TRACE_LOADED_OBJECTS": "1", "LD_PRELOAD": " ".join(preloaded)}
    # a loader that does not know these variables runs the program
    run = _listing([str(executable), "-I", "-c", ""], {**os.environ, **tracing})
    return set() if run.returncode or run.stderr else _paths_in(run.stdout)


def _listed_by_ldd(binaries: list[Path]) -> set[Path]:
    run = _listing(["ldd", *map(str, binaries)], None)
    found = _paths_in(run.stdout)
    if not found and run.returncode != 0 and "not a dynamic executable" not in run.stderr:
        raise SandboxError(
            f"ldd could not list the libraries that {executable_path()} needs: {run.stderr.strip()[:200]}"
        )
    return found


def _listing(command: list[str], environment: dict[str, str] | None) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LDD_SECONDS,
        )
    except subprocess.TimeoutExpired as error:  # its own words repeat the command
        raise SandboxError(f"{Path(command[0]).name} gave no answer within {LDD_SECONDS} s") from error


def _paths_in(listing: str) -> set[Path]:
    words = (word for line in listing.splitlines() if not line.endswith(":") for word in line.split())
    return {Path(word) for word in words if word.startswith("/")}


def library_folder(path: Path) -> str:
    """The loader keeps its path, which every binary contains; LD_LIBRARY_PATH finds all other libraries."""
    is_loader = path.name.startswith(("ld-", "ld."))
    return path.parent.as_posix().lstrip("/") if is_loader else LIBRARIES.lstrip("/")


def bytecode(name: str, path: Path, scratch: Path) -> Iterator[Item]:
    """Bytecode, compiled here if the host has none; otherwise every box compiles its imports (370 ms)."""
    cached = Path(importlib.util.cache_from_source(str(path)))
    if not is_fresh(cached, path):
        cached = scratch / "module.pyc"
        try:
            py_compile.compile(str(path), cfile=str(cached), doraise=True)
        except (py_compile.PyCompileError, UnicodeDecodeError):
            return  # a template or a deliberately invalid file: never imported
    folder, _, file = name.rpartition("/")
    yield Item(f"{folder}/__pycache__/{Path(importlib.util.cache_from_source(file)).name}", cached)


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
