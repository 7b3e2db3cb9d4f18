"""What a command is: its flags, a runnable example, and the function that executes it.

Flags shared by several commands are defined here, so that each is worded once. The commands are in the
modules of their groups; `experiments/cli/main.py` lists them.
"""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studbook.experiments.cli.terminal import Terminal
from studbook.populations.storage import RUNS_DIR

Handler = Callable[[Namespace, Terminal], int]


@dataclass(frozen=True, slots=True)
class Flag:
    """Arguments for `add_argument`, kept until a parser is built."""

    names: tuple[str, ...]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """Called with the parsed flags and a terminal; returns an exit code."""

    example: str
    flags: tuple[Flag, ...]
    handler: Handler

    def __call__(self, options: Namespace, terminal: Terminal) -> int:
        return self.handler(options, terminal)


def command(example: str, *flags: Flag) -> Callable[[Handler], Command]:
    """Decorator: makes a command of a function."""
    return lambda handler: Command(example, flags, handler)


def flag(*names: str, **options: Any) -> Flag:
    return Flag(names, options)


def share(text: str) -> float:
    """A number from 0 to 1, for `type=`."""
    number = float(text)
    if not 0.0 <= number <= 1.0:
        raise ValueError
    return number


RUN = flag("run", metavar="RUN", help="a run's name in the runs directory, or its path")
TARGET = flag(
    "target", metavar="RUN[:HARNESS]", help="a run, or a harness of it: RUN:best, RUN:m0031, RUN:m0031^"
)
RUNS = flag(
    "--runs-dir", metavar="DIR", default=RUNS_DIR, help="directory that holds the runs (default: %(default)s)"
)
SET = flag(
    "-s",
    "--set",
    dest="overrides",
    metavar="KEY=VALUE",
    action="append",
    default=[],
    help="change one key of the spec, like -s search.iterations=30 (repeatable)",
)
RESET = flag(
    "-s",
    "--set",
    dest="overrides",
    metavar="KEY=VALUE",
    action="append",
    default=[],
    help="change the budget, the length of the search, workers, display, prices, or where models and papers "
    "are and how fast they are asked, like -s budget.calls=9000; everything else is fixed",
)
SANDBOX = flag(
    "--sandbox",
    metavar="KIND",
    help="where harness code runs: docker, process, or your own as module:Object; code of a run that you did "
    "not make runs in Docker unless you name another",
)
PAPERS = flag("--papers", metavar="PATH", help="where the run's papers are now, if not where the spec says")
PLUGINS = flag(
    "--plugins",
    metavar="DIR",
    help="also search this directory for the spec's module:Object plug-ins (after the spec's own directory "
    "and the current one)",
)
