"""What changes the identity of code, and what does not: each shown both ways, on small trees of source."""

import shutil
from pathlib import Path

import pytest

from studbook.code_identity import OURS, Below, code_hash, code_hash_of_file, reached
from studbook.errors import UsageError
from studbook.evaluate.settings import KEEPING, SCORING

ROOT = '''"""Marks answers."""

from app.numbers import share
from app.words import WORDS
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.shown import Screen


def mark(answer: str, bound: float = 0.5) -> bool:
    """True when most words are there."""
    return share(answer, WORDS) > bound  # strictly
'''
NUMBERS = """def share(answer, words):
    from app.late import count
    return count(answer, words) / len(words)
"""


@pytest.fixture
def tree(tmp_path) -> Path:
    for name, text in {
        "marks": ROOT,
        "numbers": NUMBERS,
        "late": "def count(answer, words):\n    return sum(word in answer for word in words)\n",
        "words": 'DATA_FILES = ("words.txt",)\nWORDS = open(__file__).read()\n',
        "shown": "Screen = object\n",
        "unused": "PRESET = 1\n",
    }.items():
        path = tmp_path / "app" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "app" / "words.txt").write_text("one\ntwo\n")
    (tmp_path / "app" / "__init__.py").write_text("")
    return tmp_path


def hash_of(tree: Path) -> str:
    return code_hash(["app.marks"], sources=Below(tree, counts_packages=False))


def change(tree: Path, name: str, before: str, after: str) -> None:
    path = tree / "app" / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_the_modules_are_found_from_the_imports_those_within_functions_included(tree):
    found = reached(["app.marks"], sources=Below(tree, counts_packages=False))
    assert sorted(found) == ["app.late", "app.marks", "app.numbers", "app.words"]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("marks.py", "  # strictly", "  # strictly, and why"),
        ("marks.py", '"""True when most words are there."""', '"""Something else."""'),
        ("marks.py", '"""Marks answers."""\n', ""),
        ("marks.py", "share(answer, WORDS) > bound", "(share(answer,\n        WORDS)  > bound)"),
        ("marks.py", "import Screen", "import Screen, Other"),
        ("unused.py", "1", "2"),
        ("shown.py", "object", "int"),
    ],
)
def test_what_decides_nothing_leaves_the_hash(tree, name, before, after):
    was = hash_of(tree)
    change(tree, name, before, after)
    assert hash_of(tree) == was


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("marks.py", "> bound", ">= bound"),
        ("marks.py", "bound: float = 0.5", "bound: float = 0.6"),
        ("marks.py", "share(answer, WORDS)", "share(WORDS, answer)"),
        ("numbers.py", "len(words)", "len(answer)"),
        ("late.py", "in answer", "not in answer"),
        ("words.txt", "two", "three"),
    ],
)
def test_what_decides_changes_the_hash(tree, name, before, after):
    was = hash_of(tree)
    change(tree, name, before, after)
    assert hash_of(tree) != was


def test_a_module_that_moves_or_is_renamed_leaves_the_hash(tree):
    was = hash_of(tree)
    (tree / "app" / "inner").mkdir()
    shutil.move(tree / "app" / "numbers.py", tree / "app" / "inner" / "ratios.py")
    change(tree, "marks.py", "from app.numbers import", "from app.inner.ratios import")
    assert hash_of(tree) == was


def test_a_new_module_that_is_imported_counts(tree):
    was = hash_of(tree)
    (tree / "app" / "more.py").write_text("MORE = 1\n")
    assert hash_of(tree) == was
    change(tree, "late.py", "def count", "from app.more import MORE\n\n\ndef count")
    assert hash_of(tree) != was


def test_a_stop_is_neither_counted_nor_followed(tree):
    sources = Below(tree, counts_packages=False)
    was = code_hash(["app.marks"], stops={"app.numbers"}, sources=sources)
    change(tree, "numbers.py", "len(words)", "len(answer)")
    change(tree, "late.py", "in answer", "not in answer")
    assert code_hash(["app.marks"], stops={"app.numbers"}, sources=sources) == was


