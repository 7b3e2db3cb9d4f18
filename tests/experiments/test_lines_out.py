"""Lines on terminals of any width: no word broken, nothing lost, second columns kept."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from studbook.experiments.views.printing import broken, print_lines


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
