"""Git objects as values: files become what git would make of them, and nothing else becomes files."""

from collections.abc import Callable

import pytest

from studbook.errors import IntegrityError
from studbook.populations.git_objects import GitObject, commit_parts, read_files, tree_objects, tree_rows

FILES = {"agent.py": b"x", "prompts/a.md": b"y", "prompts.md": b"z"}
BLOB = GitObject.of("blob", b"x")


def reader(objects: list[GitObject]) -> Callable[[str, str, str], bytes]:
    known = {each.sha: each for each in objects}

    def get(kind: str, sha: str, path: str) -> bytes:
        assert known[sha].kind == kind
        return known[sha].data

    return get


def entry(mode: str, name: bytes, sha: str = BLOB.sha) -> bytes:
    return mode.encode() + b" " + name + b"\0" + bytes.fromhex(sha)


def test_files_come_back_sorted():
    objects = tree_objects(FILES)
    assert list(read_files(objects[-1].sha, reader(objects)).items()) == sorted(FILES.items())


def test_the_ids_are_git_s():
    assert GitObject.of("blob", b"hello\n").sha == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert tree_objects({})[-1].sha == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_an_object_is_parsed_from_its_content():
    assert GitObject.parse(BLOB.content) == BLOB
    for content in (b"", b"blob 2\0x", b"blob 1\0xy", b"blob 01\0x", b"note 1\0x", b"blob -1\0", b"blob 1"):
        with pytest.raises(IntegrityError, match="not a git object"):
            GitObject.parse(content)


TREES = {
    "a link": entry("120000", b"a"),
    "a module": entry("160000", b"a"),
    "a program": entry("100755", b"a"),
    "no mode": b"a\0" + bytes(20),
    "no name": entry("100644", b""),
    "a name with a slash": entry("100644", b"a/b"),
    "a name that is not UTF-8": entry("100644", b"\xff"),
    "the same name twice": entry("100644", b"a") * 2,
    "names out of order": entry("100644", b"b") + entry("100644", b"a"),
    "an id cut short": entry("100644", b"a")[:-1],
    "no end": b"100644 a",
}


@pytest.mark.parametrize("name", TREES)
def test_a_tree_that_studbook_never_writes_is_refused(name):
    with pytest.raises(IntegrityError):
        list(tree_rows(TREES[name]))


@pytest.mark.parametrize(
    "name", [b"..", b".", b".git", b".GIT", b"git~1", b".gitattributes", b"a\\b", b"a\nb", b"a:b", b"x" * 256]
)
def test_a_path_that_leads_elsewhere_is_refused(name):
    tree = GitObject.of("tree", entry("100644", name))
    with pytest.raises(IntegrityError, match="a harness cannot contain the file"):
        read_files(tree.sha, reader([BLOB, tree]))
    inner = tree_objects({"hooks/x": b"x"})
    outer = GitObject.of("tree", entry("40000", name, inner[-1].sha))
    with pytest.raises(IntegrityError, match="a harness cannot contain the file"):
        read_files(outer.sha, reader([*inner, outer]))


def test_a_tree_of_trees_without_files_ends():
    """Ten entries on each of thirty levels, which all share one object: a thousand bytes, 10^30 folders."""
    objects = [GitObject.of("tree", b"")]
    for _ in range(30):
        rows = b"".join(entry("40000", b"%d" % number, objects[-1].sha) for number in range(10))
        objects.append(GitObject.of("tree", rows))
    with pytest.raises(IntegrityError, match="more files, or larger ones"):
        read_files(objects[-1].sha, reader(objects))


def test_a_deep_tree_ends():
    objects = [GitObject.of("tree", b"")]
    for _ in range(5000):
        objects.append(GitObject.of("tree", entry("40000", b"a", objects[-1].sha)))
    with pytest.raises(IntegrityError, match="more files, or larger ones"):
        read_files(objects[-1].sha, reader(objects))


def test_a_tree_that_names_one_large_file_a_thousand_times_ends():
    blob = GitObject.of("blob", bytes(1024 * 1024))
    rows = b"".join(entry("100644", b"%04d" % number, blob.sha) for number in range(1000))
    tree = GitObject.of("tree", rows)
    with pytest.raises(IntegrityError, match="more files, or larger ones"):
        read_files(tree.sha, reader([blob, tree]))


@pytest.mark.parametrize(
    "data", [b"", b"tree x\n\nm", b"tree ../../../../../../dev/zero\n\nm", b"parent " + b"a" * 40 + b"\n\nm"]
)
def test_a_commit_that_names_no_tree_is_refused(data):
    with pytest.raises(IntegrityError, match="not a commit"):
        commit_parts(data)


def test_a_message_that_is_not_utf_8_is_refused():
    with pytest.raises(IntegrityError, match="not UTF-8"):
        commit_parts(b"tree " + b"a" * 40 + b"\n\n\xff")
