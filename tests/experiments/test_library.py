"""The library reads runs as plain records, evaluates and runs, and the page that describes it is executed."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.repository import REPOSITORY
from support.studbook_cli import studbook as command

import studbook
from studbook.errors import RevisionError, SpecError, UsageError
from studbook.experiments.library.reading import Run
from studbook.experiments.library.working import plugin_name
from studbook.populations.records import MutationKind
from studbook.rate import Rate

PAGE = (REPOSITORY / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLE = "\n".join(BLOCKS)
SHORT = {"search.iterations": 4, "corpus.splits": {"train": 2, "validation": 4, "test": 2}}


class Policy:
    """Stands for a plug-in of a user's."""


POLICY = Policy()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return studbook.run(
        "quickstart", sandbox="process", overrides=SHORT, runs_dir=tmp_path_factory.mktemp("runs")
    )


@pytest.mark.slow
def test_the_page_is_executed_as_it_stands(tmp_path: Path):
    assert len(BLOCKS) == 6
    assert command("papers", "synth", "papers", "--count", "2", cwd=tmp_path).returncode == 0
    (tmp_path / "page.py").write_text(EXAMPLE, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("quickstart-1 finished\n")
    assert "accepted examples" in done.stdout


@pytest.mark.slow
def test_the_page_is_typed(tmp_path: Path):
    (tmp_path / "page.py").write_text(EXAMPLE, encoding="utf-8")
    settings = ["--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *settings, str(tmp_path / "page.py")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_importing_the_name_imports_nothing_else():
    program = "import sys, studbook; print([n for n in sys.modules if n.startswith('studbook.')])"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_reading_a_run_imports_neither_evaluator_nor_an_sdk(run: Run):
    program = (
        "import sys, studbook; run = studbook.open_run(sys.argv[1]); run.best.diff(run.seed); run.mutants();"
        "print({'studbook.evaluate', 'studbook.testbed', 'docker', 'openai'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(run.folder)], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("first", ["import studbook.evaluate.text", "import studbook"])
def test_the_package_evaluate_is_the_function_too(first: str):
    program = f"{first}; studbook.evaluate('nowhere', papers='.')"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert "studbook.errors.UsageError: no harness at 'nowhere'" in done.stderr


def test_a_run_is_read_as_records(run: Run):
    assert run.summary.state == "finished"
    assert not run.is_running
    mutants = run.mutants()
    assert mutants[0].harness_id == "seed"
    assert (mutants[0].kind, mutants[0].verdict, mutants[0].parent_id) == (MutationKind.SEED, None, None)
    assert len(mutants) == 1 + sum(each.parent_id is not None for each in mutants)
    first = run.evaluations()[0]
    assert (first.harness_id, first.split, first.replicate, first.rate.n) == ("seed", "validation", 0, 4)
    results = run.results()
    assert sum(each.rate.n for each in run.evaluations()) == len(results)
    row = mutants.to_dicts()[0]
    assert (row["kind"], row["validation_passed"], row["validation_n"]) == (
        "seed",
        mutants[0].validation.passed,
        mutants[0].validation.n,
    )
    assert [step.harness_id for step in run.lineage("seed")] == ["seed"]


def test_a_run_can_be_read_while_it_goes_on_and_be_stopped_from_elsewhere(tmp_path: Path):
    with ThreadPoolExecutor(1) as pool:
        given = {**SHORT, "search.iterations": 1_000}
        going = pool.submit(
            studbook.run, "quickstart", sandbox="process", overrides=given, runs_dir=tmp_path, name="long"
        )
        until = time.monotonic() + 60
        while not ((tmp_path / "long").is_dir() and studbook.open_run("long", tmp_path).evaluations()):
            assert time.monotonic() < until and not going.done(), going.exception(0)
            time.sleep(0.1)
        assert studbook.open_run("long", tmp_path).is_running
        assert command("stop", "long", "--runs-dir", str(tmp_path), cwd=tmp_path).returncode == 0
        stopped = going.result(60)
    assert stopped.summary.state == "interrupted"
    assert stopped.summary.iterations < 1_000
    assert stopped.champion is None


def test_records_are_a_sequence(run: Run):
    mutants = run.mutants()
    assert mutants[-1] == list(mutants)[-1]
    assert list(mutants[:1]) == [mutants[0]]
    assert isinstance(mutants[:1], studbook.Records)


def test_a_diff_goes_from_the_older_to_the_harness_that_is_asked(run: Run):
    changed = next(each for each in run.mutants() if each.parent_id == "seed")
    change = run.harness(changed.harness_id).diff(run.seed)
    assert (change.before, change.after) == (f"{run.name}:seed", f"{run.name}:{changed.harness_id}")
    assert change.files
    assert change.scores is not None
    assert "+++ b/" in str(change)
    assert not run.seed.diff(run.seed).files


def test_trajectories_are_found_by_the_beginning_of_the_paper_s_name(run: Run):
    paper = next(each.paper_id for each in run.results() if each.harness_id == "seed")
    found = run.trajectories("seed", paper[:6])
    assert {each.result.paper_id for each in found} == {paper}
    assert run.trajectory("seed", paper) == found[-1]


def test_a_harness_may_stand_for_its_name_and_a_name_for_a_harness(run: Run):
    assert tuple(run.lineage(run.best)) == tuple(run.lineage("best"))
    assert run.harness(run.seed).name == run.seed.name
    assert str(run.best.diff("seed")) == str(run.best.diff(run.seed))
    paper = run.results()[0].paper_id
    assert run.trajectory(run.seed, paper) == run.trajectory("seed", paper)


def test_the_names_of_the_library_are_listed():
    assert {"open_run", "evaluate", "run", "Run", "Harness", "StudbookError"} <= set(dir(studbook))


def test_a_name_that_is_not_there_is_told(run: Run):
    with pytest.raises(RevisionError, match="m9999"):
        run.harness("m9999")
    with pytest.raises(RevisionError, match="no paper"):
        run.trajectory("seed", "zzz")
    with pytest.raises(RevisionError, match="no run"):
        studbook.open_run("nowhere")
    with pytest.raises(SpecError, match="Bundled specs"):
        studbook.run("nothing-like-it")


def test_a_harness_of_a_run_is_evaluated_and_nothing_is_repeated(run: Run, tmp_path: Path):
    assert command("papers", "synth", "papers", "--count", "2", cwd=tmp_path).returncode == 0
    settings = {"papers": tmp_path / "papers", "sandbox": "process", "runs_dir": tmp_path / "runs"}
    first = studbook.evaluate(run.seed, **settings)
    again = studbook.evaluate(run.seed.tree, **settings)
    assert first.summary == again.summary
    assert isinstance(first.summary.rate, Rate)
    assert (first.summary.rate.n, first.name) == (2, again.name)
    told = command(
        "evaluate", "agentic_self_instruct", "--papers", "papers", "-ssandbox=process", "--json", cwd=tmp_path
    )
    assert f'"passed": {first.summary.rate.passed}' in told.stdout
    with pytest.raises(UsageError, match="at least 1"):
        studbook.evaluate(run.seed, **settings, replicates=0)


def test_an_object_is_plugged_in_under_its_importable_name():
    assert plugin_name("boltzmann") == "boltzmann"
    assert plugin_name(Policy) == f"{__name__}:Policy"
    assert plugin_name(POLICY) == f"{__name__}:POLICY"
    with pytest.raises(UsageError, match="neither resumed nor replayed"):
        plugin_name(lambda: None)
    with pytest.raises(UsageError, match="neither resumed nor replayed"):
        plugin_name(Policy())
