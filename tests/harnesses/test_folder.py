import codecs
import os

import pytest

from studbook.errors import ManifestError, StorageError
from studbook.harnesses.folder import (
    check_path,
    find_clash,
    find_left_out,
    is_left_out,
    read_harness,
    write_harness,
)
from studbook.harnesses.tree import HarnessTree
from studbook.populations.tree_paths import check_tree_paths

MANIFEST = "version: 1\nname: small\nentry: agent.py:main\nroles: [challenger]\neditable: ['*.py']\n"


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "small"
    (home / "prompts").mkdir(parents=True)
    (home / "harness.yaml").write_text(MANIFEST)
    (home / "agent.py").write_text("def main(box):\n    pass\n")
    (home / "prompts" / "write.md").write_text("Write — well.\n")
    return home


def test_a_folder_is_read_with_all_its_files(folder):
    tree = read_harness(folder)
    assert list(tree.files) == ["agent.py", "harness.yaml", "prompts/write.md"]
    assert tree.files["prompts/write.md"] == "Write — well.\n".encode()
    assert tree.manifest.name == "small"


LEFT_OUT = (
    *(".git/config", ".gitignore", ".ipynb_checkpoints/agent-checkpoint.py", ".DS_Store", ".idea/x.xml"),
    *(".vscode/settings.json", ".agent.py.swp", "agent.py~", "#agent.py#", ".#agent.py", ".env", "lib/.x"),
    *("__pycache__/agent.cpython-311.pyc", "agent.pyc", ".venv/bin/python", "prompts/write.md~"),
)


def test_what_tools_leave_behind_is_not_part_of_a_harness_and_is_named(folder):
    before = read_harness(folder)
    for name in LEFT_OUT:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(b"\0\xff")
    assert read_harness(folder).tree_hash == before.tree_hash
    named = find_left_out(folder)
    assert set(named) == {
        *(".git/", ".gitignore", ".ipynb_checkpoints/", ".DS_Store", ".idea/", ".vscode/", ".agent.py.swp"),
        *("agent.py~", "#agent.py#", ".#agent.py", ".env", "lib/.x", ".venv/"),
        "prompts/write.md~",
    }


def test_what_is_left_out_may_be_anything(folder):
    (folder / ".git").symlink_to("/")
    os.mkfifo(folder / ".pipe")
    (folder / ".large").write_bytes(b"x" * 3_000_000)
    assert len(read_harness(folder).files) == 3
    assert find_left_out(folder) == (".git/", ".large", ".pipe")


def test_nothing_that_a_tree_may_hold_is_left_out(folder):
    """Or a harness would be another one after it was exported and read again."""
    for name in ("a.bak", "b.orig", "Thumbs.db", "c.swp", "lib.d/x_1-2.py"):
        check_path(name)
        assert not is_left_out(name)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("x = 'é'".encode("utf-16"), "is not UTF-8 but UTF-16 text; save it as UTF-8"),
        ("x".encode("utf-32"), "is not UTF-8 but UTF-32 text"),
        ("x = 1".encode("utf-16-le"), r"holds a NUL character \(UTF-16 text\?\)"),
        ("x = 'é'".encode("latin-1"), r"is not UTF-8 text \(byte 5\); save it as UTF-8"),
    ],
)
def test_text_in_another_encoding_is_refused_with_its_name(folder, data, told):
    (folder / "agent.py").write_bytes(data)
    with pytest.raises(ManifestError, match=f"agent.py {told}"):
        read_harness(folder)


def test_a_byte_order_mark_is_part_of_the_files_and_no_obstacle(folder):
    for path in ("harness.yaml", "agent.py", "prompts/write.md"):
        (folder / path).write_bytes(codecs.BOM_UTF8 + (folder / path).read_bytes())
    tree = read_harness(folder)
    assert tree.manifest.name == "small"
    assert tree.files["agent.py"].startswith(codecs.BOM_UTF8)


