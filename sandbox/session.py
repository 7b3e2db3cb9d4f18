"""The host side of one box, shared by all sandboxes: sends the job, answers requests, returns the outcome.

One thread moves bytes in both directions and never blocks on the box; handlers run on a few threads of their
own. The clock of the deadline (`BoxClock`) is paused while the box waits for the host, and stands still while
this process or the engine does (`heartbeat.py`): neither a slow model or judge nor a suspended machine must
ever look like a slow harness. A channel moves bytes and knows no frames; this module knows no engine.
"""

import base64
import contextlib
import os
import selectors
import signal
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from studbook.errors import SandboxError
from studbook.sandbox.contract import BoxStatus, Frame, Handler, Job, Limits
from studbook.sandbox.frames import (
    AnyFrame,
    End,
    FrameError,
    LineSplitter,
    Output,
    Ready,
    Request,
    encode_frame,
    read_frame,
    short_line,
)
from studbook.sandbox.heartbeat import Heartbeat
from studbook.sandbox.shim import kit_sources


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd:
    """`was_killed`: SIGKILL ended the harness. `went_silent`: the channel closed without an end frame."""

    status: BoxStatus
    detail: str
    output: str
    warnings: tuple[str, ...]
    was_killed: bool = False
    went_silent: bool = False


LONG_STANDSTILL_SECONDS = 5.0  # after which timeouts of a harness's own may have expired


def refuse_after_standstill(end: SessionEnd, lost_seconds: float) -> None:
    """Raises SandboxError for a box that did not finish and may owe that to a standstill: it is run again."""
    if end.status is not BoxStatus.FINISHED and lost_seconds >= LONG_STANDSTILL_SECONDS:
        raise SandboxError(
            f"Studbook, or the engine, stood still for {lost_seconds:.1f} s while a box ran, "
            f"which then ended as {end.status}"
        )


class Ended(Exception):
    """Raised inside the pump to leave it; carries status and detail."""


