"""The short version of `make durability`, in the suite; the whole takes an hour and is run by people."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def durability(tmp_path: Path, *arguments: str) -> "tuple[subprocess.CompletedProcess[str], dict[str, dict]]":
    out = tmp_path / "rows.json"
    done = subprocess.run(
        [sys.executable, "-m", "crash.durability", "--out", str(out), *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    rows = {row["what"]: row for row in json.loads(out.read_text())} if out.exists() else {}
    return done, rows


@pytest.mark.slow
@pytest.mark.parametrize("part", ["sweep", "resume", "random", "lineage", "cases"])
def test_nothing_is_lost_or_paid_twice_however_a_run_ends(tmp_path, part):
    done, rows = durability(tmp_path, "--short", "--only", part)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows
    for row in rows.values():
        assert row["kills"] > 0 or row["skipped"] or part == "lineage", row
        assert part in {"cases", "lineage"} or row["calls"] > 0, "nothing could have been lost"
        assert row["lost"] == row["paid_again"] == row["differences"] == []
