"""Lines on terminals of any width: no word broken, nothing lost, second columns kept."""

import ast
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from studbook.experiments.views.printing import Lines, broken, print_lines, status_line, write_plain

REPOSITORY = Path(__file__).resolve().parents[2]


def shown(text: str, width: int) -> list[str]:
    return [part.plain.rstrip() for part in broken(Text(text), Console(width=width))]


def test_a_long_line_goes_on_below_its_second_column():
    assert shown("sandbox  a fresh container for every paper, no network", 32) == [
        "sandbox  a fresh container for",
        "         every paper, no network",
    ]


def test_without_a_second_column_it_goes_on_a_little_further_right():
    assert shown("  no words stand in columns here at all", 24) == [
        "  no words stand in",
        "    columns here at all",
    ]


def test_a_second_column_far_to_the_right_is_not_kept():
    assert shown("studbook tree quickstart-1 --runs-dir there   who came from whom", 50) == [
        "studbook tree quickstart-1 --runs-dir there   who",
        "  came from whom",
    ]


@given(
    words=st.lists(st.text("abcdefgh-→", min_size=1, max_size=12), min_size=1, max_size=30),
    width=st.integers(min_value=30, max_value=120),
)
def test_no_word_is_broken_or_lost_and_no_line_is_too_wide(words, width):
    lines = shown("label    " + " ".join(words), width)
    assert " ".join(lines).split() == ["label", *words]
    assert all(len(line) <= width for line in lines)


def test_a_pipe_gets_lines_whole():
    stream = io.StringIO()
    print_lines(Console(file=stream, width=20), ["a line that is much longer than twenty columns"])
    assert stream.getvalue() == "a line that is much longer than twenty columns\n"


def test_what_is_foreign_is_left_to_the_terminal():
    stream = io.StringIO()
    print_lines(
        Console(file=stream, width=20, force_terminal=True, no_color=True),
        ["    code that is much longer than twenty columns"],
        is_verbatim=True,
    )
    assert stream.getvalue() == "    code that is much longer than twenty columns\n"


HOSTILE = "a\x1b[31mb\x07c\x9b31md\u202ee\u200bf\ng\r\nh\u2028i\x7f\u034f"


@pytest.mark.parametrize("width", [20, 200])
@pytest.mark.parametrize("has_terminal", [False, True])
@pytest.mark.parametrize("is_verbatim", [False, True])
@pytest.mark.parametrize("line", [HOSTILE, Text(HOSTILE), Text.assemble("x", (HOSTILE, "bold"))])
def test_nothing_that_a_line_quotes_controls_the_terminal(width, has_terminal, is_verbatim, line):
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=has_terminal, no_color=True)
    print_lines(console, [line], is_verbatim=is_verbatim)
    write_plain(stream, [line])
    print_lines(Lines(stream), [status_line(HOSTILE, 20)])
    lines = stream.getvalue().split("\n")
    assert [each.lstrip("x") for each in lines] == [*["abc31mdef g h i"] * 3, ""]
    assert stream.getvalue().replace("\n", "").isprintable()


WRITERS = {
    "experiments/views/printing.py": "the one place",
    "experiments/cli/terminal.py": "names the streams for it",
    "experiments/run/plugins.py": "names the streams for displays, which write through it",
    "experiments/cli/main.py": "flushes and silences them",
    "experiments/run/stopping.py": "a second Ctrl-C, where nothing else may run; cleans what it writes",
    "experiments/cli/docs.py": "a development tool: our own text",
    "experiments/spec/reference.py": "a development tool: our own text",
    "testbed/server/quirk_table.py": "a development tool: our own text",
}


def test_nothing_else_writes_to_the_terminal():
    """No module uses the standard streams, and no display writes to a stream that it was given."""
    found = set()
    for folder in ("studbook", "populations", "harnesses", "evaluate", "evolve", "testbed", "experiments"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            name = path.relative_to(REPOSITORY).as_posix()
            if path.is_symlink() or any(part.is_symlink() for part in path.parents):
                continue
            if name.startswith("harnesses/") and name.count("/") > 1:
                continue  # what is evolved runs in boxes
            if any(_writes(node, name) for node in ast.walk(ast.parse(path.read_bytes()))):
                found.add(name)
    assert found == set(WRITERS)


def _writes(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Attribute):
        is_stream = isinstance(node.value, ast.Name) and node.value.id == "sys"
        return (is_stream and node.attr in {"stdout", "stderr"}) or node.attr in {"print_exc", "excepthook"}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        is_display = name.startswith("experiments/views/") and node.func.attr in {"write", "writelines"}
        is_console = node.func.attr == "print" and name.startswith("experiments/")
        return is_display or is_console
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