def test_a_root_without_source_and_source_that_is_no_python_are_refused(tree):
    with pytest.raises(UsageError, match=r"no source of module app\.nothing"):
        code_hash(["app.nothing"], sources=Below(tree))
    (tree / "app" / "late.py").write_text("def count(:\n")
    with pytest.raises(UsageError, match="is not Python"):
        hash_of(tree)


def test_a_users_module_counts_with_what_lies_beside_it(tree):
    (tree / "mine.py").write_text(
        "import helper\nimport json\n\n\ndef select(population, seed):\n    return 'seed'\n"
    )
    (tree / "helper.py").write_text("BONUS = 1\n")
    was = code_hash_of_file(tree / "mine.py", "mine")
    (tree / "other.py").write_text("BONUS = 2\n")
    assert code_hash_of_file(tree / "mine.py", "mine") == was
    (tree / "helper.py").write_text("BONUS = 22\n")
    assert code_hash_of_file(tree / "mine.py", "mine") != was


def test_a_name_that_comes_from_another_module_is_another_rule(tree):
    """Also where both modules are part of the code anyway, or neither is ours."""
    (tree / "app" / "twin.py").write_text(NUMBERS.replace("/ len(words)", "/ 2"))
    change(tree, "marks.py", "from app.words", "import app.twin\nfrom app.words")
    was = hash_of(tree)
    change(tree, "marks.py", "from app.numbers import share", "from app.twin import share")
    change(tree, "marks.py", "import app.twin\n", "import app.numbers\n")
    assert hash_of(tree) != was
    was = hash_of(tree)
    change(tree, "marks.py", "from app.words", "from math import log\nfrom app.words")
    with_math = hash_of(tree)
    assert with_math != was
    change(tree, "marks.py", "from math import log", "from cmath import log")
    assert hash_of(tree) != with_math


def test_studbook_beside_a_plug_in_is_no_part_of_it(tree):
    (tree / "mine.py").write_text("from studbook.rate import Rate\n")
    was = code_hash_of_file(tree / "mine.py", "mine")
    (tree / "studbook").mkdir()
    (tree / "studbook" / "rate.py").write_text("Rate = int\n")
    assert code_hash_of_file(tree / "mine.py", "mine") == was


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    """The modules that score, copied, so that they can be changed."""
    copy = tmp_path_factory.mktemp("ours")
    for name, path in reached(SCORING, stops=KEEPING).items():
        target = copy.joinpath(*name.split(".")).with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        for data in path.parent.glob("*.toml"):
            shutil.copy(data, target.parent)
    return copy


def scoring(copy: Path) -> str:
    return code_hash(SCORING, stops=KEEPING, sources=Below(copy, within="studbook", counts_packages=False))


@pytest.mark.parametrize(
    ("path", "before", "after", "changes"),
    [
        ("evaluate/text.py", "import ", "# a remark\nimport ", False),
        ("evaluate/rubric.py", '"""', '"""More words. ', False),
        ("identity.py", "def derive_seed(", "def derive_seed(_extra=None, ", True),
        ("evaluate/rubric.py", "Fraction(", "Fraction(0) + Fraction(", True),
    ],
)
def test_of_our_own_code_a_remark_changes_nothing_and_a_rule_does(ours, path, before, after, changes):
    was = scoring(ours)
    assert was == code_hash(SCORING, stops=KEEPING, sources=OURS)
    file = ours / "studbook" / path
    kept = file.read_text(encoding="utf-8")
    assert before in kept
    file.write_text(kept.replace(before, after, 1), encoding="utf-8")
    try:
        assert (scoring(ours) != was) is changes
    finally:
        file.write_text(kept, encoding="utf-8")