def describe_end(end: End, limits: Limits) -> tuple[BoxStatus, str, str]:
    """(status, detail, "killed" for SIGKILL or "") from the shim's report of how the harness ended."""
    match end.how, end.type, end.message:
        case "returned", _, _:
            return BoxStatus.FINISHED, "returned", ""
        case "raised", "MemoryError", _:
            return BoxStatus.OUT_OF_LIMITS, f"over {limits.memory_bytes} bytes of memory", ""
        case "raised", name, message:
            return BoxStatus.CRASHED, f"{name}: {message}" if message else name, ""
        case "exited", _, "0":
            return BoxStatus.FINISHED, "exited with status 0", ""
        case "exited", _, status:
            return BoxStatus.CRASHED, f"exited with status {status}", ""
        case "flooded", _, _:
            return BoxStatus.OUT_OF_LIMITS, f"over {limits.output_bytes} bytes of output", ""
        case _, _, number:
            flag = "killed" if number == str(signal.SIGKILL.value) else ""
            return BoxStatus.CRASHED, f"killed by signal {number}", flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folder of a box's files, and what the shim must set up because no engine did.

    `rlimits` are (number of `resource`, value); `user` is the user id to switch to when the shim is root.
    `niceness` gives the harness lower priority than the shim, if only those two share a CPU quota.
    """

    folder: str
    environment: dict[str, str] = field(default_factory=dict)
    rlimits: tuple[tuple[int, int], ...] = ()
    user: int | None = None
    niceness: int = 0


def job_lines(job: Job, place: Place) -> list[bytes]:
    """The job as frames; raises Ended when a frame would exceed the size limit."""
    frames: list[Frame] = [{"folder": place.folder}]
    for path, data in sorted(job.files.items()):
        frames.append({"file": path, "data": base64.b64encode(data).decode("ascii")})
    start: Frame = {
        "entry": job.entry,
        "payload": job.payload,
        "kit": [[name, source] for name, source in kit_sources().items()],
        "environment": {"LANG": "C.UTF-8", "TMPDIR": place.folder, **place.environment},
        "rlimits": [list(limit) for limit in place.rlimits],
        "user": place.user,
        "niceness": place.niceness,
        "frame_bytes": job.limits.frame_bytes,
        "output_bytes": job.limits.output_bytes,
    }
    lines = [encode_frame(frame) for frame in [*frames, {"start": start}]]
    longest = max(map(len, lines))
    if longest > job.limits.frame_bytes:
        raise Ended(BoxStatus.OUT_OF_LIMITS, f"a file or the paper needs a frame of {longest} bytes")
    return lines


class BoxClock:
    """Counts the seconds during which no request of the box was being answered."""

    def __init__(self, limit_seconds: float, now: float) -> None:
        self._limit = limit_seconds
        self._spent = 0.0
        self._since: float | None = now

    def remaining(self, now: float) -> float:
        running = now - self._since if self._since is not None else 0.0
        return self._limit - self._spent - running

    @property
    def is_paused(self) -> bool:
        return self._since is None

    def pause(self, now: float) -> None:
        if self._since is not None:
            self._spent += now - self._since
            self._since = None

    def go_on(self, now: float) -> None:
        if self._since is None:
            self._since = now


HANDLER_THREADS = 8
MAX_PENDING = 64  # requests in progress and unsent replies; beyond this the box is not read from
OTHER_FRAMES = 10_000  # besides requests; output may arrive one byte per frame if the harness prints that way
START_SECONDS = 60.0  # enough for a busy machine; no hostile code has run before the shim is ready
READS_PER_TURN = 16
STDERR_TAIL_CHARS = 4096
TOO_LARGE: Frame = {"error": {"type": "refused", "message": "the reply is too large for a frame"}}


class Channel(Protocol):
    """Bytes to and from the shim; never blocks. `receive` returns None without data, b"" at the end."""

    def fileno(self) -> int: ...
    def receive(self) -> bytes | None: ...
    def send(self, data: memoryview) -> int: ...


class Session:
    """One box from job to end. Use each session once: call `run` and use its result."""

    def __init__(self, channel: Channel, job: Job, handler: Handler, heartbeat: Heartbeat) -> None:
        self._channel, self._limits, self._handler = channel, job.limits, handler
        self._heartbeat, self._now = heartbeat, heartbeat.now
        self._splitter = LineSplitter(job.limits.frame_bytes)
        self._lines: deque[bytes] = deque()  # arrived, but not yet handled because too much is pending
        self._outgoing: deque[memoryview] = deque()
        self._is_ready = False
        self._requests = self._received = self._frames = 0
        self._pending: set[Future[Frame]] = set()
        self._done: deque[tuple[int, Future[Frame]]] = deque()
        self._output = ""
        self._warnings: list[str] = []
        self._clock = BoxClock(START_SECONDS, heartbeat.now())
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._pool = ThreadPoolExecutor(HANDLER_THREADS, thread_name_prefix="box-handler")
        self._selector = selectors.DefaultSelector()

    def run(self, lines: list[bytes]) -> SessionEnd:
        """Pump until the box ends or exceeds a limit. Handlers may still be running: see `close`."""
        self._outgoing.extend(memoryview(line) for line in lines)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        try:
            while True:
                self._turn()
        except FrameError as error:
            return self._end(BoxStatus.PROTOCOL_ERROR, short_line(str(error)))
        except Ended as end:
            status, detail, *flags = end.args
            return self._end(status, short_line(detail), *flags)

    def close(self) -> None:
        """Wait for running handlers and free all resources; call after the box is gone."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def raise_late_errors(self) -> None:
        """Call after `close`: raises the error of a handler that failed while the box was ending."""
        for _, future in self._done:
            if not future.cancelled():
                future.result()

    def _end(self, status: BoxStatus, detail: str, flag: str = "") -> SessionEnd:
        if not self._is_ready:
            raise SandboxError(f"a box did not start: {detail}")
        return SessionEnd(
            status=status,
            detail=detail,
            output=self._output,
            warnings=tuple(self._warnings),
            was_killed=flag == "killed",
            went_silent=flag == "silent",
        )

    def _turn(self) -> None:
        self._collect_replies()
        self._take_lines()
        remaining = self._clock.remaining(self._now())
        if remaining <= 0:  # unless the engine stands still, which is known after asking it
            remaining = self._clock.remaining(self._heartbeat.settled())
        if remaining <= 0 and not self._is_ready:
            raise Ended(BoxStatus.TIMED_OUT, f"not ready after {START_SECONDS:g} s")
        if remaining <= 0:
            raise Ended(BoxStatus.TIMED_OUT, f"over {self._limits.wall_seconds:g} s of its own time")
        self._watch()
        for key, events in self._selector.select(None if self._clock.is_paused else remaining):
            if key.fd == self._wake_read:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            elif events & selectors.EVENT_WRITE:
                self._write()
            else:
                self._read()

    def _watch(self) -> None:
        reads = 0 if self._is_busy else selectors.EVENT_READ
        wanted = reads | (selectors.EVENT_WRITE if self._outgoing else 0)
        known = self._selector.get_map().get(self._channel.fileno())
        if known is not None and known.events == wanted:
            return
        if known is not None:
            self._selector.unregister(self._channel.fileno())
        if wanted:
            self._selector.register(self._channel.fileno(), wanted)

    def _write(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # reading will report why
            while self._outgoing:
                sent = self._channel.send(self._outgoing[0])
                if sent < len(self._outgoing[0]):
                    self._outgoing[0] = self._outgoing[0][sent:]
                    return
                self._outgoing.popleft()
            return
        self._outgoing.clear()

    def _read(self) -> None:
        for _ in range(READS_PER_TURN):
            data = self._channel.receive()
            if data is None:
                return
            if not data:
                raise Ended(BoxStatus.CRASHED, "the box ended without a word", "silent")
            self._lines.extend(self._splitter.feed(data))
            self._take_lines()
            self._received += len(data)
            if self._received > self._limits.output_bytes:
                raise Ended(BoxStatus.OUT_OF_LIMITS, f"over {self._limits.output_bytes} bytes of output")
            if self._is_busy:
                return

    def _take_lines(self) -> None:
        while self._lines and not self._is_busy:
            self._take(read_frame(self._lines.popleft()))

    @property
    def _is_busy(self) -> bool:
        """An honest shim never has this much pending: it serves fewer connections, each with one request."""
        return len(self._pending) + len(self._outgoing) >= MAX_PENDING

    def _take(self, frame: AnyFrame) -> None:
        self._frames += 1
        if self._frames > self._limits.requests + OTHER_FRAMES:
            raise Ended(BoxStatus.OUT_OF_LIMITS, f"over {self._limits.requests + OTHER_FRAMES} frames")
        if isinstance(frame, Ready) == self._is_ready:
            raise FrameError(f"unexpected {frame.kind} frame")
        if isinstance(frame, Ready):
            self._is_ready = True
            self._warnings.extend(short_line(text) for text in frame.warnings)
            self._clock = BoxClock(self._limits.wall_seconds, self._now())
        elif isinstance(frame, Request):
            self._dispatch(frame)
        elif isinstance(frame, Output):
            self._output = (self._output + frame.text)[-STDERR_TAIL_CHARS:]
        else:
            raise Ended(*describe_end(frame, self._limits))

    def _dispatch(self, request: Request) -> None:
        self._requests += 1
        if self._requests > self._limits.requests:
            raise Ended(BoxStatus.OUT_OF_LIMITS, f"over {self._limits.requests} requests")
        future = self._pool.submit(self._handler, request.request, request.body)
        self._pending.add(future)
        self._clock.pause(self._now())
        future.add_done_callback(lambda done: self._on_done(request.id, done))

    def _on_done(self, request_id: int, future: Future[Frame]) -> None:
        """Runs on a handler's thread."""
        self._done.append((request_id, future))
        with contextlib.suppress(OSError):  # full: the pump is already awake; closed: the box has ended
            os.write(self._wake_write, b"1")

    def _collect_replies(self) -> None:
        while self._done:
            request_id, future = self._done.popleft()
            self._pending.discard(future)
            line = encode_frame(
                {"id": request_id, "reply": future.result()}
            )  # a handler's error ends the box
            if len(line) > self._limits.frame_bytes:
                line = encode_frame({"id": request_id, "reply": TOO_LARGE})
            self._outgoing.append(memoryview(line))
        if not self._pending:
            self._clock.go_on(self._now())
