"""A run that was made with another Python: a difference in a replay names both."""

import json
import platform
from pathlib import Path

import pytest

from studbook.experiments.run.environment import python_difference


def note_of(folder: Path, text: str) -> str:
    (folder / "environment.json").write_text(text)
    return python_difference(folder / "environment.json")


def test_both_versions_are_named(tmp_path: Path):
    told = note_of(tmp_path, json.dumps({"python": "3.9.2"}))
    assert told.startswith(f"made with Python 3.9.2, replayed with Python {platform.python_version()}")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"python": platform.python_version()}),
        "{}",
        "[1]",
        "no JSON",
        '{"python": "3.9\\u001b[2J"}',
    ],
)
def test_nothing_is_said_of_the_same_or_an_unknown_version(tmp_path: Path, text: str):
    assert note_of(tmp_path, text) == ""


def test_nothing_is_said_without_a_record(tmp_path: Path):
    assert python_difference(tmp_path / "environment.json") == ""
