"""Packs: whatever the real git packs is read as git reads it, and whatever is damaged is refused in time."""

import random
import struct
import subprocess
import tracemalloc
import zlib
from pathlib import Path
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.forged_packs import BIG, BOMBS, COPY_ALL, ONE, by_id, delta, size_bytes, write_pack

from studbook.errors import IntegrityError
from studbook.findings import Findings
from studbook.populations import git_packs
from studbook.populations.git_objects import MAX_OBJECT_BYTES, GitObject
from studbook.populations.git_packs import Packs
from studbook.populations.lineage_audit import LineageFiles


def git(path: Path, *arguments: str, given: bytes = b"") -> bytes:
    environment = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": "/usr/bin:/bin"}
    command = ["git", "--git-dir", str(path), *arguments]
    return subprocess.run(command, input=given, check=True, capture_output=True, env=environment).stdout


@pytest.fixture
def repository(tmp_path) -> Path:
    git(tmp_path / "r.git", "init", "-q", "--bare")
    return tmp_path / "r.git"


def pack_blobs(repository: Path, blobs: list[bytes], *options: str) -> list[str]:
    ids = [git(repository, "hash-object", "-w", "--stdin", given=blob).decode().strip() for blob in blobs]
    names = "\n".join(ids).encode() + b"\n"
    git(repository, "pack-objects", "-q", *options, str(repository / "objects/pack/pack"), given=names)
    git(repository, "prune-packed", "-q")
    return ids


def versions(count: int) -> list[bytes]:
    """Of one growing text, as `git gc` stores well as differences."""
    lines = [f"line {number}: {random.Random(number).random()}\n" for number in range(count + 200)]
    return ["".join(lines[: 200 + number]).encode() for number in range(count)]


@pytest.mark.parametrize(
    "options", [(), ("--delta-base-offset",), ("--depth=4000", "--window=50"), ("--no-reuse-delta",)]
)
def test_what_git_packs_comes_back(repository, options):
    blobs = [*versions(60), b"", b"x", random.Random(1).randbytes(200_000)]
    ids = pack_blobs(repository, blobs, *options)
    packs = Packs(repository / "objects")
    assert [packs.find(sha) for sha in ids] == [
        GitObject(s, "blob", b) for s, b in zip(ids, blobs, strict=True)
    ]
    assert sorted(sha for sha, found in packs.read_all() if isinstance(found, GitObject)) == sorted(ids)
    assert packs.find("0" * 40) is None
    assert packs.find("f" * 40) is None
    packs.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=6), st.binary(max_size=400))
def test_any_bytes_come_back(tmp_path_factory, blobs, shared):
    repository = tmp_path_factory.mktemp("any") / "r.git"
    git(repository, "init", "-q", "--bare")
    blobs = [shared + blob + shared for blob in blobs]
    ids = pack_blobs(repository, blobs)
    packs = Packs(repository / "objects")
    assert [packs.find(sha).data for sha in ids] == blobs
    packs.close()


def test_a_pack_that_appears_later_is_found(repository):
    packs = Packs(repository / "objects")
    assert packs.find("0" * 40) is None
    (sha,) = pack_blobs(repository, [b"later"])
    assert packs.find(sha).data == b"later"
    packs.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path_factory, data):
    repository = tmp_path_factory.getbasetemp() / "flipped.git"
    if not repository.exists():
        git(repository, "init", "-q", "--bare")
        pack_blobs(repository, versions(8))
    suffix = data.draw(st.sampled_from(["pack", "idx"]))
    path = next((repository / "objects/pack").glob(f"*.{suffix}"))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    path.chmod(0o644)
    path.write_bytes(changed)
    packs = Packs(repository / "objects")
    try:
        for sha, found in packs.read_all():
            assert isinstance(found, IntegrityError) or GitObject.of(found.kind, found.data).sha == sha
    except IntegrityError:
        pass
    finally:
        packs.close()
        path.write_bytes(whole)


@pytest.mark.parametrize("suffix", ["pack", "idx"])
def test_a_file_cut_at_any_length_is_refused_or_read_right(repository, suffix):
    ids = pack_blobs(repository, [b"a text of thirty-two characters." * 4, b"x"])
    path = next((repository / "objects/pack").glob(f"*.{suffix}"))
    whole = path.read_bytes()
    path.chmod(0o644)
    for length in {*range(0, 40, 4), *range(40, len(whole), 19), len(whole) - 1}:
        path.write_bytes(whole[:length])
        packs = Packs(repository / "objects")
        try:
            for sha in ids:
                assert packs.find(sha).sha == sha
            assert any(isinstance(found, IntegrityError) for _, found in packs.read_all())
        except IntegrityError as error:
            assert str(path.with_suffix("")) in str(error)
        finally:
            packs.close()


