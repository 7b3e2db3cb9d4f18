"""What a command is: its flags, an example that runs as it stands, and the function that carries it out.

Flags that several commands share are here, so that each is worded once. The commands themselves are in the
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
    """Arguments of `add_argument`, kept until a parser is built."""

    names: tuple[str, ...]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """Called with the parsed flags and a terminal, it returns an exit code."""

    example: str
    flags: tuple[Flag, ...]
    handler: Handler

    def __call__(self, options: Namespace, terminal: Terminal) -> int:
        return self.handler(options, terminal)


def command(example: str, *flags: Flag) -> Callable[[Handler], Command]:
    """Decorates the function of a command."""
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
    help="a larger budget, more search.iterations or other workers, like -s budget.calls=9000; "
    "everything else is fixed",
)
PLUGINS = flag(
    "--plugins",
    metavar="DIR",
    help="also look for module:Object of the spec in this directory (besides the spec's and the current one)",
)
