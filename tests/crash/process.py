"""`studbook` in a process of its own that begins at once: forked from this one, which has all imported.

A real process that really dies, without the second that every start of Python takes. The caller must have no
threads. Signals go to the run process alone, never to its boxes: they have to notice by themselves.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import studbook.experiments.cli.running
import studbook.llm.openai_backend  # noqa: F401 - so that a child need not
from studbook.experiments.cli.main import main

Prepare = Callable[[], None]
OUTPUT = "output.txt"


@dataclass(slots=True, kw_only=True)
class Process:
    pid: int
    output: Path
    code: int | None = None

    def find_code(self) -> int | None:
        """Exit code, minus the signal's number for a killed process; None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def wait(self, seconds: float = 300) -> int:
        deadline = time.monotonic() + seconds
        pause = 0.002
        while (code := self.find_code()) is None:
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
                raise AssertionError(f"still running after {seconds:g} s:\n{self.text()[-2000:]}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        return code

    def send(self, number: int) -> None:
        """To the run process alone; nothing when it has ended."""
        if self.find_code() is None:
            os.kill(self.pid, number)

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")


def no_preparation() -> None:
    """The process as it is."""


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    prepare: Prepare = no_preparation,
    environment: dict[str, str] | None = None,
) -> Process:
    output = cwd / OUTPUT
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            _become(output, cwd, environment or {})
            prepare()
            code = main(list(arguments))
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # noqa: BLE001 - nobody above may see it: this is a copy of the controller
            with output.open("a", encoding="utf-8") as file:
                traceback.print_exc(file=file)
        finally:
            os._exit(code)
    return Process(pid=pid, output=output)


def renew_streams() -> None:
    """The old ones remember what their handles were before: a file, a pipe, a terminal."""
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)


def _become(output: Path, cwd: Path, environment: dict[str, str]) -> None:
    os.setsid()
    os.chdir(cwd)
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, handle), (2, handle)):
        os.dup2(source, target)
    os.closerange(3, 256)
    renew_streams()
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "STUDBOOK_")):
            del os.environ[name]
    os.environ.update(environment)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