def test_a_refused_pack_leaves_no_file_open(repository):
    pack_blobs(repository, [b"x"])
    index = next((repository / "objects/pack").glob("*.idx"))
    index.chmod(0o644)
    index.write_bytes(b"\xfftOc\0\0\0\2")
    packs = Packs(repository / "objects")
    with pytest.raises(IntegrityError) as refused:
        packs.find("0" * 40)
    kept_alive = refused  # and with it the frames in which the pack was opened
    assert str(repository) not in Path("/proc/self/maps").read_text()
    assert "is damaged" in str(kept_alive.value)


# -- packs that git never writes


@pytest.mark.parametrize("name", BOMBS)
def test_a_pack_that_git_never_writes_is_refused_in_a_moment(name, tmp_path):
    write_pack(tmp_path, BOMBS[name])
    packs = Packs(tmp_path)
    began = process_time()
    with pytest.raises(IntegrityError, match=f"object {ONE}"):
        packs.find(ONE)
    assert process_time() - began < 5
    packs.close()


@pytest.mark.parametrize("name", [name for name in BOMBS if "instruction" not in name])
def test_it_takes_little_memory(name, tmp_path):
    """Those of many small steps are left out: counting them takes long, and each step's memory is freed."""
    write_pack(tmp_path, BOMBS[name])
    packs = Packs(tmp_path)
    tracemalloc.start()
    with pytest.raises(IntegrityError):
        packs.find(ONE)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    packs.close()
    assert most < 5 * MAX_OBJECT_BYTES


def test_a_long_chain_of_large_differences_is_refused(tmp_path):
    """Each object is a copy of the one before: allowed one by one, too much together."""
    entries = [("0" * 40, BIG)]
    copy = delta(MAX_OBJECT_BYTES, MAX_OBJECT_BYTES, COPY_ALL)
    for place in range(1, 60):
        entries.append((f"{place:040x}", by_id(f"{place - 1:040x}", copy)))
    write_pack(tmp_path, entries)
    packs = Packs(tmp_path)
    with pytest.raises(IntegrityError, match="takes more effort"):
        packs.find(f"{59:040x}")
    packs.close()


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("idx", b""),
        ("idx", b"\xfftOc\0\0\0\2" + b"\xff" * 1024 + b"\0" * 40),
        ("idx", b"\xfftOc\0\0\0\2" + struct.pack(">256I", *range(255, -1, -1)) + b"\0" * 40),
        ("idx", b"\0" * 2000),
        ("pack", b""),
    ],
)
def test_a_file_that_is_no_pack_is_refused(tmp_path, suffix, content):
    write_pack(tmp_path, BOMBS["another object than the name says"])
    (tmp_path / f"pack/pack-{'a' * 40}.{suffix}").write_bytes(content)
    with pytest.raises(IntegrityError, match=rf"pack-a+\.{suffix}"):
        Packs(tmp_path).find(ONE)


def test_a_pack_without_an_index_is_refused(tmp_path):
    write_pack(tmp_path, BOMBS["another object than the name says"])
    (tmp_path / f"pack/pack-{'a' * 40}.idx").unlink()
    with pytest.raises(IntegrityError, match="has no index"):
        Packs(tmp_path).find(ONE)


def test_too_many_packs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(git_packs, "MAX_PACKS", 1)
    write_pack(tmp_path, BOMBS["another object than the name says"])
    for suffix in ("pack", "idx"):
        whole = (tmp_path / f"pack/pack-{'a' * 40}.{suffix}").read_bytes()
        (tmp_path / f"pack/pack-{'b' * 40}.{suffix}").write_bytes(whole)
    with pytest.raises(IntegrityError, match="more than 1 packs"):
        Packs(tmp_path).find(ONE)


def test_an_index_of_a_million_false_names_is_not_read_to_its_end(tmp_path):
    one = size_bytes(3, 1) + zlib.compress(b"x")
    write_pack(tmp_path / "objects", [(f"{number:040x}", one) for number in range(3000)])
    findings = Findings()
    LineageFiles(tmp_path, findings)
    assert len(findings.faults) < 110
    assert "not all was read" in findings.faults[-1].problem
