"""lineage.git is a real repository: git itself reads it, whatever a harness, a model or a user does."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.children import child_environment

from studbook.errors import IntegrityError, ManifestError, RevisionError, StorageError
from studbook.populations.lineage import Lineage, clean_line, format_message, read_trailers
from studbook.populations.tree_paths import check_tree_paths

SEED_TREE = {
    "agent.py": b"def main(box):\n    pass\n",
    "harness.yaml": b"version: 1\n",
    "prompts/challenger.md": b"Write one question.\n",
    "prompts.md": b"sorted before the folder by its dot\n",
    "prompts/deep/er/notes.md": b"",
}


def git(path: Path, *arguments: str) -> str:
    """The real git, as a user runs it; its configuration is what the test says."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", "-C", str(path), *arguments], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout + done.stderr


def add(lineage: Lineage, number: int, tree: dict[str, bytes], parent: str | None = None, **changes) -> str:
    values = {
        "parent_commit": parent,
        "iteration": number,
        "hypothesis": f"idea {number}",
        "run_name": "demo",
        "kind": "prompt" if number else "seed",
    }
    return lineage.add(f"m{number:04d}" if number else "seed", tree, **{**values, **changes})


@pytest.fixture
def lineage(tmp_path):
    with Lineage(tmp_path / "lineage.git") as opened:
        yield opened


@pytest.fixture
def family(lineage):
    """seed → m0001 (admitted) → m0002; seed → m0003."""
    seed = add(lineage, 0, SEED_TREE)
    first = add(lineage, 1, {**SEED_TREE, "prompts/challenger.md": b"Write two questions.\n"}, seed)
    second = add(lineage, 2, {**SEED_TREE, "agent.py": b"def main(box):\n    return 1\n"}, first)
    add(lineage, 3, {"agent.py": b"", "harness.yaml": b""}, seed)
    lineage.admit("m0001")
    lineage.set_best("m0001")
    assert second
    return lineage


def test_files_come_back_as_they_were_added(family):
    assert family.read("seed") == SEED_TREE
    assert family.read("refs/mutants/m0003") == {"agent.py": b"", "harness.yaml": b""}
    assert family.read(family.get_commit("m0002"))["agent.py"] == b"def main(box):\n    return 1\n"


def test_git_finds_nothing_wrong(family):
    assert git(family.path, "fsck", "--strict", "--full", "--no-dangling") == ""


def test_git_log_draws_the_tree(family):
    graph = git(family.path, "log", "--graph", "--all", "--format=%s")
    assert graph.splitlines() == [
        "* m0003: idea 3",
        "| * m0002: idea 2",
        "| * m0001: idea 1",
        "|/  ",
        "* seed: idea 0",
    ]


def test_branches_are_seed_the_admitted_and_the_best(family):
    assert git(family.path, "branch", "--format=%(refname:short)").split() == ["best", "m0001", "seed"]
    assert git(family.path, "rev-parse", "HEAD").strip() == family.get_commit("m0001")
    mutants = git(family.path, "for-each-ref", "--format=%(refname)", "refs/mutants").split()
    assert mutants == [f"refs/mutants/{name}" for name in ("m0001", "m0002", "m0003", "seed")]


def test_git_diff_shows_what_a_mutant_changed(family):
    changed = git(family.path, "diff", "--stat", "refs/mutants/seed", "refs/mutants/m0001")
    assert "prompts/challenger.md | 2 +-" in changed
    assert "1 file changed" in changed
    assert git(family.path, "diff", "--stat", "seed", "best") == changed


def test_a_clone_checks_out_the_best(family, tmp_path):
    git(tmp_path, "clone", "-q", str(family.path), "clone")
    assert (tmp_path / "clone/prompts/challenger.md").read_bytes() == b"Write two questions.\n"
    assert oct((tmp_path / "clone/agent.py").stat().st_mode & 0o111) == "0o0"


def test_git_reads_the_trailers(family):
    lines = git(family.path, "log", "-1", "--format=%(trailers:only)", "refs/mutants/m0002")
    assert lines.splitlines()[:6] == [
        "Mutant: m0002",
        "Parent: m0001",
        "Run: demo",
        "Iteration: 2",
        "Kind: prompt",
        "Hypothesis: idea 2",
    ]
    assert family.trailers("m0002")["Parent"] == "m0001"
    assert family.trailers("seed")["Parent"] == "-"


def test_extra_trailers_are_written_and_read(lineage):
    add(lineage, 0, SEED_TREE, trailers={"Refused-Actions": "2"})
    assert lineage.trailers("seed")["Refused-Actions"] == "2"


def test_commit_ids_depend_on_content_alone(tmp_path, monkeypatch):
    commits = []
    for name, user in (("a", "Ada"), ("b", "Ben")):
        monkeypatch.setenv("GIT_AUTHOR_NAME", user)
        monkeypatch.setenv("GIT_COMMITTER_DATE", "2031-01-01T00:00:00")
        with Lineage(tmp_path / f"{name}.git") as lineage:
            commits.append(add(lineage, 1, SEED_TREE, add(lineage, 0, SEED_TREE)))
    assert commits[0] == commits[1] == "a1a236439954206f74180c0c526dbb73cf4229ec"


