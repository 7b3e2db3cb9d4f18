"""Bundled specs and harnesses are found by name from any folder; a path that exists wins."""

from pathlib import Path

import pytest
import yaml
from support.studbook_cli import studbook

from studbook.errors import SpecError, UsageError
from studbook.experiments.spec.loading import (
    application_root,
    bundled_harnesses,
    bundled_specs,
    find_spec,
    harness_folder,
    load_spec,
    write_resolved,
)
from studbook.harnesses.folder import read_harness, write_harness

ROOT = application_root()


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_is_bundled():
    assert list(bundled_specs())[:2] == ["quickstart", "autodata"]
    assert {"agentic_self_instruct", "new_harness"} <= set(bundled_harnesses())


@pytest.mark.parametrize("text", ["quickstart", "quickstart.yaml", "experiments/quickstart.yaml"])
def test_a_spec_is_found_by_name_from_any_folder(text):
    assert find_spec(Path(text)) == ROOT / "experiments" / "quickstart.yaml"


@pytest.mark.parametrize("text", ["agentic_self_instruct", "harnesses/agentic_self_instruct"])
def test_a_harness_is_found_by_name_from_any_folder(text):
    assert harness_folder(text) == ROOT / "harnesses" / "agentic_self_instruct"


def test_a_path_that_exists_wins_over_a_bundled_name():
    Path("quickstart").write_text("version: 1\nname: mine\n")
    assert load_spec(Path("quickstart")).name == "mine"
    write_harness(read_harness(harness_folder("new_harness")), Path("agentic_self_instruct"))
    assert harness_folder("agentic_self_instruct") == Path("agentic_self_instruct")
    assert load_spec(Path("quickstart")).harness == Path("agentic_self_instruct").absolute().as_posix()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("nosuch", "Bundled specs: quickstart, autodata, conformance"),
        ("quikstart", "did you mean quickstart?"),
        ("experiments/nothing/quickstart.yaml", "Bundled specs: quickstart, autodata, conformance"),
        (".", "Bundled specs: quickstart, autodata, conformance"),
    ],
)
def test_a_spec_that_is_not_there_is_told_with_the_nearest_or_all(text, hint):
    with pytest.raises(SpecError) as caught:
        find_spec(Path(text))
    assert str(caught.value).splitlines()[1].strip() == hint


def test_a_spec_in_the_folder_is_suggested_too():
    Path("mine.yaml").write_text("version: 1\n")
    with pytest.raises(SpecError, match=r"did you mean mine\.yaml\?"):
        find_spec(Path("mine.yml"))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("agentic_self_instuct", "did you mean agentic_self_instruct?"),
        ("x", "Bundled harnesses: agentic_self_instruct, new_harness"),
    ],
)
def test_a_harness_that_is_not_there_is_told_with_the_nearest_or_all(text, hint):
    with pytest.raises(UsageError) as caught:
        harness_folder(text)
    assert hint in str(caught.value)


@pytest.mark.parametrize("given", ["agentic_self_instruct", "harnesses/agentic_self_instruct", None])
def test_a_resolved_spec_names_a_bundled_harness_and_no_path_of_this_machine(given):
    path = given or (ROOT / "harnesses" / "agentic_self_instruct").as_posix()
    Path("mine.yaml").write_text(f"version: 1\nname: mine\nharness: {path}\n")
    for flags in ([], [f"harness={path}"]):
        resolved = yaml.safe_load(write_resolved(load_spec(Path("mine.yaml"), flags)))
        assert resolved["harness"] == "agentic_self_instruct"


@pytest.mark.slow
def test_the_command_line_finds_them_from_an_empty_folder(tmp_path):
    done = studbook("run", "quickstart", "--dry-run", "-s", "sandbox=process", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    failed = studbook("run", "nosuch", cwd=tmp_path)
    assert failed.returncode == 2
    assert "Bundled specs: quickstart, autodata, conformance" in failed.stderr
    papers = tmp_path / "papers"
    assert studbook("papers", "synth", str(papers), "--count", "1", cwd=tmp_path).returncode == 0
    done = studbook(
        "evaluate",
        "agentic_self_instruct",
        "--papers",
        str(papers),
        "--limit",
        "1",
        "-s",
        "sandbox=process",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
