"""`studbook`: parses the command line, calls the command, and is the only place that chooses exit codes.

0 done · 1 failed, or differences found · 2 usage or bad spec · 130 interrupted, state saved. A traceback is
shown only for bugs in Studbook, or with -v.

The home page shows the table of commands defined here. Flags, handlers and output are in the modules that the
table names. A module is imported only when one of its commands is called, because importing model and engine
SDKs takes longer than most commands do.
"""

import argparse
import atexit
import difflib
import importlib
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, TextIO

from studbook.errors import OF_THE_MACHINE, StudbookError, UsageError, remedy
from studbook.experiments.cli.command import Command
from studbook.experiments.cli.terminal import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    Terminal,
    adapt,
)
from studbook.version import __version__


@dataclass(frozen=True, slots=True)
class Verb:
    """`name` may have two words; `place` is module:function in `experiments/cli`."""

    name: str
    place: str
    summary: str

    def load(self) -> Command:
        module, _, function = self.place.partition(":")
        found = getattr(importlib.import_module(f"studbook.experiments.cli.{module}"), function)
        assert isinstance(found, Command)
        return found


VERBS = (
    Verb("run", "running:run", "Run an experiment: evolve a harness as a spec describes."),
    Verb("resume", "running:resume", "Pick up an interrupted run where it left off."),
    Verb("stop", "running:stop", "Stop a run cleanly from another terminal."),
    Verb("ls", "looking:ls", "List runs with their state, best harness and pass rates."),
    Verb("show", "looking:show", "Show a run, one of its harnesses, or what a harness did on one paper."),
    Verb("tree", "looking:tree", "Draw a run's family tree: every mutant, its parent and its outcome."),
    Verb("lineage", "looking:lineage", "Show the chain of changes from the seed to one harness."),
    Verb("diff", "looking:diff", "Compare two harnesses: files, then papers, then scores."),
    Verb(
        "replay",
        "checking:replay",
        "Reproduce a run from its recorded calls, or re-measure it with fresh ones.",
    ),
    Verb("verify", "checking:verify", "Check that all records of a run agree, and list any that do not."),
    Verb("pack", "exporting:pack", "Pack a run into one file, without keys, to replay it elsewhere."),
    Verb("unpack", "exporting:unpack", "Verify a packed run and add it to your runs."),
    Verb("adopt", "exporting:adopt", "Mark a run as your own, so that it is resumed and replayed as made."),
    Verb("evaluate", "evaluating:evaluate", "Evaluate one harness on papers with the frozen evaluator."),
    Verb("export", "exporting:export", "Copy a harness of a run into a directory."),
    Verb("report", "exporting:report", "Write a run's report: one HTML file that opens offline."),
    Verb("papers synth", "papers:synth", "Write synthetic papers, each labeled as synthetic."),
    Verb("papers show", "papers:show", "List the papers of a corpus, or print one."),
    Verb(
        "papers stats", "papers:stats", "Count papers and characters, and list the files that were skipped."
    ),
    Verb("init", "evaluating:init", "Create a starter harness."),
    Verb("doctor", "machine:doctor", "Check whether this machine is ready to run Studbook."),
    Verb(
        "conformance",
        "conforming:conformance",
        "Try the models of an endpoint in every role, and write a one-page report.",
    ),
    Verb(
        "testbed serve",
        "machine:testbed_serve",
        "Serve the testbed's models as an OpenAI-compatible endpoint on this machine.",
    ),
)
GROUPS = {"papers": "Make and inspect papers.", "testbed": "Serve the testbed's models."}
"""First words of two-word commands, with their help texts."""

VERBOSE = re.compile("-v+|--verbose")
ISSUES = "this is a bug in Studbook: please report it with the lines above"


class Parser(argparse.ArgumentParser):
    """argparse, with errors in the house format: what, where, next step.

    `called` is the parser of the command that was given.
    """

    called: "Parser | None" = None

    def error(self, message: str) -> NoReturn:
        actions = [*self._actions, *(self.called._actions if self.called else [])]
        options = [name for action in actions for name in action.option_strings]
        raise UsageError(f"{_suggest(message, options)}\n  see {self.prog} --help")


def build_parser(arguments: Sequence[str]) -> Parser:
    """All commands by name, but flags only for those that `arguments` may call."""
    root = Parser(
        prog="studbook",
        description="Evolve agent harnesses, with a score they cannot forge and runs that replay exactly.",
        epilog="Example: studbook run quickstart",
    )
    root.add_argument("--version", action="version", version=f"studbook {__version__}")
    root.set_defaults(command=None)
    commands = root.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    groups = {}
    called = [word for word in arguments if not word.startswith("-")]
    for verb in VERBS:
        words = verb.name.split()
        first = words[0]
        if len(words) > 1 and first not in groups:
            about = GROUPS[first]
            group = commands.add_parser(first, help=about, description=about, formatter_class=_Plain)
            groups[first] = group.add_subparsers(
                title="commands", metavar="COMMAND", required=True, parser_class=Parser
            )
        parser = groups.get(first, commands).add_parser(
            words[-1], help=verb.summary, description=verb.summary, formatter_class=_Plain
        )
        if called[: len(words)] == words:
            _add_flags(parser, verb.load())
            root.called = parser
    return root


