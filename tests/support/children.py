"""Child processes of tests: they find our packages and tests/support wherever pytest was started."""

import os
import sys
from pathlib import Path

import studbook


def child_environment() -> dict[str, str]:
    """The environment, with our packages before the folders of tests/ that bear their names."""
    places = [str(Path(studbook.__file__).parents[1]), *(entry for entry in sys.path if entry)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
