"""The command line's manners: help, exit codes, errors in three lines, no command undocumented."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from studbook.experiments.cli.command import RUNS, Command
from studbook.experiments.cli.docs import docs_text
from studbook.experiments.cli.main import GROUPS, VERBS, build_parser, main

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def run_main(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str):
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_command_explains_itself_in_one_sentence_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*verb.name.split(), "--help"])
    shown = capsys.readouterr().out
    example = verb.load().example
    assert ended.value.code == 0
    assert " ".join(verb.summary.split()) in " ".join(shown.split())
    assert verb.summary.endswith(".")
    assert f"example:\n  {example}" in shown
    assert example.startswith(f"studbook {verb.name}")


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_example_parses_and_reaches_its_command(verb):
    words = verb.load().example.split()[1:]
    assert build_parser(words).parse_args(words).command is verb.load()


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_flags_of_a_command_have_help(verb):
    assert all(flag.options["help"] for flag in verb.load().flags)


def test_the_documentation_is_what_the_command_line_says():
    written = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == docs_text(), "run: python -m studbook.experiments.cli.docs > docs/cli.md"


def test_no_command_is_listed_that_later_issues_bring():
    assert {"compare", "produce", "tune"}.isdisjoint(verb.name for verb in VERBS)
    assert set(GROUPS) == {"papers", "testbed"}


def test_a_mistyped_command_gets_the_nearest_one(run_main):
    code, out, err = run_main("rnu")
    assert (code, out) == (2, "")
    assert "unknown command rnu, did you mean run?" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["replay", "x", "--level", "record"], "unknown level record, did you mean recorded?"),
        (["replay", "x", "--level", "zzz"], "unknown level zzz, choose from fold, recorded, live"),
        (["--hlep"], "unknown option --hlep, did you mean --help?"),
        (["ls", "--jsno"], "unknown option --jsno, did you mean --json?"),
    ],
)
def test_a_mistyped_option_or_value_gets_the_nearest_one(run_main, arguments, told):
    code, out, err = run_main(*arguments)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize("arguments", [[], ["help"]])
def test_without_a_command_the_help_is_shown(run_main, arguments):
    code, out, err = run_main(*arguments)
    assert (code, err) == (0, "")
    assert "usage: studbook" in out
    assert "Example: studbook run quickstart" in out


def test_init_prints_a_command_that_can_be_pasted(run_main):
    code, out, err = run_main("init", "My Harness 2")
    assert code == 0
    assert "read 'My Harness 2'/agent.py" in out
    assert "studbook evaluate 'My Harness 2' --papers PAPERS" in err


def test_a_port_in_use_names_another_one(run_main):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = run_main("testbed", "serve", "--port", str(port))
    assert (code, out) == (2, "")
    assert "choose another port: --port 8899" in err


def test_a_missing_argument_is_a_usage_error(run_main):
    code, _, err = run_main("run")
    assert code == 2
    assert "SPEC" in err and "studbook run --help" in err


def test_results_go_to_stdout_and_errors_to_stderr(run_main):
    code, out, err = run_main("ls")
    assert (code, err) == (0, "")
    assert out.startswith("no runs in runs")


def test_json_prints_one_object(run_main):
    code, out, _ = run_main("ls", "--json")
    assert code == 0
    assert json.loads(out) == {"schema": 1, "runs": []}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "nothing"], "no run 'nothing' in runs"),
        (["show", "nothing:m0001"], "no run 'nothing' in runs"),
        (["resume", "nothing"], "there are none; start one: studbook run SPEC"),
        (["run", "nothing.yaml"], "no spec at nothing.yaml"),
        (["papers", "stats", "nothing"], "nothing does not exist"),
        (["papers", "synth", "there", "--count", "0"], "--count 0: must be at least 1"),
        (["evaluate", "nothing", "--papers", "there"], "no harness at 'nothing'"),
    ],
)
def test_what_does_not_exist_is_a_usage_error_in_three_lines(run_main, arguments, told):
    code, out, err = run_main(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.strip().splitlines()) <= 3
    assert "Traceback" not in err


def test_verbose_shows_where_an_error_arose(run_main):
    code, _, err = run_main("show", "nothing", "-v")
    assert code == 2
    assert "Traceback" in err


def test_a_bug_of_ours_shows_a_traceback_and_fails(run_main, monkeypatch):
    def broken(options, terminal):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("studbook.experiments.cli.looking.ls", Command("", (), broken))
    code, _, err = run_main("ls")
    assert code == 1
    assert "ZeroDivisionError" in err
    assert "this is a bug in Studbook" in err


def test_a_full_disk_is_named_without_a_traceback(run_main, monkeypatch):
    def full(options, terminal):
        raise OSError(28, "No space left on device", "runs/x/journal.jsonl")

    monkeypatch.setattr("studbook.experiments.cli.looking.ls", Command("", (RUNS,), full))
    code, _, err = run_main("ls")
    assert code == 1
    assert "No space left on device: runs/x/journal.jsonl" in err
    assert "Traceback" not in err


def test_no_escape_code_reaches_a_pipe(run_main):
    _, out, err = run_main("doctor", "--json")
    assert "\x1b" not in out + err


def test_help_loads_no_sdk():
    heavy = "{'openai', 'docker', 'optuna'}"
    code = f"import sys, studbook.experiments.cli.main; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[]"


def test_the_readme_of_the_table_names_each_command_once():
    names = [verb.name for verb in VERBS]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+( [a-z]+)?", name) for name in names)