class _Plain(argparse.RawDescriptionHelpFormatter):
    """Keeps the example on its own line."""


def _add_flags(parser: argparse.ArgumentParser, command: Command) -> None:
    parser.epilog = f"example:\n  {command.example}"
    for flag in command.flags:
        parser.add_argument(*flag.names, **flag.options)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead (see docs/cli.md)")
    parser.add_argument("-v", "--verbose", action="store_true", help="show a traceback on errors")
    parser.set_defaults(command=command)


def main(argv: Sequence[str] | None = None) -> int:
    if argv is not None:
        return _answer(argv)
    _open_closed_streams()
    # we own the process: SIGTERM reports and cleans up, as Ctrl-C does
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    atexit.register(_ignore_late_signals)
    code = _answer(sys.argv[1:])
    signal.signal(signal.SIGINT, lambda *_: os._exit(code))  # all work is done: exit now with our status
    return code


def _open_closed_streams() -> None:
    """After `>&-` a file of ours would get the number 1, and print would write into it."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - open to the end
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - open to the end
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115 - open to the end


def _ignore_late_signals() -> None:
    """At exit Python restores its own handlers: a late signal would end with its status, not with ours."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _answer(arguments: Sequence[str]) -> int:
    adapt(sys.stdout, sys.stderr)
    terminal = Terminal(is_verbose=any(VERBOSE.fullmatch(argument) for argument in arguments))
    try:
        return _dispatch(arguments)
    except UsageError as error:
        return _failed(terminal, error, EXIT_USAGE)
    except StudbookError as error:
        return _failed(terminal, error, EXIT_FAILED)
    except KeyboardInterrupt:
        return _failed(terminal, "interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # the reader of stdout closed it (`studbook ls | head`): no one is left to report to
        _silence(sys.stdout)
        return EXIT_DONE
    except OSError as error:
        if error.errno in OF_THE_MACHINE:
            where = f": {error.filename}" if error.filename else ""
            why = f"{error.strerror}{where}\n  {remedy(error)}, then try again"
            return _failed(terminal, why, EXIT_FAILED)
        return _bug(terminal)
    except MemoryError:
        return _failed(terminal, "not enough memory\n  free some, then try again", EXIT_FAILED)
    except Exception:  # noqa: BLE001 - the outermost boundary: anything caught here is our bug, shown in full
        return _bug(terminal)


def _dispatch(arguments: Sequence[str]) -> int:
    words = [] if list(arguments) == ["help"] else list(arguments)
    parser = build_parser(words)
    options = parser.parse_args(words)
    options.words = words
    if options.command is None:  # bare `studbook`, or `studbook help`
        parser.print_help()
        sys.stdout.flush()
        return EXIT_DONE
    code: int = options.command(options, Terminal(wants_json=options.json, is_verbose=options.verbose))
    sys.stdout.flush()  # a closed reader raises here, where it can be handled; at exit it could not
    return code


def _failed(terminal: Terminal, error: StudbookError | str, code: int, *, is_bug: bool = False) -> int:
    """Returns the exit status even if the message cannot be written (full disk, closed terminal)."""
    try:
        if is_bug or (terminal.is_verbose and not isinstance(error, str)):
            terminal.traceback()
        terminal.error(str(error))
    except OSError:
        _silence(sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        _silence(sys.stdout)
    return code


def _bug(terminal: Terminal) -> int:
    return _failed(terminal, ISSUES, EXIT_FAILED, is_bug=True)


def _silence(stream: TextIO) -> None:
    """Discards pending output, for which Python would otherwise exit with its own status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


CHOICE = re.compile(
    r"argument (?P<of>\S+): invalid choice: '(?P<given>[^']*)' \(choose from (?P<choices>.*)\)"
)
UNRECOGNIZED = re.compile(r"unrecognized arguments: (?P<given>--[\w-]+)")


def _suggest(message: str, options: Sequence[str]) -> str:
    """argparse's message, with the nearest command, option or value of an option."""
    if found := CHOICE.match(message):
        choices = [choice.strip("' ") for choice in found["choices"].split(",")]
        if found["of"] == "COMMAND":
            return f"unknown command {found['given']}" + _nearest(found["given"], choices)
        unknown = f"unknown {found['of'].lstrip('-')} {found['given']}"
        return unknown + (_nearest(found["given"], choices) or f", choose from {', '.join(choices)}")
    if found := UNRECOGNIZED.match(message):
        return f"unknown option {found['given']}" + _nearest(found["given"], options)
    return message


def _nearest(given: str, choices: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, choices, n=1)
    return f", did you mean {near[0]}?" if near else ""


if __name__ == "__main__":
    sys.exit(main())
