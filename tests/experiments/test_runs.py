"""Run folders: names that do not collide, runs that are found or suggested."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.births import clock, small_run
from support.runs_on_disk import write_run

from studbook.errors import RevisionError, StorageError, UsageError
from studbook.experiments.run.opening import create_run, find_run, list_runs, open_run
from studbook.populations.journal import Journal
from studbook.populations.storage import RunFolder


def begun(folder):
    folder.journal.write_text("")
    return folder


def test_runs_of_one_spec_are_numbered(tmp_path):
    assert [create_run(tmp_path, "demo").name for _ in range(3)] == ["demo-1", "demo-2", "demo-3"]


def test_a_number_is_not_used_again_when_a_lower_one_was_removed(tmp_path):
    create_run(tmp_path, "demo")
    create_run(tmp_path, "demo")
    shutil.rmtree(tmp_path / "demo-1")
    assert create_run(tmp_path, "demo").name == "demo-3"


def test_runs_begun_at_once_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: create_run(tmp_path, "demo").name, range(24)))
    assert len(set(names)) == 24


def test_a_name_that_is_taken_is_refused_with_the_command_to_go_on(tmp_path):
    begun(create_run(tmp_path, "demo", "mine"))
    with pytest.raises(UsageError, match="studbook resume mine"):
        create_run(tmp_path, "demo", "mine")


def test_a_folder_that_is_no_run_keeps_its_name(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="is not a run"):
        create_run(tmp_path, "demo", "mine")


def test_a_run_gets_its_name_when_all_it_rests_on_is_written(tmp_path):
    def write(draft):
        assert not (tmp_path / "mine").exists()
        draft.journal.touch()
        assert list_runs(tmp_path) == []
        draft.spec.write_text("all of it")

    folder = create_run(tmp_path, "demo", "mine", write)
    assert folder.exists
    assert folder.spec.read_text() == "all of it"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_beginning_that_fails_leaves_nothing_and_does_not_hold_the_name(tmp_path):
    def write(draft):
        draft.spec.write_text("half of")
        raise StorageError("full")

    with pytest.raises(StorageError):
        create_run(tmp_path, "demo", "mine", write)
    assert list(tmp_path.iterdir()) == []
    assert create_run(tmp_path, "demo", "mine").exists


def test_what_a_run_left_that_was_killed_in_its_beginning_is_removed_by_the_next_one(tmp_path):
    code = (
        "import os, sys, pathlib; from studbook.experiments.run.opening import create_run;"
        "create_run(pathlib.Path(sys.argv[1]), 'demo', 'mine', lambda draft: os.kill(os.getpid(), 9))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment)
    assert done.returncode == -9
    assert [path.name[:9] for path in tmp_path.iterdir()] == [".new-run-"]
    assert list_runs(tmp_path) == []
    create_run(tmp_path, "demo", "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_run_that_is_just_beginning_is_left_alone_by_another(tmp_path):
    def write(draft):
        create_run(tmp_path, "demo", "other")
        draft.spec.write_text("still there")

    assert create_run(tmp_path, "demo", "mine", write).spec.read_text() == "still there"


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "x" * 200])
def test_a_name_that_is_no_plain_name_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="letters, digits"):
        create_run(tmp_path, "demo", name)


def test_a_runs_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot create .*file"):
        create_run(tmp_path / "file", "demo")


def test_a_run_is_found_by_name_or_path_and_else_suggested(tmp_path):
    folder = begun(create_run(tmp_path, "demo"))
    assert find_run("demo-1", tmp_path).root == folder.root
    assert find_run(str(folder.root), tmp_path / "elsewhere").root == folder.root
    with pytest.raises(RevisionError, match="did you mean demo-1"):
        find_run("dmo-1", tmp_path)


def test_a_folder_without_a_journal_is_no_run(tmp_path):
    RunFolder(tmp_path / "demo-1").create()
    assert list_runs(tmp_path) == []


def test_the_entries_of_an_opened_run_end_where_it_was_opened(tmp_path):
    """A replay of a run in progress compares with what was there, whatever is written meanwhile."""
    events = small_run()
    folder = write_run(tmp_path / "trial", events[:-1])
    opened = open_run("trial", tmp_path)
    with Journal(folder.journal, clock=clock, holder="a test") as journal:
        journal.append(events[-1:])
    assert len(opened.entries) == len(events) - 1
    assert opened.entries[-1].hash == opened.head
    assert len(open_run("trial", tmp_path).entries) == len(events)