def test_a_written_harness_is_read_back_equal(folder, tmp_path):
    tree = read_harness(folder)
    write_harness(tree, tmp_path / "deep" / "copy")
    assert read_harness(tmp_path / "deep" / "copy").tree_hash == tree.tree_hash


def link_file(folder):
    (folder / "evil.py").symlink_to("/etc/passwd")


def link_folder(folder):
    (folder / "lib").symlink_to(folder.parent)


def add_pipe(folder):
    os.mkfifo(folder / "pipe.py")


def add_large(folder):
    (folder / "large.bin").write_bytes(b"x" * (512 * 1024 + 1))


def add_many(folder):
    for n in range(201):
        (folder / f"f{n}.py").write_text("")


def add_total(folder):
    for n in range(5):
        (folder / f"f{n}.bin").write_bytes(b"x" * 500_000)


def add_binary_text(folder):
    (folder / "notes.md").write_bytes(b"caf\xe9")


def add_nul(folder):
    (folder / "zero.py").write_bytes(b"a\0b")


def add_odd_name(folder):
    (folder / "two words.py").write_text("")


def add_case_twin(folder):
    (folder / "Agent.py").write_text("")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (link_file, r"evil\.py is a link"),
        (link_folder, "lib is a link"),
        (add_pipe, r"pipe\.py is not a plain file"),
        (add_large, r"large\.bin has 524289 bytes"),
        (add_many, "at most 200 files"),
        (add_total, "at most 2097152 bytes"),
        (add_binary_text, r"notes\.md is not UTF-8 text \(byte 3\)"),
        (add_nul, r"zero\.py holds a NUL"),
        (add_odd_name, "`two words.py` is not allowed"),
        (add_case_twin, "differ only in case"),
    ],
)
def test_what_a_harness_may_not_hold_is_refused_by_name(folder, spoil, message):
    spoil(folder)
    with pytest.raises(ManifestError, match=message):
        read_harness(folder)


@pytest.mark.parametrize(
    "path",
    [
        "../x.py",
        "/etc/x",
        "a//b",
        "a/./b",
        ".hidden",
        "a/.git/x",
        "",
        "x\ny",
        "é.py",
        "a.",
        "b./c",
        8 * "a/" + "b",
    ],
)
def test_a_tree_with_a_path_that_leads_elsewhere_is_never_written(tmp_path, path):
    tree = HarnessTree.of({path: b"x"})
    with pytest.raises(ManifestError):
        write_harness(tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("a.py", "a.py/b.py"), "a.py is a file, so it cannot hold a.py/b.py."),
        (("a", "a/b/c.py"), "a is a file, so it cannot hold a/b/c.py."),
        (("prompts/a.md", "Prompts/b.md"), "prompts and Prompts differ only in case."),
        (("a.py", "A.py/b.py"), "a.py and A.py differ only in case."),
        (("a/b.py", "a/c.py", "ab.py"), None),
    ],
)
def test_files_that_no_folder_could_hold_together_are_found(paths, message):
    assert find_clash(paths) == message


def test_every_path_a_harness_may_have_may_enter_the_lineage():
    parts = ("a", "a.b", "a-", "_a.py", "a" * 150)
    paths = [*parts, *(f"dir/{part}" for part in parts), "/".join("abcdefgh")]
    for path in paths:
        check_path(path)
        check_tree_paths([path])


def test_a_folder_that_is_not_empty_is_not_overwritten(folder):
    tree = read_harness(folder)
    with pytest.raises(ManifestError, match="not an empty folder"):
        write_harness(tree, folder)


def test_a_missing_folder_is_a_clear_error(tmp_path):
    with pytest.raises(ManifestError, match="is not a folder"):
        read_harness(tmp_path / "nowhere")


def test_a_place_that_cannot_be_written_is_named(folder, tmp_path):
    tree = read_harness(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_harness(tree, tmp_path / "file" / "below")
