"""Box time: the seconds in which both this process and whatever carries a box were running.

A suspended laptop, a paused virtual machine, Ctrl-Z, a debugger or a frozen engine stop the host's side of a
box while clocks go on. Such a standstill is nobody's time. A thread beats twice a second; gaps between beats
and the time in which the carrier was silent are subtracted from the clock. Whether a clock goes on during a
suspension does not matter.

A harness cannot make a standstill: a gap in which this process was busy or waited for a core is not one, and
no box can reach the engine that is asked for a sign of life. Where the system does not say how long a thread
waited for a core, gaps under three seconds are counted. Knows neither boxes nor engines.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from studbook.errors import SandboxError

BEAT_SECONDS = 0.5
PATIENCE_SECONDS = 2.0  # for a sign of life: a busy engine answers a ping in milliseconds
GAP_SECONDS = PATIENCE_SECONDS + 1.0  # between two looks; threads that share an interpreter wait far less
SHORT_GAP_SECONDS = 1.0  # between two looks of the beating thread
SILENCE_SECONDS = 120.0  # an engine that gives no sign of life for so long has failed

TASKS = Path("/proc/self/task")

Silence = Callable[[float], bool]
"""(seconds to wait) -> whether whatever carries the box took a question and did not answer in that time."""


def never_silent(_: float) -> bool:
    """For a box that nothing but this process and the kernel carries."""
    return False


def waited_for_a_core() -> float:
    """Seconds in which threads of this process were ready to run and did not; a stopped one is not ready.

    Of all threads, because one that waits for the interpreter waits for another one that waits for a core.
    Where the system does not count them they may have waited all the time.
    """
    total = 0
    for path in TASKS.glob("*/schedstat"):
        with suppress(OSError, ValueError):  # the thread has ended
            total += int(path.read_bytes().split()[1])
    return total / 1e9 if total else time.monotonic()


class Heartbeat:
    """A clock that stands still when this process or the carrier of its boxes does. Thread-safe.

    Shared by all boxes of a carrier, each of which enters and leaves it; it beats while any is inside.
    `is_silent` is called from the beating thread. `busy` counts this process's seconds of CPU time, `waited`
    those in which it wanted a core and had none.
    """

    def __init__(
        self,
        is_silent: Silence = never_silent,
        clock: Callable[[], float] = time.monotonic,
        busy: Callable[[], float] = time.process_time,
        waited: Callable[[], float] = waited_for_a_core,
    ) -> None:
        self._is_silent, self._clock, self._busy, self._waited = is_silent, clock, busy, waited
        self._changed = threading.Condition()
        self._seen, self._worked, self._starved = clock(), busy(), waited()
        self._lost = 0.0
        self._asked = self._answered = 0  # beats: numbers of the last one wanted, and the last one made
        self._inside = 0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Heartbeat":
        with self._changed:
            self._inside += 1
            if self._thread is None:
                self._seen, self._worked, self._starved = self._clock(), self._busy(), self._waited()
                self._thread = threading.Thread(target=self._beat, name="box-heartbeat", daemon=True)
                self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._inside -= 1
            if self._inside:
                return
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    @property
    def lost_seconds(self) -> float:
        """How long everything stood still so far, since the first box."""
        with self._changed:
            self._look()
            return self._lost

    def now(self) -> float:
        """The clock's time less all standstills so far."""
        with self._changed:
            self._look()
            return self._clock() - self._lost

    def settled(self) -> float:
        """`now`, once a sign of life that was asked for after this call has come.

        Raises SandboxError when none comes within SILENCE_SECONDS.
        """
        with self._changed:
            self._asked += 1
            wanted = self._asked
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._answered >= wanted, SILENCE_SECONDS):
                raise SandboxError(f"the engine of a box has not answered for {SILENCE_SECONDS:g} seconds")
        return self.now()

    def _look(self) -> None:
        """Count a gap in which no thread of this process ran, or wanted to."""
        now, worked = self._clock(), self._busy()
        gap = now - self._seen
        if gap > GAP_SECONDS and max(worked - self._worked, self._waited() - self._starved) < gap / 2:
            self._lost += gap - BEAT_SECONDS
        self._seen, self._worked = now, worked

    def _beat(self) -> None:
        before = self._readings()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_over() or self._asked > self._answered, BEAT_SECONDS)
                if self._is_over():
                    return
                self._look()
                self._look_closely(before)
                began, lost, asked = self._clock(), self._lost, self._asked
            is_silent = self._is_silent(PATIENCE_SECONDS)
            with self._changed:
                self._look()
                if is_silent:
                    self._lost += max(0.0, self._clock() - began - (self._lost - lost))
                else:
                    self._answered = asked
                    self._changed.notify_all()
                before = self._readings()
                self._starved = before[2]

    def _readings(self) -> tuple[float, float, float, float]:
        return self._clock(), self._busy(), self._waited(), self._lost

    def _look_closely(self, before: tuple[float, float, float, float]) -> None:
        """Count a shorter gap, seen by the beating thread alone, in which nothing ran or wanted to."""
        if self._clock() - before[0] > SHORT_GAP_SECONDS:
            gap, worked, waited, lost = (
                now - then for now, then in zip(self._readings(), before, strict=True)
            )
            if max(worked, waited) < gap / 2:
                self._lost += max(0.0, gap - BEAT_SECONDS - lost)

    def _is_over(self) -> bool:
        """Has the last box left since this thread began to beat?"""
        return self._thread is not threading.current_thread()
