"""What a terminal or a pipe may be: not UTF-8, closed early, narrow. A process of its own each time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.births import small_run
from support.runs_on_disk import write_run
from support.studbook_cli import environment, studbook

FULL = Path("/dev/full")
NOT_UTF8 = {"PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_run(folder / "runs" / "trial", small_run())
    return folder


@pytest.mark.parametrize("arguments", [["ls"], ["tree", "trial"], ["show", "trial"], ["show", "nothing"]])
def test_a_terminal_without_utf8_gets_ascii_and_no_traceback(home, arguments):
    done = studbook(*arguments, cwd=home, **NOT_UTF8)
    assert "Traceback" not in done.stderr
    assert done.returncode == (2 if "nothing" in arguments else 0)
    assert (done.stdout + done.stderr).isascii()
    assert "\\u" not in done.stdout + done.stderr, "no code points in the place of words"


def test_glyphs_keep_their_meaning_without_utf8(home):
    shown = studbook("tree", "trial", cwd=home, **NOT_UTF8).stdout
    assert "`- + m0002 prompt  idea 2" in shown
    assert "x m0001" in shown


@pytest.mark.parametrize("arguments", [["ls"], ["show", "trial"], ["ls", "--json"]])
def test_a_reader_that_goes_away_is_no_failure(home, arguments):
    command = [sys.executable, "-m", "studbook", *arguments]
    process = subprocess.Popen(
        command, cwd=home, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), err) == (0, b"")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no file that is always full")
@pytest.mark.parametrize(
    ("arguments", "code"), [(["show", "nothing"], 2), (["show", "trial"], 1), (["ls"], 1)]
)
def test_a_full_disk_behind_both_streams_leaves_the_status_as_it_is(home, arguments, code):
    with FULL.open("w") as full:
        command = [sys.executable, "-m", "studbook", *arguments]
        done = subprocess.run(
            command, cwd=home, env=environment(), stdout=full, stderr=full, timeout=60, check=False
        )
    assert done.returncode == code


def test_a_difference_is_one_json_object_as_well(home):
    done = studbook("diff", "trial:seed", "m0002", "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    score = json.loads(done.stdout)["scores"]["score"]
    assert score["difference"] == pytest.approx(0.5)
