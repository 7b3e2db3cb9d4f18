"""Where a command may write: nothing that is there is lost, and this is known before anything is paid."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.births import run_started
from support.runs_on_disk import write_run
from support.studbook_cli import environment, studbook

from studbook.errors import StorageError, UsageError
from studbook.experiments.cli.main import main
from studbook.experiments.outputs import opened_output

OURS = b"# Ours"
NEW = b"# Ours, of today"


def write(path: Path, beginning: bytes | None = OURS) -> None:
    with opened_output(path, beginning) as out:
        out.write(NEW)


def test_a_new_file_is_written_whole_and_with_the_users_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write(tmp_path / "new.md")
    finally:
        os.umask(before)
    assert (tmp_path / "new.md").read_bytes() == NEW
    assert stat.S_IMODE((tmp_path / "new.md").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["new.md"]


def test_trying_a_place_leaves_nothing_there(tmp_path):
    with opened_output(tmp_path / "new.md", OURS) as out:
        assert list(tmp_path.iterdir()) == []
        assert out.is_file
    assert list(tmp_path.iterdir()) == []


def test_links_are_followed_and_own_files_may_be_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    own = tmp_path / "there" / "own.md"
    own.write_bytes(b"# Ours, of yesterday")
    (tmp_path / "link.md").symlink_to(own)
    (tmp_path / "coming.md").symlink_to("there/coming.md")
    (tmp_path / "empty.md").touch()
    for name in ("link.md", "coming.md", "empty.md"):
        write(tmp_path / name)
        assert (tmp_path / name).read_bytes() == NEW
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "coming.md").is_symlink()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("notes.txt", "did not write it"),
        ("link to notes", "did not write it"),
        ("pipe", "nothing reads from this pipe"),
        (".", "it is a folder"),
        ("missing/x", "does not exist"),
        ("notes.txt/x", "does not exist"),
        ("lost", "whose folder does not exist"),
        ("round", "cannot be written: Too many levels"),
        ("/dev/stdin", "open for reading only"),
        ("/dev/fd/77", "cannot be written: Bad file descriptor"),
        ("/proc/x", "no file can be created"),
        ("x" * 300, "cannot be written: File name too long"),
    ],
)
def test_everything_else_is_refused_before_anything_is_done(tmp_path, name, words):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "link to notes").symlink_to("notes.txt")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere" / "x")
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(UsageError, match=words), opened_output(tmp_path / name, OURS):
        pytest.fail("it was taken")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_command_whose_files_have_no_beginning_replaces_none(tmp_path):
    (tmp_path / "old.tar.gz").write_bytes(OURS)
    with pytest.raises(UsageError, match="it already exists"):
        write(tmp_path / "old.tar.gz", None)


def test_a_file_that_appears_while_the_command_works_is_not_lost(tmp_path):
    with opened_output(tmp_path / "x.md", OURS) as out:
        (tmp_path / "x.md").write_text("mine")
        with pytest.raises(UsageError, match="did not write it"):
            out.write(NEW)
    assert (tmp_path / "x.md").read_text() == "mine"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    while True:  # until the reader has opened it
        try:
            write(pipe)
            break
        except UsageError as error:
            assert "start its reader first" in str(error)
    reader.join()
    assert read == [NEW]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_reader_that_has_gone_is_an_error_that_names_the_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with opened_output(tmp_path / "pipe", OURS) as out:
        os.close(reader)
        with pytest.raises(StorageError, match=r"cannot write to .*pipe: Broken pipe"):
            out.write(NEW)


def test_devices_stay_devices():
    before = os.stat("/dev/null")
    write(Path("/dev/null"))
    assert os.stat("/dev/null").st_ino == before.st_ino
    with pytest.raises(StorageError, match="No space left"):
        write(Path("/dev/full"))


def test_a_block_device_is_refused(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root may make devices")
    try:
        os.mknod(tmp_path / "disk", 0o60600, os.makedev(7, 250))
    except PermissionError:
        pytest.skip("this container may make no devices")
    with pytest.raises(UsageError, match="no plain file"):
        write(tmp_path / "disk")


WRITES = (
    "import sys; from pathlib import Path; from studbook.experiments.outputs import opened_output\n"
    "with opened_output(Path(sys.argv[1]), b'') as out: out.write(b'content')\n"
    "print('summary')"
)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_standard_output_that_was_sent_to_a_file_goes_on_after_it(tmp_path, name):
    """Replacing the file, or opening it anew, would lose what stands there or what follows."""
    (tmp_path / "link").symlink_to("/dev/stdout")
    command = [sys.executable, "-c", WRITES, str(tmp_path / name)]
    with (tmp_path / "out.txt").open("w") as out:
        out.write("before\n")
        out.flush()
        subprocess.run(command, stdout=out, check=True, env=environment())
    assert (tmp_path / "out.txt").read_text() == "before\ncontentsummary\n"


def test_standard_output_may_be_a_pipe(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WRITES, "/dev/stdout"], capture_output=True, check=True, env=environment()
    )
    assert done.stdout == b"contentsummary\n"


def test_a_stream_that_others_share_gets_its_mode_back(tmp_path):
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    try:
        write(Path(f"/dev/fd/{theirs}"))
        assert os.read(ours, 100) == NEW
        assert not os.get_blocking(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_with_standard_streams_closed_a_file_is_written_all_the_same(tmp_path, closed):
    write_run(tmp_path / "trial", [run_started()])
    command = f"{sys.executable} -m studbook report trial --runs-dir . --out report.html {closed}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "report.html").read_text().endswith("</html>\n")


def test_an_evaluation_looks_at_the_place_before_it_measures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "agentic_self_instruct", "--papers", "papers", "--out", "missing/x.jsonl"]
    assert main(["papers", "synth", "papers", "--count", "1"]) == 0
    assert main([*arguments, "-s", "sandbox=process"]) == 2
    assert "the folder missing does not exist" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_examples_that_cannot_be_written_where_they_should_are_kept(tmp_path):
    studbook("papers", "synth", "papers", "--count", "4", cwd=tmp_path)
    done = studbook(
        *("evaluate", "agentic_self_instruct", "--papers", "papers", "--out", "/dev/full"),
        *("-s", "sandbox=process"),
        cwd=tmp_path,
    )
    (kept,) = (tmp_path / "runs" / "evaluations").glob("*.jsonl")
    assert kept.read_text().startswith('{"v": 1, "paper_id": ')
    assert done.stdout.startswith("passed ")
    assert "No space left" in done.stderr
    assert kept.name in done.stderr
    assert done.returncode == 1


@pytest.mark.slow
def test_what_goes_to_standard_output_is_the_file_and_nothing_else(tmp_path):
    studbook("papers", "synth", "papers", "--count", "4", cwd=tmp_path)
    done = studbook(
        *("evaluate", "agentic_self_instruct", "--papers", "papers", "--out", "/dev/stdout"),
        *("-s", "sandbox=process"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["v"] for line in done.stdout.splitlines()] == [1] * done.stdout.count("\n")
    assert "\npassed " in done.stderr
    assert done.stdout