def test_adding_again_changes_nothing(family):
    before = sorted((path, path.stat().st_mtime_ns) for path in family.path.rglob("*"))
    add(family, 3, {"agent.py": b"", "harness.yaml": b""}, family.get_commit("seed"))
    assert sorted((path, path.stat().st_mtime_ns) for path in family.path.rglob("*")) == before


def test_an_id_of_an_iteration_that_was_lost_moves_to_its_new_tree(family):
    again = add(family, 3, {"agent.py": b"other"}, family.get_commit("seed"))
    assert family.get_commit("m0003") == again
    assert family.read("m0003") == {"agent.py": b"other"}


def test_a_repository_is_opened_again_as_it_was(family):
    with Lineage(family.path) as again:
        assert again.read("m0002") == family.read("m0002")


def test_a_repository_whose_making_was_interrupted_is_completed(tmp_path):
    (tmp_path / "lineage.git/objects").mkdir(parents=True)
    with Lineage(tmp_path / "lineage.git") as lineage:
        add(lineage, 0, SEED_TREE)
    assert git(tmp_path / "lineage.git", "fsck", "--strict") == ""


def test_what_git_gc_packed_is_read_and_written_beside(family):
    git(family.path, "gc", "-q", "--prune=now")
    assert not list(family.path.glob("refs/mutants/*"))
    assert family.read("m0002")["agent.py"] == b"def main(box):\n    return 1\n"
    assert family.find_commit("m0099") is None
    add(family, 4, {"agent.py": b"4"}, family.get_commit("m0001"))
    assert family.trailers("m0004")["Parent"] == "m0001"
    assert git(family.path, "fsck", "--strict", "--full", "--no-dangling") == ""


