"""This machine's Python as a tar and as a folder: the same small tree, without the machine's paths."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from studbook.sandbox.host_python import closure, copy_to, executable_path, library_files, write_tar

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux's own Python runs in containers")


@LINUX
def test_the_hosts_python_is_a_small_readable_tree_without_the_hosts_paths(tmp_path: Path):
    write_tar(tmp_path / "python.tar")
    with tarfile.open(tmp_path / "python.tar") as tar:
        members = tar.getmembers()
    names = {member.name for member in members}
    major_minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert {"usr/local/bin/python3", f"usr/local/lib/{major_minor}/os.py", "tmp", "etc/passwd"} <= names
    assert f"usr/local/lib/{major_minor}/__pycache__/os.{sys.implementation.cache_tag}.pyc" in names
    assert all(member.mode & 0o444 == 0o444 or member.issym() for member in members)
    folders = {member.name for member in members if member.isdir()}
    assert {name.rpartition("/")[0] for name in names} - {""} <= folders
    assert all(member.mode == 0o755 for member in members if member.isdir())
    assert not [name for name in names if "site-packages" in name or "root" in name or "/test/" in name]
    assert sum(member.size for member in members) < 120_000_000


@LINUX
def test_the_closure_holds_the_loader_and_the_c_library():
    names = {path.name for path in closure(executable_path(), set())}
    assert any(name.startswith(("ld-", "ld.")) for name in names)
    assert any(name.startswith(("libc.", "libc-")) for name in names)


@LINUX
def test_ldd_finds_the_same_where_the_loader_cannot_be_asked(tmp_path: Path):
    modules = {path for _, path in library_files() if path.suffix == ".so"}
    with_space = tmp_path / "a module.so"
    with_space.write_bytes(min(modules).read_bytes())
    asked = closure(executable_path(), {min(modules)})
    assert closure(executable_path(), {with_space}) == asked
    assert closure(executable_path(), modules) >= asked


@LINUX
def test_a_folder_holds_what_the_tar_holds_with_the_times_that_its_bytecode_names(tmp_path: Path):
    write_tar(tmp_path / "python.tar")
    copy_to(tmp_path / "root")
    with tarfile.open(tmp_path / "python.tar") as tar:
        members = {member.name: member for member in tar.getmembers() if member.isfile()}
    files = [path for path in (tmp_path / "root").rglob("*") if path.is_file() and not path.is_symlink()]
    assert {str(path.relative_to(tmp_path / "root")) for path in files} == set(members)
    for path in files:
        member, found = members[str(path.relative_to(tmp_path / "root"))], path.stat()
        assert (found.st_size, found.st_mode & 0o777) == (member.size, member.mode)
        assert path.suffix != ".py" or int(found.st_mtime) == member.mtime


@LINUX
def test_the_copy_runs_where_nothing_else_of_the_machine_is_seen(bubblewrap: str, tmp_path: Path):
    copy_to(tmp_path / "root")
    around = [bubblewrap, "--ro-bind", str(tmp_path / "root"), "/", "--proc", "/proc", "--dev", "/dev"]
    around += [
        "--setenv",
        "LD_LIBRARY_PATH",
        "/usr/local/lib",
        "--",
        "/usr/local/bin/python3",
        "-I",
        "-S",
        "-c",
    ]
    program = "import ctypes, decimal, hashlib, json, os, ssl, sqlite3; print(sorted(os.listdir('/')))"
    run = subprocess.run([*around, program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "home" not in run.stdout
