"""CI runs the commands that the README names, as they are written, and the suite keeps its own promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CI = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_ci_runs_the_commands_of_the_readme_as_they_are_written_there():
    named = set(re.findall(r"^make .+$", text_of("README.md"), re.MULTILINE))
    run = re.findall(r"^make .+$", CI, re.MULTILINE)
    assert named == {"make demo", "make test"}
    assert named <= set(run)


def test_make_test_leaves_nothing_out_and_ci_skips_nothing_for_want_of_a_tool():
    recipe = re.search(r"^test:.*\n\t(.+)\n", text_of("Makefile"), re.MULTILINE)
    assert recipe is not None
    assert recipe[1] == "$(PYTEST) $(ARGS)"
    assert "--ignore" not in CI
    for tool in ("DOCKER", "BUBBLEWRAP", "INDEX"):
        assert f"STUDBOOK_REQUIRE_{tool}=1" in CI


def test_every_target_has_a_line_of_help():
    makefile = text_of("Makefile")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(re.findall(r"^([a-z-]+):.* ## \S", makefile, re.MULTILINE))


def run_pytest(tmp_path: Path, module: str, **environment: str) -> str:
    """What pytest prints of a module that has the fixtures of tests/conftest.py."""
    test = tmp_path / "test_given.py"
    test.write_text(module, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:xdist", "-rs", str(test)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests'}", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


LEAK = """
import threading
import pytest

@pytest.fixture(scope="module")
def watch():
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="engine-watch", daemon=True)
    thread.start()
    yield thread
    {ending}

def test_one(watch):
    assert watch.is_alive()
"""


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("ended.set()", "1 passed"),
        ("pass", "threads that this module started and did not end: [<Thread(engine-watch"),
    ],
)
def test_a_module_that_leaves_a_thread_behind_fails(tmp_path: Path, ending: str, told: str):
    assert told in run_pytest(tmp_path, LEAK.format(ending=ending))


@pytest.mark.parametrize(
    ("required", "told"),
    [
        ("0", "bubblewrap is missing or does not work here"),
        ("1", "STUDBOOK_REQUIRE_BUBBLEWRAP=1 and bubblewrap is"),
    ],
)
def test_without_bubblewrap_a_test_is_skipped_and_in_ci_it_fails(tmp_path: Path, required: str, told: str):
    module = "def test_one(bubblewrap):\n    assert bubblewrap\n"
    empty = tmp_path / "bin"
    empty.mkdir()
    said = run_pytest(tmp_path, module, PATH=str(empty), STUDBOOK_REQUIRE_BUBBLEWRAP=required)
    assert told in said
    assert ("1 error" if required == "1" else "1 skipped") in said
