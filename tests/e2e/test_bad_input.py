"""What bad input gets: a plain error before anything runs, or data with a category. A row a case."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.studbook_cli import TINY, studbook, write_tiny

from studbook.experiments.cli.main import main
from studbook.experiments.cli.terminal import EXIT_UNMEASURED
from studbook.llm.contracts import ROLES, ChatReply, ChatRequest, Usage
from studbook.llm.secrets import Secret
from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.server.server import BackendServer

NO_ENGINE = "unix:///nowhere/docker.sock"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with tiny.yaml, the current one; no key and no address in the environment."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path)
    return tmp_path


def refused(capsys, *arguments: str, code: int = 2) -> str:
    """The error text of a command that must fail in at most three lines, leaving no run behind."""
    assert main(list(arguments)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert len(captured.err.strip().splitlines()) <= 3, captured.err
    assert not list(Path("runs").glob("*/journal.jsonl")), "nothing was begun"
    return captured.err


def write_papers(folder: Path, count: int, start: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        text = f"# Paper {number}\n\n" + f"Sentence number {number} says something of its own. " * 60
        (folder / f"{number}.md").write_text(text, encoding="utf-8")


def test_an_unknown_key_in_a_spec_gets_its_path_and_the_nearest_key(here, capsys):
    write_tiny(here, TINY + "budgets: {dollars: 1}\n")
    assert "unknown key budgets\n  did you mean budget?" in refused(capsys, "run", "tiny.yaml")
    assert "did you mean search.iterations?" in refused(
        capsys, "run", "tiny.yaml", "-s", "search.iteration=3"
    )


def test_an_unknown_key_in_a_manifest_gets_its_path_and_the_nearest_key(here, capsys):
    assert main(["init", "mine"]) == 0
    capsys.readouterr()
    manifest = here / "mine" / "harness.yaml"
    manifest.write_text(manifest.read_text().replace("entry:", "entri:"))
    told = refused(capsys, "run", "tiny.yaml", "-s", "harness=mine")
    assert "harness.yaml" in told and "entri" in told and "entry" in told


def test_too_few_papers_are_counted_against_what_the_splits_need(here, capsys):
    write_papers(here / "papers", 4)
    told = refused(capsys, "run", "tiny.yaml", "-s", "corpus.path=papers")
    assert "the splits need 7 papers (2 train + 3 validation + 2 test), and the corpus has 4" in told


def test_one_paper_in_two_splits_is_named(here, capsys):
    write_papers(here / "a", 3)
    write_papers(here / "b", 3, start=2)
    write_papers(here / "c", 3, start=9)
    flags = [
        f"-scorpus.{split}={folder}" for split, folder in (("train", "a"), ("validation", "b"), ("test", "c"))
    ]
    told = refused(capsys, "run", "tiny.yaml", *flags)
    assert "one paper is in two splits: 2.md (train) and 2.md (validation)" in told


def test_a_corpus_that_is_not_there_is_named(here, capsys):
    assert "papers does not exist" in refused(capsys, "run", "tiny.yaml", "-s", "corpus.path=papers")


def test_a_corpus_without_a_readable_paper_says_why(here, capsys):
    (here / "papers").mkdir()
    (here / "papers" / "a.md").write_bytes(b"")
    (here / "papers" / "b.md").write_bytes(b"\x00\x01" * 2000)
    (here / "papers" / "c.txt").write_bytes(b"\xff\xfe\xfa" * 2000)
    told = refused(capsys, "run", "tiny.yaml", "-s", "corpus.path=papers")
    assert "a.md: empty" in told and "b.md: binary" in told and "c.txt: not UTF-8" in told


def test_single_bad_files_are_skipped_counted_and_shown(here, capsys):
    write_papers(here / "papers", 7)
    (here / "papers" / "empty.md").write_bytes(b"")
    (here / "papers" / "slides.pdf").write_bytes(b"%PDF-1.7")
    assert main(["run", "tiny.yaml", "-s", "corpus.path=papers", "-s", "search.iterations=0"]) == 0
    shown = capsys.readouterr().err
    assert "2 files skipped: empty.md: empty; slides.pdf: unsupported format .pdf" in shown
    noted = (here / "runs" / "tiny-1" / "notices.jsonl").read_text()
    assert noted.count('"kind": "skipped"') == 2


def test_no_docker_where_the_spec_asks_for_it_says_what_to_do_and_the_flag(here, capsys, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    told = refused(capsys, "run", "tiny.yaml", "-s", "sandbox=docker")
    assert "Start Docker" in told
    assert "-s sandbox=process" in told


def test_auto_without_an_engine_takes_the_process_sandbox_and_says_so(here, capsys, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    assert main(["run", "tiny.yaml", "-s", "sandbox=auto", "-s", "search.iterations=0"]) == 0
    assert "it does not isolate untrusted code" in capsys.readouterr().err
    started = json.loads((here / "runs/tiny-1/journal.jsonl").read_text().splitlines()[0])["data"]
    assert (started["sandbox"], started["contains_hostile_code"]) == ("process", False)


@pytest.mark.docker
def test_auto_with_an_engine_takes_docker_and_says_so(here, capsys, docker_engine):
    assert main(["run", "tiny.yaml", "-s", "sandbox=auto", "-s", "search.iterations=0"]) == 0
    assert "sandbox  docker" in capsys.readouterr().err
    started = json.loads((here / "runs/tiny-1/journal.jsonl").read_text().splitlines()[0])["data"]
    assert (started["sandbox"], started["contains_hostile_code"]) == ("docker", True)


def test_a_run_folder_that_cannot_be_made_is_named(here, capsys):
    (here / "file").write_text("")
    assert "cannot create file" in refused(capsys, "run", "tiny.yaml", "--runs-dir", "file/runs", code=1)


class Garbage:
    """A backend that answers with nothing anybody can read."""

    def complete(self, request: ChatRequest) -> ChatReply:
        return ChatReply(text="\ufffd\ufffd\ufffd", usage=Usage(), model=request.model)


@pytest.fixture(params=["wrong key", "unreachable", "garbage"])
def bad_endpoint(request):
    """(address, what must be told)"""
    if request.param == "unreachable":
        yield "http://127.0.0.1:9/v1", "cannot be reached"
    elif request.param == "wrong key":
        with BackendServer(TestbedBackend(), models=MODELS, api_key=Secret("right")) as server:
            yield server.base_url, "key"
    else:
        with BackendServer(Garbage(), models=MODELS) as server:
            yield server.base_url, ""


def endpoint_flags(address: str) -> list[str]:
    default = "{endpoint: openai, model: testbed-judge}"
    return [
        f"-smodels.default={default}",
        f"-smodels.endpoints.openai.base_url={address}",
        "-smodels.retries=0",
    ]


def test_doctor_finds_a_bad_endpoint(here, capsys, bad_endpoint, monkeypatch):
    address, told = bad_endpoint
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    assert main(["doctor", "--json", *endpoint_flags(address)]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    models = [each for each in checks if each["name"] == "models"]
    assert {each["state"] for each in models} == {"missing"}
    assert all(told in each["text"] and each["next_step"] for each in models)


def test_the_first_call_finds_a_bad_endpoint_and_the_run_can_go_on_later(here, capsys, bad_endpoint):
    address, told = bad_endpoint
    accepted = [] if told else ["--accept-judge"]
    code = main(["run", "tiny.yaml", *endpoint_flags(address), *accepted])
    err = capsys.readouterr().err
    if told:
        assert code == 1
        error = err[err.index("✗ error:") : err.index("finished work is saved")]
        assert told in error
        assert len(error.strip().splitlines()) <= 3
        assert "studbook resume tiny-1" in err
    else:
        assert code == EXIT_UNMEASURED, "garbage is nobody's result, and never a crash of ours"
        assert "0.0% (0/3" in err
    assert "Traceback" not in err


def test_a_run_that_falls_back_to_child_processes_says_why(here, capsys, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    assert main(["run", "tiny.yaml", "-s", "sandbox=auto", "-s", "search.iterations=0"]) == 0
    assert f"no Docker: Docker, looking for an engine at {NO_ENGINE}" in capsys.readouterr().err
    assert NO_ENGINE in Path("runs/tiny-1/journal.jsonl").read_text()
    assert NO_ENGINE in Path("runs/tiny-1/report.html").read_text()


def test_a_missing_key_is_asked_for_by_the_name_of_its_variable(here, capsys):
    told = refused(capsys, "run", "tiny.yaml", "-s", "models.default={endpoint: openai, model: some}")
    assert "OPENAI_API_KEY is not set" in told


HARNESSES = {
    "crashes": ("raise ValueError('no')", "crashed"),
    "hangs": ("import time; time.sleep(60)", "timed_out"),
    "prints junk": ("print('junk ' * 1000); import os; os.write(1, b'\\xff{]' * 1000)", None),
    "returns nothing": ("return None", "no_example"),
    "does not parse": ("this is no python", "crashed"),
    "sends nonsense": ("box.evaluate({'context': 1})", None),
}


@pytest.mark.parametrize("name", HARNESSES)
def test_a_bad_harness_is_a_failed_paper_with_a_category_never_a_crash_of_ours(here, capsys, name):
    body, verdict = HARNESSES[name]
    assert main(["init", "mine"]) == 0
    agent = f"from harness_kit import Box\n\n\ndef main(box: Box) -> None:\n    {body}\n"
    (here / "mine" / "agent.py").write_text(agent)
    write_papers(here / "papers", 1)
    flags = ["-ssandbox=process", "-ssandbox.limits.wall_seconds=2"]
    capsys.readouterr()
    assert main(["evaluate", "mine", "--papers", "papers", "--json", *flags]) == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert (summary["passed"], summary["n"]) == (0, 1)
    assert verdict is None or summary["verdicts"] == {verdict: 1}


def test_an_evaluation_says_why_papers_came_to_no_verdict_and_shows_the_traceback(here, capsys):
    assert main(["init", "mine"]) == 0
    (here / "mine" / "agent.py").write_text("def main(box):\n    raise ValueError('no such prompt')\n")
    write_papers(here / "papers", 2)
    capsys.readouterr()
    command = ["evaluate", "mine", "--papers", "papers", "-ssandbox=process"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "why      the box crashed: ValueError: no such prompt (2 times, first on 0.md)" in shown
    assert 'agent.py", line 2, in main' in shown
    assert main([*command, "--json"]) == 0
    (breakdown,) = json.loads(capsys.readouterr().out)["breakdowns"]
    assert (breakdown["verdict"], breakdown["times"], breakdown["first"]) == ("crashed", 2, "0.md")
    assert "Traceback" in breakdown["errors"]


def test_a_harness_that_is_refused_is_named_with_its_folder(here, capsys):
    assert main(["init", "mine"]) == 0
    capsys.readouterr()
    (here / "mine" / "harness.yaml").unlink()
    write_papers(here / "papers", 1)
    told = refused(capsys, "evaluate", "mine", "--papers", "papers")
    assert "harness mine: harness.yaml is missing" in told


def test_what_is_skipped_is_told_where_it_matters_for_too_few_papers_and_for_a_plan(here, capsys):
    write_papers(here / "papers", 6)
    (here / "papers" / "empty.md").write_bytes(b"")
    told = refused(capsys, "run", "tiny.yaml", "-s", "corpus.path=papers")
    assert "the corpus has 6" in told and "1 file skipped: empty.md: empty" in told
    write_papers(here / "papers", 7)
    assert main(["run", "tiny.yaml", "-s", "corpus.path=papers", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "papers   7 papers in papers: 2 train · 3 validation · 2 test" in shown
    assert "1 file skipped: empty.md: empty" in shown


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\xff\xfe", "the spec bad.yaml is not UTF-8 text (byte 0)"), (None, "cannot read the spec bad.yaml")],
)
def test_a_spec_that_cannot_be_read_is_named_without_python_s_words(here, capsys, content, told):
    if content is None:
        (here / "bad.yaml").mkdir()
    else:
        (here / "bad.yaml").write_bytes(content)
    shown = refused(capsys, "run", "bad.yaml")
    assert told in shown
    assert "codec" not in shown and "Errno" not in shown


def test_an_unknown_key_is_told_with_where_it_was_given(here, capsys, monkeypatch):
    assert "✗ error: -s: unknown key serach" in refused(capsys, "run", "tiny.yaml", "-sserach.x=1")
    monkeypatch.setenv("STUDBOOK_SPEC_SEARCH__ITERATIN", "4")
    told = refused(capsys, "run", "tiny.yaml")
    assert "environment STUDBOOK_SPEC_SEARCH__ITERATIN: unknown key search.iteratin" in told


def test_a_damaged_journal_is_an_error_that_names_the_line(here, capsys):
    assert main(["run", "tiny.yaml", "-s", "search.iterations=0"]) == 0
    capsys.readouterr()
    journal = here / "runs" / "tiny-1" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0].replace(b"process", b"dockers") + b"".join(lines[1:]))
    assert main(["replay", "tiny-1"]) == 1
    assert "journal.jsonl, line 1" in capsys.readouterr().err


def test_a_changed_trajectory_is_found_by_the_fold(here, capsys):
    assert main(["run", "tiny.yaml", "-s", "search.iterations=0"]) == 0
    file = next((here / "runs" / "tiny-1" / "trajectories").rglob("*.zst"))
    other = next(each for each in (here / "runs" / "tiny-1" / "trajectories").rglob("*.zst") if each != file)
    file.write_bytes(other.read_bytes())
    capsys.readouterr()
    assert main(["replay", "tiny-1"]) == 1
    assert file.name[:16] in capsys.readouterr().err


def test_a_lineage_that_was_moved_is_found_by_the_fold(here, capsys):
    assert main(["run", "tiny.yaml", "-s", "search.iterations=0"]) == 0
    ref = here / "runs" / "tiny-1" / "lineage.git" / "refs" / "mutants" / "seed"
    ref.write_text("0" * 40 + "\n")
    capsys.readouterr()
    assert main(["replay", "tiny-1"]) == 1
    assert "refs/mutants/seed" in capsys.readouterr().err


def test_a_replay_that_differs_names_the_first_event_with_both_sides(here, capsys):
    assert main(["run", "tiny.yaml", "-s", "search.iterations=1"]) == 0
    spec = here / "runs" / "tiny-1" / "spec.resolved.yaml"
    spec.write_text(spec.read_text().replace("minibatch: 1", "minibatch: 2"))
    capsys.readouterr()
    assert main(["replay", "tiny-1", "--level", "recorded"]) == 1
    told = capsys.readouterr().err
    assert "event 0 (run_started) differs at spec_hash" in told
    assert "recorded:" in told and "replayed:" in told


def test_a_whole_run_over_http_works_and_its_key_stands_nowhere_afterwards(here, monkeypatch):
    """The testbed behind `BackendServer`, called through the unmodified openai package."""
    key = "sk-hunter2hunter2"
    with BackendServer(TestbedBackend(), models=MODELS, api_key=Secret(key)) as server:
        named = (f"{role}: {{model: testbed-{role.replace('_', '-')}}}" for role in ROLES)
        write_tiny(here, TINY + f"models: {{default: {{endpoint: openai}}, roles: {{{', '.join(named)}}}}}\n")
        variables = {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": server.base_url}
        done = studbook("run", "tiny.yaml", "-s", "search.iterations=2", cwd=here, **variables)
    assert done.returncode == 0, done.stderr
    assert key not in done.stdout + done.stderr
    held = subprocess.run(["grep", "-rlF", key, here / "runs"], capture_output=True, text=True)
    assert held.stdout == ""
    assert os.listdir(here / "runs") == ["tiny-1"]
    assert "text programs" not in done.stderr, "models behind an endpoint are named by their address"
    assert server.base_url in done.stderr
