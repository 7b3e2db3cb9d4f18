"""What a run's repository may have: what Studbook and `git gc` write, and nothing else."""

import os
import subprocess

import pytest

from studbook.errors import IntegrityError
from studbook.findings import Findings
from studbook.populations.git_layout import PackedRefs, check_repository
from studbook.populations.lineage import Lineage
from studbook.populations.lineage_audit import LineageFiles
from studbook.populations.storage import read_plain


@pytest.fixture
def repository(tmp_path):
    path = tmp_path / "lineage.git"
    with Lineage(path) as lineage:
        parent = None
        for number, name in enumerate(("seed", "m0001")):
            parent = lineage.add(
                name,
                {"agent.py": b"%d" % number},
                parent_commit=parent,
                iteration=number,
                hypothesis="h",
                run_name="r",
                kind="k",
            )
    return path


def git(path, *arguments):
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "--git-dir", path, *arguments], check=True, capture_output=True, env=environment)


@pytest.mark.parametrize(
    "command",
    [
        ("gc", "--prune=now"),
        ("gc", "--aggressive"),
        ("repack", "-a", "-d", "-b"),
        ("pack-refs", "--all"),
        ("commit-graph", "write", "--reachable"),
        ("commit-graph", "write", "--reachable", "--split"),
        ("update-server-info",),
    ],
)
def test_what_git_tidied_up_is_expected(repository, command):
    git(repository, *command)
    check_repository(repository)
    findings = Findings()
    LineageFiles(repository, findings)
    assert findings.faults == []
    with Lineage.existing(repository) as lineage:
        assert lineage.read("m0001") == {"agent.py": b"1"}


def test_leftovers_of_an_interruption_and_empty_folders_are_no_orders(repository):
    for name in (".config.abc.part", "objects/pack/tmp_pack_abc", "gc.pid", "packed-refs.lock"):
        (repository / name).write_bytes(b"x")
    (repository / "hooks").mkdir()
    check_repository(repository)
    findings = Findings()
    LineageFiles(repository, findings)
    assert findings.faults == []
    assert len(findings.notes) == 4


@pytest.mark.parametrize("name", [".DS_Store", "._seed", ".nfs000000000b2c1f4e00000001"])
def test_what_file_managers_and_nfs_leave_is_a_note(repository, name):
    for folder in ("", "info/", "objects/", "objects/pack/", "refs/", "refs/heads/", "refs/mutants/"):
        (repository / folder).mkdir(exist_ok=True)
        (repository / folder / name).write_bytes(b"x")
    check_repository(repository)
    findings = Findings()
    LineageFiles(repository, findings)
    assert findings.faults == []
    assert len(findings.notes) == 7
    git(repository, "fsck", "--strict")
    assert Lineage.existing(repository).read("m0001") == {"agent.py": b"1"}


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_such_a_name_excuses_nothing_but_a_plain_file(repository, kind):
    path = repository / ".DS_Store"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("config")
    else:
        path.mkdir()
        (path / "x").write_bytes(b"x")
    with pytest.raises(IntegrityError, match="DS_Store"):
        check_repository(repository)
    findings = Findings()
    LineageFiles(repository, findings)
    assert [fault.place.partition("/x")[0] for fault in findings.faults] == ["lineage.git/.DS_Store"]


def test_an_index_of_a_pack_that_git_would_read_is_no_leftover(repository):
    (repository / f"objects/pack/._pack-{'a' * 40}.idx").write_bytes(b"x")
    with pytest.raises(IntegrityError, match="Studbook did not write this file"):
        check_repository(repository)


def test_a_missing_config_is_a_note(repository):
    (repository / "config").unlink()
    check_repository(repository)
    findings = Findings()
    LineageFiles(repository, findings)
    assert findings.faults == []
    assert findings.notes == ["lineage.git/config is missing, which does no harm: git has defaults"]


def test_the_message_says_what_to_do(repository):
    (repository / "config").write_text("[core]\n\tpager = less\n")
    with pytest.raises(IntegrityError) as refused:
        Lineage.existing(repository)
    assert str(refused.value) == (
        f"{repository}/config is not what Studbook wrote: git would act on it\n"
        "  Nothing in the repository was obeyed. If you put it there, move it out of the run;\n"
        "  if the run came from elsewhere, ask its owner for the file that `studbook pack` writes"
    )


def test_reading_makes_no_repository(tmp_path):
    with pytest.raises(IntegrityError, match=r"lineage\.git is missing"):
        Lineage.existing(tmp_path / "lineage.git")
    assert list(tmp_path.iterdir()) == []


def test_packed_refs_are_read_again_when_git_writes_them_anew(repository):
    refs = PackedRefs(repository)
    assert refs.read() == {}
    git(repository, "pack-refs", "--all")
    before = refs.read()
    assert set(before) == {"refs/heads/best", "refs/heads/seed", "refs/mutants/seed", "refs/mutants/m0001"}
    git(repository, "update-ref", "-d", "refs/mutants/m0001")
    assert set(before) - set(refs.read()) == {"refs/mutants/m0001"}


def test_packed_refs_cut_at_any_length_are_refused_or_name_the_right_commits(repository):
    git(repository, "pack-refs", "--all")
    right = PackedRefs(repository).read()
    path = repository / "packed-refs"
    whole = path.read_bytes()
    for length in {*range(0, len(whole), 11), len(whole) - 1}:
        path.write_bytes(whole[:length])
        try:
            assert PackedRefs(repository).read().items() <= right.items()
        except IntegrityError as error:
            assert "packed-refs, line " in str(error)


def test_only_plain_files_of_the_expected_size_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert read_plain(tmp_path / "file", 5) == b"12345"
    assert read_plain(tmp_path / "nothing", 5) is None
    for name, size, words in (
        ("file", 4, "has 5 bytes, more than the 4 allowed"),
        ("link", 9, "is a link"),
        ("folder", 9**9, "is a folder, and not a plain file"),
        ("pipe", 9, "is a pipe, and not a plain file"),
    ):
        with pytest.raises(IntegrityError, match=words):
            read_plain(tmp_path / name, size)
