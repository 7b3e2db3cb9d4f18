"""Where the key comes from, and that it stays unseen."""

from pathlib import Path

import pytest

from studbook.errors import UsageError
from studbook.llm.secrets import Secret, read_dotenv

KEY = "sk-test-0123456789"


def test_a_secret_never_prints_itself() -> None:
    secret = Secret(KEY)
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
        assert KEY not in shown
    assert secret.reveal() == KEY


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("export A=b", "b"),
        ("  A = b  ", "b"),
        ("A='b # c'", "b # c"),
        ('A="b"', "b"),
        ("A=b # why", "b"),
        ("A=b#c", "b#c"),
        ("A=b=c", "b=c"),
        ("A=", ""),
        ("\ufeffA=b", "b"),
        ("# A=x\n\nA=b", "b"),
        ("A=$HOME", "$HOME"),
    ],
)
def test_dotenv_lines(tmp_path: Path, line: str, value: str) -> None:
    path = tmp_path / ".env"
    path.write_text(line, encoding="utf-8")
    assert read_dotenv(path) == {"A": value}


@pytest.mark.parametrize("line", [KEY, f"{KEY}=", "=x", "a b=c", "[section]", "if true; then"])
def test_a_line_of_another_kind_is_skipped_because_the_file_belongs_to_a_whole_project(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"A=b\n{line}\nC=d\n")
    assert read_dotenv(path) == {"A": "b", "C": "d"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A='sk-x'  # the key", {"A": "sk-x"}),
        ('A="x # y" # z', {"A": "x # y"}),
        ('A="Hello,\nB=1"\nC=2', {"A": "Hello,\nB=1", "C": "2"}),
        ('A="say \\"no\\""', {"A": 'say "no"'}),
        ("A=#none", {"A": ""}),
        ("A=x#y", {"A": "x#y"}),
        ("export A = b\r\nC=d\r\n", {"A": "b", "C": "d"}),
    ],
)
def test_a_quoted_value_ends_at_its_closing_quote(tmp_path: Path, text: str, values: dict[str, str]) -> None:
    path = tmp_path / ".env"
    path.write_bytes(text.encode())
    assert read_dotenv(path) == values


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"cannot read .*\.env: UnicodeDecodeError"):
        read_dotenv(path)
