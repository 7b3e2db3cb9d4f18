"""Every file of ours that a docstring, a comment or a page names is there, so no move leaves words behind."""

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = (
    "studbook|experiments|testbed|evolve|evaluate|sandbox|harnesses|populations|tests|docs|benchmarks|locks"
)
NAMED = re.compile(rf"(?<![\w./{{<$-])((?:{OURS})/[\w/]+\.(?:py|toml|md|css|yaml|yml|txt))\b")
HISTORY = ("docs/decisions/", "experiments/LOG.md", "CHANGELOG.md")
"""They say what was so when they were written."""
EXAMPLES = frozenset({"evolve/policies/selection/oldest.py", "experiments/nothing/quickstart.yaml"})
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
).stdout.split()
PAGES = [
    name
    for name in TRACKED
    if name.endswith((".py", ".md", ".toml", ".yml", "Makefile"))
    and not name.startswith(HISTORY)
    and not (REPOSITORY / name).is_symlink()
]


@pytest.mark.parametrize("folder", sorted({name.partition("/")[0] for name in PAGES}))
def test_a_file_that_is_named_exists(folder):
    missing = [
        f"{name}: {named}"
        for name in PAGES
        if name.partition("/")[0] == folder and name != "tests/docs/test_paths.py"
        for named in NAMED.findall((REPOSITORY / name).read_text(encoding="utf-8"))
        if named not in EXAMPLES
        and not any((REPOSITORY / base / named).exists() for base in (".", "studbook", "tests"))
    ]
    assert missing == []