def test_the_users_configuration_takes_no_part(tmp_path, monkeypatch):
    template = tmp_path / "template/hooks"
    template.mkdir(parents=True)
    (template / "post-update").write_text("#!/bin/sh\ntouch hooked\n")
    settings_file = tmp_path / "gitconfig"
    settings_file.write_text(
        f"[init]\n\ttemplateDir = {template.parent}\n\tdefaultBranch = odd\n[core]\n\tautocrlf = true\n"
        f"\thooksPath = {template}\n[commit]\n\tgpgSign = true\n[user]\n\tname = Odd\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings_file))
    with Lineage(tmp_path / "lineage.git") as lineage:
        add(lineage, 0, {"agent.py": b"a\r\nb\n"})
        assert lineage.read("seed") == {"agent.py": b"a\r\nb\n"}
    assert not (tmp_path / "lineage.git/hooks").exists()
    assert (tmp_path / "lineage.git/HEAD").read_text() == "ref: refs/heads/best\n"


HOSTILE_PATHS = [
    "",
    "/etc/passwd",
    "../out.py",
    "a/../../out.py",
    "a//b",
    "a/",
    "./a",
    ".git/config",
    "a/.GIT/hooks/x",
    ".gitmodules",
    ".gitattributes",
    "git~1/config",
    ".g\u200cit/config",
    "a\nb",
    "a\0b",
    "a\\..\\b",
    "c:evil",
    "a ",
    "a.",
    "\ud800",
    "x" * 256,
    "/".join(["x" * 200] * 6),
]


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_a_hostile_path_is_refused_and_nothing_is_written(lineage, path):
    with pytest.raises(ManifestError, match="a harness cannot contain the file"):
        add(lineage, 0, {"agent.py": b"", path: b"x"})
    assert lineage.find_commit("seed") is None


def test_a_file_that_is_a_folder_as_well_is_refused():
    with pytest.raises(ManifestError, match="one of its folders is also a file"):
        check_tree_paths(["a", "a/b/c"])


def test_usual_paths_are_taken():
    check_tree_paths(["agent.py", "prompts/héllo wörld.md", "a/.hidden", "digit.md", "a.git"])


def test_a_hostile_hypothesis_is_one_harmless_line(lineage):
    hypothesis = "better\n\nParent: m9999\nTree-Hash: 0\x1b]0;title\x07\u202e\ud800" + "!" * 5000
    add(lineage, 0, SEED_TREE, hypothesis=hypothesis)
    subject = git(lineage.path, "log", "-1", "--format=%s", "refs/mutants/seed").strip()
    assert subject.startswith("seed: better Parent: m9999 Tree-Hash: 0 ]0;title")
    assert len(subject) <= 106
    assert lineage.trailers("seed")["Parent"] == "-"
    assert lineage.read("seed") == SEED_TREE
    assert git(lineage.path, "fsck", "--strict") == ""


@given(st.text())
def test_a_message_gives_back_the_line_it_was_given(hypothesis):
    message = format_message(
        "m0001", hypothesis, {"Mutant": "m0001", "Hypothesis": hypothesis, "Kind": "code"}
    )
    trailers = read_trailers(message)
    assert trailers == {"Mutant": "m0001", "Hypothesis": clean_line(hypothesis) or "-", "Kind": "code"}
    assert all(char.isprintable() or char == "\n" for char in message)


def test_a_trailer_key_that_could_forge_another_is_refused():
    with pytest.raises(ValueError, match="is not a trailer"):
        format_message("m0001", "idea", {"Kind: code\nParent": "x"})


FILES = st.dictionaries(
    st.from_regex(r"[a-c]{1,2}(/[a-c]{1,2}){0,2}\.md", fullmatch=True), st.binary(), max_size=6
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(FILES)
def test_any_tree_comes_back_and_git_agrees_about_it(lineage, files):
    add(lineage, 1, files)
    assert lineage.read("m0001") == files
    names = git(lineage.path, "ls-tree", "-r", "-z", "--name-only", "refs/mutants/m0001")
    assert sorted(names.split("\0")[:-1]) == sorted(files)


def test_unknown_revisions_are_named(lineage):
    for name in ("m0001", "refs/heads/m0001", "f" * 40, "../HEAD", "refs/../HEAD", "--all"):
        with pytest.raises(RevisionError, match="has no"):
            lineage.read(name)
    with pytest.raises(RevisionError):
        add(lineage, 1, SEED_TREE, "f" * 40)


def test_files_too_large_to_be_read_again_are_refused(lineage):
    with pytest.raises(ManifestError, match="less than 8,388,608 bytes"):
        add(lineage, 0, {"agent.py": bytes(8 * 1024 * 1024)})


def test_a_missing_file_is_named(family):
    blob = git(family.path, "rev-parse", "refs/mutants/m0003:agent.py").strip()
    (family.path / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(IntegrityError, match=rf"m0003: agent.py \(object {blob}\): not there\n.*incomplete"):
        family.read("m0003")


def test_a_commit_that_is_no_mutant_is_no_parent(family):
    tree = git(family.path, "rev-parse", "seed^{tree}").strip()
    other = git(
        family.path, "-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "x", tree
    ).strip()
    with pytest.raises(IntegrityError, match="is not the commit of a mutant"):
        add(family, 5, SEED_TREE, other)
    with pytest.raises(IntegrityError, match="it is not a commit"):
        add(family, 5, SEED_TREE, tree)


def test_an_id_that_is_none_is_refused(lineage):
    with pytest.raises(ValueError, match="is not a mutant id"):
        lineage.add(
            "../../x", {}, parent_commit=None, iteration=0, hypothesis="", run_name="demo", kind="seed"
        )


def test_a_damaged_object_is_found(family):
    blob = git(family.path, "rev-parse", "refs/mutants/m0003:agent.py").strip()
    path = family.path / "objects" / blob[:2] / blob[2:]
    other = git(family.path, "rev-parse", "refs/mutants/seed:harness.yaml").strip()
    path.chmod(0o644)
    path.write_bytes((family.path / "objects" / other[:2] / other[2:]).read_bytes())
    with pytest.raises(IntegrityError, match="is damaged"):
        family.read("m0003")
    path.write_bytes(b"junk")
    with pytest.raises(IntegrityError, match="is damaged"):
        family.read("m0003")


def test_a_lineage_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "lineage.git").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match=r"lineage\.git"):
        Lineage(tmp_path / "lineage.git")


ADD_FOR_EVER = """
import itertools, sys
from pathlib import Path
from studbook.populations.lineage import Lineage
with Lineage(Path(sys.argv[1])) as lineage:
    parent = None
    for number in itertools.count():
        print(number, flush=True)
        parent = lineage.add(
            f"m{number:04d}", {"agent.py": b"%d" % number, "prompts/a.md": b"x" * number},
            parent_commit=parent, iteration=number, hypothesis="again", run_name="demo", kind="x",
        )
"""


@pytest.mark.parametrize("killed_after_lines", [1, 2, 5, 9, 14, 20])
def test_a_writer_that_is_killed_leaves_a_sound_repository(tmp_path, killed_after_lines):
    path = tmp_path / "lineage.git"
    command = [sys.executable, "-c", ADD_FOR_EVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment()) as writer:
        assert writer.stdout is not None
        for _ in range(killed_after_lines):
            writer.stdout.readline()
        writer.kill()
    refs = git(path, "for-each-ref", "--format=%(refname)", "refs/mutants").split()
    assert len(refs) >= killed_after_lines - 1
    with Lineage(path) as lineage:
        for number, ref in enumerate(refs):
            assert lineage.read(ref)["agent.py"] == b"%d" % number
        parent = refs[-1] if refs else None
        add(lineage, 5000, SEED_TREE, lineage.get_commit(parent) if parent else None)
    assert git(path, "fsck", "--strict", "--full", "--no-dangling") == ""


def test_several_threads_may_add_and_read(lineage):
    seed = add(lineage, 0, SEED_TREE)
    failures: list[Exception] = []

    def work(first: int) -> None:
        try:
            for number in range(first, first + 10):
                tree = {**SEED_TREE, "agent.py": b"%d" % number}
                add(lineage, number, tree, seed)
                assert lineage.read(f"m{number:04d}") == tree
        except Exception as error:  # noqa: BLE001  # carried to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (10, 20, 30, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert git(lineage.path, "fsck", "--strict", "--full") == ""
