"""`studbook`: parses the command line, calls the command, and is the only place that chooses exit codes.

0 done · 1 failed, or differences found · 2 usage or bad spec · 130 interrupted, state saved. A traceback is
shown only for bugs of ours, or with -v. What the commands do is in `experiments/commands/`.
"""

import argparse
import atexit
import difflib
import errno
import importlib
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn, TextIO

from studbook.errors import StudbookError, UsageError
from studbook.experiments.cli.table import COMMANDS, GROUPS, Command
from studbook.experiments.cli.terminal import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    Terminal,
    adapt,
)
from studbook.version import __version__

Handler = Callable[[argparse.Namespace, Terminal], int]

VERBOSE = re.compile("-v+|--verbose")
ISSUES = "this is a bug of Studbook: please report it with the lines above"


class Parser(argparse.ArgumentParser):
    """argparse, with errors in our form: what, where, next step."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{_suggest(message)}\n  see {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    root = Parser(
        prog="studbook",
        description="Evolve agent harnesses, with a score they cannot forge and runs that replay exactly.",
        epilog="Example: studbook run quickstart",
    )
    root.add_argument("--version", action="version", version=f"studbook {__version__}")
    root.set_defaults(handler=None)
    commands = root.add_subparsers(metavar="COMMAND", parser_class=Parser)
    groups = {}
    for name, about in GROUPS.items():
        group = commands.add_parser(name, help=about, description=about, formatter_class=_Plain)
        groups[name] = group.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for command in COMMANDS:
        group_name, _, rest = command.name.rpartition(" ")
        _add_command(groups[group_name] if group_name else commands, rest, command)
    return root


class _Plain(argparse.RawDescriptionHelpFormatter):
    """Keeps the example on a line of its own."""


def _add_command(parsers: "argparse._SubParsersAction[Parser]", name: str, command: Command) -> None:
    parser = parsers.add_parser(
        name,
        help=command.summary,
        description=command.summary,
        epilog=f"example:\n  {command.example}",
        formatter_class=_Plain,
    )
    for flag in command.flags:
        parser.add_argument(*flag.names, **flag.options)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead (see docs/cli.md)")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="with an error, also show where it arose"
    )
    parser.set_defaults(handler=command.handler)


def main(argv: Sequence[str] | None = None) -> int:
    if argv is not None:
        return _answer(argv)
    # a process of our own: who is told to end says so and cleans up, as with Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    atexit.register(_turn_deaf)
    code = _answer(sys.argv[1:])
    signal.signal(signal.SIGINT, lambda *_: os._exit(code))  # all is done: a late one only hastens the end
    return code


def _turn_deaf() -> None:
    """At the very end Python takes its handlers back: a late signal would end in its status, not in ours."""
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
        # the reader of our stdout went away (`studbook ls | head`): nobody is left to tell
        _silence(sys.stdout)
        return EXIT_DONE
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}:
            why = (
                f"{error.strerror}: {error.filename or 'while writing'}\n  free space or permit, then repeat"
            )
            return _failed(terminal, why, EXIT_FAILED)
        return _bug(terminal)
    except Exception:  # noqa: BLE001 - the outermost door: what arrives here is our bug, shown in full
        return _bug(terminal)


def _dispatch(arguments: Sequence[str]) -> int:
    parser = build_parser()
    options = parser.parse_args([] if list(arguments) == ["help"] else arguments)
    if options.handler is None:  # bare `studbook`, or `studbook help`
        parser.print_help()
        sys.stdout.flush()
        return EXIT_DONE
    module, _, function = options.handler.partition(":")
    handler: Handler = getattr(importlib.import_module(module), function)
    code = handler(options, Terminal(wants_json=options.json, is_verbose=options.verbose))
    sys.stdout.flush()  # here a reader that went away can still be met; at exit it could not
    return code


def _failed(terminal: Terminal, error: StudbookError | str, code: int, *, is_bug: bool = False) -> int:
    """The status tells even where the words find no room: a full disk, a terminal that was closed."""
    try:
        if is_bug or (terminal.is_verbose and not isinstance(error, str)):
            traceback.print_exc()
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
    """What is still to be written has nowhere to go; Python would end with a status of its own for it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


CHOICE = re.compile(
    r"argument (?P<of>\S+): invalid choice: '(?P<given>[^']*)' \(choose from (?P<choices>.*)\)"
)
UNRECOGNIZED = re.compile(r"unrecognized arguments: (?P<given>--[\w-]+)")
COMMON_OPTIONS = ("--help", "--version", "--json", "--verbose")


def _suggest(message: str) -> str:
    """argparse's message, with the nearest command, option or value of an option."""
    if found := CHOICE.match(message):
        choices = [choice.strip("' ") for choice in found["choices"].split(",")]
        if found["of"] == "COMMAND":
            return f"unknown command {found['given']}" + _nearest(found["given"], choices)
        unknown = f"unknown {found['of'].lstrip('-')} {found['given']}"
        return unknown + (_nearest(found["given"], choices) or f", choose from {', '.join(choices)}")
    if found := UNRECOGNIZED.match(message):
        options = [name for command in COMMANDS for each in command.flags for name in each.names]
        return f"unknown option {found['given']}" + _nearest(found["given"], [*options, *COMMON_OPTIONS])
    return message


def _nearest(given: str, choices: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, choices, n=1)
    return f", did you mean {near[0]}?" if near else ""


if __name__ == "__main__":
    sys.exit(main())
