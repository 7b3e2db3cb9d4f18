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


@pytest.mark.parametrize("line", [KEY, f"{KEY}=", "=x", "a b=c"])
def test_a_bad_line_is_named_by_number_and_not_quoted(tmp_path: Path, line: str) -> None:
    path = tmp_path / ".env"
    path.write_text(f"A=b\n{line}\n")
    with pytest.raises(UsageError, match=r"\.env, line 2: not of the form NAME=value") as caught:
        read_dotenv(path)
    assert KEY not in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"cannot read .*\.env: UnicodeDecodeError"):
        read_dotenv(path)
