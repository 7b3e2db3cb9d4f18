"""The finished run of the demo: the one that CI has just made, or one made here."""

import os
import shutil
from pathlib import Path

from support.studbook_cli import REPOSITORY, studbook

VARIABLE = "STUDBOOK_DEMO_RUN"
"""CI sets it to the folder that `make demo` left, so that the demo runs once and not three times."""


def given_demo_run() -> Path | None:
    folder = os.environ.get(VARIABLE)
    return Path(folder) if folder else None


def demo_run(folder: Path) -> Path:
    """A copy below `folder`, as `runs/quickstart-1`."""
    run, given = folder / "runs" / "quickstart-1", given_demo_run()
    if given is not None:
        shutil.copytree(given, run)
        return run
    spec = REPOSITORY / "experiments" / "quickstart.yaml"
    done = studbook("run", str(spec), "-s", "sandbox=process", cwd=folder)
    assert done.returncode == 0, done.stderr
    return run
