"""Edits stay inside the harness, and a failed edit says how to mend it."""

import pytest

from studbook.evolve.policies.actions import Hunk
from studbook.evolve.policies.worktree import EditFailed, Refused, TreeLimits, Worktree
from studbook.testbed.fakes import MANIFEST, fake_harness

TEXT = "# Rules\n\nAsk one question.\nBe brief.\nAsk one thing.\nBe brief.\n"


def worktree(**files):
    tree = fake_harness().replace({"prompts/rules.md": TEXT.encode(), **files})
    return Worktree(tree)


OUTSIDE = [
    "../outside.md",
    "prompts/../../outside.md",
    "/etc/passwd",
    "prompts//a.md",
    "prompts/./a.md",
    "prompts\\a.md",
    "C:/a.md",
    ".git/hooks/pre-commit",
    "prompts/.git/config",
    ".GIT/config",
    "prompts/a.md\x00.py",
    "prompts/a\n.md",
    "~/a.md",
    "prompts/ä.md",
    "",
    ".",
    "harness.yaml",
    "Harness.YAML",
    "harness_kit.py",
    "Harness_Kit.py",
    "prompts/Rules.md",
    "PROMPTS/rules.md",
    "notes.txt",
    "prompts/deep/a.md",
    "lib/util.py",
    "prompts/" + "a" * 300 + ".md",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_change_outside_is_refused_whatever_it_is_called(path):
    tree = worktree()
    before = tree.tree
    with pytest.raises(Refused):
        tree.write(path, "x")
    with pytest.raises(Refused):
        tree.delete(path)
    with pytest.raises(Refused):
        tree.replace(path, [Hunk(old="a", new="b")])
    assert tree.tree == before


@pytest.mark.parametrize(
    "path",
    [
        "agent.py/x.py",
        "prompts",
        "prompts/rules.md/x.md",
        "Prompts/x.md",
        "x.",
        "/".join("abcdefgh") + "/x.md",
    ],
)
def test_what_no_box_and_no_lineage_could_hold_is_refused_even_where_all_is_editable(path):
    manifest = MANIFEST.replace(b'"*.py"', b'"**", "*.py"')
    tree = worktree(**{"harness.yaml": manifest})
    assert tree.tree.manifest.is_editable("x/y.md")
    with pytest.raises(Refused):
        tree.write(path, "x")


@pytest.mark.parametrize("path", ["../outside.md", "/etc/passwd", ".git/config"])
def test_reading_outside_is_refused_too(path):
    with pytest.raises(Refused):
        worktree().read(path)


def test_writing_creates_replaces_and_ends_with_a_newline():
    tree = worktree()
    assert tree.write("prompts/new.md", "one") == "created prompts/new.md (4 bytes)"
    assert tree.write("./prompts/new.md", "two\n") == "wrote prompts/new.md (4 bytes)"
    assert tree.read("prompts/new.md") == "two\n"
    assert tree.changed_paths == ("prompts/new.md",)


def test_deleting_a_file_removes_it_and_a_missing_one_is_explained():
    tree = worktree()
    tree.delete("prompts/rules.md")
    with pytest.raises(EditFailed, match=r"there is no file prompts/rules.md; the files are:\nagent.py"):
        tree.delete("prompts/rules.md")
    assert "prompts/rules.md" not in tree.tree.files


def test_a_replace_that_matches_once_is_carried_out():
    tree = worktree()
    tree.replace("prompts/rules.md", [Hunk(old="Ask one question.", new="Ask a hard question.")])
    assert tree.read("prompts/rules.md") == TEXT.replace("Ask one question.", "Ask a hard question.")


def test_a_replace_that_matches_twice_names_the_lines():
    with pytest.raises(EditFailed, match=r"occurs 2 times in prompts/rules.md \(it begins at lines 4, 6\)"):
        worktree().replace("prompts/rules.md", [Hunk(old="Be brief.", new="")])


def test_a_replace_that_does_not_match_shows_the_nearest_lines():
    with pytest.raises(EditFailed, match=r"nearest lines are:\n +2 \| \n +3 \| Ask one question\.\n +4 \| "):
        worktree().replace("prompts/rules.md", [Hunk(old="Ask  one  question!", new="")])


def test_a_replace_is_all_its_hunks_or_none():
    tree = worktree()
    good, bad = Hunk(old="Ask one thing.", new="x"), Hunk(old="nowhere to be found", new="y")
    with pytest.raises(EditFailed):
        tree.replace("prompts/rules.md", [good, bad])
    assert tree.changed_paths == ()


def test_after_two_failed_replaces_writing_is_suggested():
    tree = worktree()
    for _ in range(2):
        with pytest.raises(EditFailed) as caught:
            tree.replace("prompts/rules.md", [Hunk(old="nowhere to be found", new="y")])
    assert "write prompts/rules.md" in str(caught.value)


def test_the_replacement_is_taken_literally():
    tree = worktree()
    tree.replace("prompts/rules.md", [Hunk(old="Ask one thing.", new=r"\1 \g<0> $&")])
    assert r"\1 \g<0> $&" in tree.read("prompts/rules.md")


def test_sizes_are_bounded():
    small = Worktree(fake_harness(), TreeLimits(file_bytes=100, total_bytes=1000, files=5))
    with pytest.raises(EditFailed, match="at most 100"):
        small.write("prompts/a.md", "x" * 101)
    for number in range(2):
        small.write(f"prompts/{number}.md", "x")
    with pytest.raises(EditFailed, match="too large"):
        small.write("prompts/3.md", "x")


def test_text_that_utf8_cannot_hold_is_replaced_not_raised():
    tree = worktree()
    tree.write("prompts/a.md", "a\ud800b")
    assert tree.read("prompts/a.md") == "a?b\n"


def test_a_search_names_file_and_line():
    assert worktree().search("Ask one") == (
        "prompts/rules.md:3: Ask one question.\nprompts/rules.md:5: Ask one thing."
    )
    assert worktree().search("nowhere to be found") == "no line holds this text"


CRLF = fake_harness().replace(
    {"prompts/dos.md": b"one\r\ntwo\r\nthree\r\n", "prompts/mixed.md": b"one\r\ntwo\n"}
)


def test_a_file_keeps_its_own_line_ends():
    tree = Worktree(CRLF)
    assert tree.read("prompts/dos.md") == "one\ntwo\nthree\n"
    tree.replace("prompts/dos.md", [Hunk(old="one\ntwo", new="1\n2")])
    assert tree.tree.files["prompts/dos.md"] == b"1\r\n2\r\nthree\r\n"
    tree.write("prompts/dos.md", "new\nlines\n")
    assert tree.tree.files["prompts/dos.md"] == b"new\r\nlines\r\n"
    tree.replace("prompts/mixed.md", [Hunk(old="two", new="2")])
    assert tree.tree.files["prompts/mixed.md"] == b"one\r\n2\n"


@pytest.mark.parametrize(
    "before", [b"\xef\xbb\xbfone\r\ntwo\nthree\n", b"one\rtwo\rthree\r", b"one\r\ntwo\rthree\n"]
)
def test_edits_over_lines_match_whatever_the_line_ends_are(before):
    tree = Worktree(CRLF.replace({"prompts/odd.md": before}))
    assert tree.read("prompts/odd.md") == "one\ntwo\nthree\n"
    assert tree.search("one\ntwo") == "prompts/dos.md:1: one\nprompts/mixed.md:1: one\nprompts/odd.md:1: one"
    tree.replace("prompts/odd.md", [Hunk(old="one\ntwo\nthree", new="one\n2\nthree")])
    assert tree.tree.files["prompts/odd.md"] == before.replace(b"two", b"2")


def test_an_old_text_that_misses_by_whitespace_is_found():
    tree = Worktree(fake_harness())
    tree.replace("agent.py", [Hunk(old="box.log('nothing')  ", new="box.log('something')")])
    assert b"\n    box.log('something')\n" in tree.tree.files["agent.py"]


def test_a_replace_without_old_lines_is_a_revision_of_the_whole_file_or_refused():
    tree = Worktree(CRLF)
    tree.replace_whole("prompts/dos.md", "one\n2\nthree\n")
    assert tree.tree.files["prompts/dos.md"] == b"one\r\n2\r\nthree\r\n"
    with pytest.raises(EditFailed, match="a replace body is"):
        tree.replace_whole("prompts/dos.md", "something else\n")


def test_lines_are_added_at_the_end():
    tree = Worktree(CRLF)
    tree.append("prompts/dos.md", "four")
    assert tree.tree.files["prompts/dos.md"] == b"one\r\ntwo\r\nthree\r\nfour\r\n"
    tree.write("prompts/new.md", "no end")
    tree.append("prompts/new.md", "more\n")
    assert tree.tree.files["prompts/new.md"] == b"no end\nmore\n"
    with pytest.raises(EditFailed, match="there is no file"):
        tree.append("prompts/none.md", "x")
    with pytest.raises(Refused):
        tree.append("harness.yaml", "x")
