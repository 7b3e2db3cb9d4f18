"""How a run is asked to stop: by a signal, or by a file STOP in its folder, which `studbook stop` creates.

The first Ctrl-C finishes cheap work, the second exits immediately. The exit code is 130 after a signal and 0
after a STOP file. Closing the terminal also stops a run, unless it ignores that (`nohup`).

The loop itself stops before the next paper. A paper in progress may still need minutes of model calls, so
after a grace period its next call is refused, which ends its box; the calls it made are recorded and not paid
again.
"""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from studbook.evolve.contracts import StopRequested
from studbook.experiments.views.text import clean_block
from studbook.llm.contracts import Chat, ChatCall, ChatReply
from studbook.populations.storage import storage_errors

INTERRUPTED = 128 + signal.SIGINT
"""The exit code that shells report for a process ended by SIGINT."""
GRACE_SECONDS = 3.0
LOOK_SECONDS = 0.5
STOP_FILE = "STOP"
KEPT = "stopped on request; the calls made so far are kept"
SHOW_CURSOR = b"\x1b[?25h\n"


class StopSwitch:
    """Once pressed, it stays pressed. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.event = threading.Event()
        self.was_interrupted = False
        self._clock = clock
        self._pressed_at = 0.0

    def press(self, *, by_signal: bool = False) -> None:
        self.was_interrupted |= by_signal
        if not self.event.is_set():
            self._pressed_at = self._clock()
            self.event.set()

    def sleep(self, seconds: float) -> None:
        """Waits before a retry; raises StopRequested when pressed: a waiting call needs no grace period."""
        if self.event.wait(seconds):
            raise StopRequested(KEPT)

    @property
    def grace_is_over(self) -> bool:
        return self.event.is_set() and self._clock() - self._pressed_at > GRACE_SECONDS


class StoppableChat:
    """A `Chat` that refuses calls once the grace period is over."""

    def __init__(self, chat: Chat, switch: StopSwitch) -> None:
        self._chat = chat
        self._switch = switch

    def chat(self, call: ChatCall) -> ChatReply:
        if self._switch.grace_is_over:
            raise StopRequested(KEPT)
        return self._chat.chat(call)


@contextmanager
def watching_stop_file(switch: StopSwitch, folder: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """A file STOP presses the switch during the block; an old one is removed first.

    Anything of that name stops the run. Raises StorageError for one that cannot be removed.
    """
    stop_file = folder / STOP_FILE
    with storage_errors(stop_file, "remove"):
        _remove(stop_file)
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(stop_file, switch, ended, tell), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        with suppress(OSError):  # the run is over: the next one says what is in its way
            _remove(stop_file)


def ask_to_stop(folder: Path) -> None:
    """Creates the file. Raises StorageError."""
    stop_file = folder / STOP_FILE
    with storage_errors(stop_file, "write"), suppress(FileExistsError):
        os.close(os.open(stop_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _remove(stop_file: Path) -> None:
    """Also an empty folder, which stops a run like a file."""
    if stop_file.is_dir() and not stop_file.is_symlink():
        stop_file.rmdir()
    else:
        stop_file.unlink(missing_ok=True)


@contextmanager
def listening(
    switch: StopSwitch, folder: Path, tell: Callable[[str], None], *, farewell: str = ""
) -> Iterator[None]:
    """Signals and the STOP file press the switch during the block; a second signal exits immediately.

    `farewell` is printed on the second signal: it says how to resume.
    """
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if previous[signal.SIGHUP] is signal.SIG_IGN:
        del previous[signal.SIGHUP]

    def pressed(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        if number == signal.SIGHUP:
            _let_go_of_terminal()
            if switch.event.is_set():
                return  # an exiting shell sends SIGHUP more than once; that is not a second request
        if switch.event.is_set():
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), SHOW_CURSOR)
            with suppress(OSError):  # the reader may be gone
                os.write(sys.stderr.fileno(), clean_block(farewell).encode())
            os._exit(INTERRUPTED)  # second signal: the user does not want to wait
        switch.press(by_signal=True)
        tell("Stopping: wrapping up work in progress (nothing is lost). Press Ctrl-C again to quit now.")

    for number in previous:
        signal.signal(number, pressed)
    try:
        with watching_stop_file(switch, folder, tell):
            yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _let_go_of_terminal() -> None:
    """Redirects output for a closed terminal to the null device: every write to it would raise."""
    for stream in (sys.stdout, sys.stderr):
        try:
            os.tcgetpgrp(stream.fileno())
        except OSError as error:
            if error.errno == errno.EIO:
                with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not one of our paths
                    os.dup2(nowhere.fileno(), stream.fileno())


def _watch(stop_file: Path, switch: StopSwitch, ended: threading.Event, tell: Callable[[str], None]) -> None:
    while not ended.wait(LOOK_SECONDS):
        if os.path.lexists(stop_file) and not switch.event.is_set():
            switch.press()
            tell("Stopping: found a file STOP in the run folder; wrapping up work in progress.")
