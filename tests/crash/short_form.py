"""`make durability` from within the suite: a part of its short form, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def durability(
    tmp_path: Path, *arguments: str
) -> "tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]":
    """How it ended, and the rows of its table."""
    out = tmp_path / "rows.json"
    done = subprocess.run(
        [sys.executable, "-m", "crash.durability", "--short", "--out", str(out), *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    return done, json.loads(out.read_text()) if out.exists() else []
