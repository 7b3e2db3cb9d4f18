"""Runs `studbook` in a process of its own for each command, and measures each. Imports only once.

A process that has imported everything forks for each command line: importing, and hashing the evaluator's
code, takes longer than most commands of a small run.
"""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from support.studbook_cli import environment

SERVER = """
import contextlib, importlib, io, json, os, pkgutil, sys, time, studbook.experiments.cli as cli

for module in pkgutil.iter_modules(cli.__path__):
    importlib.import_module(f"{cli.__name__}.{module.name}")
with contextlib.redirect_stdout(io.StringIO()):
    cli.main.main(json.loads(sys.argv[1]))
for line in sys.stdin:
    cwd, commands = json.loads(line)
    ends = []
    for number, words in enumerate(commands):
        child = os.fork()
        if child == 0:
            os.chdir(cwd)
            out = os.open(f"out.{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            for stream, file in enumerate((os.open(os.devnull, os.O_RDONLY), out, out)):
                os.dup2(file, stream)
            sys.argv = ["studbook", *words]
            sys.exit(cli.main.main())
        deadline = time.monotonic() + 300
        while (found := os.wait4(child, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                os.kill(child, 9)
            time.sleep(0.02)
        used = found[2]
        ends.append([os.waitstatus_to_exitcode(found[1]), used.ru_utime + used.ru_stime, used.ru_maxrss])
    print(json.dumps(ends), flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`text`: what it wrote to both streams. `seconds` of the processor."""

    code: int
    text: str
    seconds: float
    size_bytes: int


class RunEach(Protocol):
    def __call__(self, *commands: str, cwd: Path) -> dict[str, Ended]:
        """By command line, in this order. Leaves files `out.0`, … in `cwd`. A command gets 300 seconds."""


class ForkedCommands:
    """`first` is run once before all others, to import and to compute what every command needs."""

    def __init__(self, first: str) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER, json.dumps(shlex.split(first))],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> "ForkedCommands":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._server:
            self._server.stdin.close()

    def run_each(self, *commands: str, cwd: Path) -> dict[str, Ended]:
        request = json.dumps([os.fspath(cwd), [shlex.split(command) for command in commands]])
        self._server.stdin.write(request + "\n")
        self._server.stdin.flush()
        ends = json.loads(self._server.stdout.readline())
        return {
            command: Ended(
                code=code,
                text=(cwd / f"out.{number}").read_text("utf-8", "replace"),
                seconds=seconds,
                size_bytes=kilobytes * 1024,
            )
            for number, (command, (code, seconds, kilobytes)) in enumerate(zip(commands, ends, strict=True))
        }
