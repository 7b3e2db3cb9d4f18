"""The only name that an installation adds: the base modules are here, every other package is `studbook.NAME`.

In a checkout those packages are symbolic links to the folders beside this one; once installed, they are
folders. The library (docs/library.md) is exported here and imported on first use.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studbook.errors import StudbookError
    from studbook.experiments.library.reading import Harness, Records, Run, open_run
    from studbook.experiments.library.working import evaluate, run

__all__ = ["Harness", "Records", "Run", "StudbookError", "evaluate", "open_run", "run"]

READING, WORKING = "studbook.experiments.library.reading", "studbook.experiments.library.working"
EXPORTS = {
    "StudbookError": "studbook.errors",
    "Harness": READING,
    "Records": READING,
    "Run": READING,
    "open_run": READING,
    "run": WORKING,
}

if not Path(__file__).with_name("evolve").is_dir():
    raise ImportError(
        "studbook: this checkout has lost its symbolic links (studbook/evolve is not a folder): "
        "run `git config core.symlinks true && git checkout -- studbook`, or install the wheel instead"
    )


def __dir__() -> list[str]:
    return sorted({*__all__, "__doc__", "__file__", "__name__"})


def __getattr__(name: str) -> object:
    if name == "evaluate":  # the package, which is callable
        return import_module("studbook.evaluate")
    if name not in EXPORTS:
        raise AttributeError(f"module 'studbook' has no attribute {name!r}")
    return getattr(import_module(EXPORTS[name]), name)
