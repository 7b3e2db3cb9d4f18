"""The host against a shim that lies (real sockets, a hostile program behind them), and the box's clock."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.boxes import Recorder, job_of

from studbook.errors import ModelUnavailable, SandboxError
from studbook.sandbox.contract import BoxStatus, Job, Limits
from studbook.sandbox.heartbeat import Heartbeat
from studbook.sandbox.process_box import ProcessChannel
from studbook.sandbox.session import BoxClock, Ended, Place, Session, SessionEnd, job_lines

READY = b'{"kind":"ready","python":"3.12.0","warnings":[]}\n'
RETURNED = b'{"kind":"end","how":"returned","type":"","message":""}\n'
PLACE = Place(folder="/tmp")

Meet = Callable[..., SessionEnd]


def request(number: int, text: str = "x") -> bytes:
    frame = {"kind": "request", "id": number, "request": "log", "body": {"text": text}}
    return json.dumps(frame).encode() + b"\n"


@pytest.fixture
def meet() -> Iterator[Meet]:
    """Runs a session whose other end says `said`, then (unless told otherwise) hangs up, and listens."""
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def run(
        said: bytes,
        handler: Recorder | None = None,
        hang_up: bool = True,
        is_deaf: bool = False,
        **limits: float,
    ) -> SessionEnd:
        ours, theirs = socket.socketpair()
        opened.extend((ours, theirs))

        def speak() -> None:
            try:
                theirs.sendall(said)
                if hang_up:
                    theirs.shutdown(socket.SHUT_WR)
            except OSError:
                return

        def listen() -> None:
            with contextlib.suppress(ConnectionResetError):
                while theirs.recv(65536):
                    pass

        for role in (speak,) if is_deaf else (speak, listen):
            threads.append(threading.Thread(target=role))
            threads[-1].start()
        job = job_of("", **limits)
        with Heartbeat() as heartbeat:
            session = Session(ProcessChannel(ours), job, handler or Recorder({}), heartbeat)
            try:
                return session.run(job_lines(job, PLACE))
            finally:
                ours.close()
                session.close()

    yield run
    for thread in threads:
        thread.join(10)
    for sock in opened:
        sock.close()


def test_a_shim_that_returns_at_once_finishes(meet: Meet):
    assert meet(READY + RETURNED).status is BoxStatus.FINISHED


LIES = {
    "junk": b"hello\n",
    "two readies": READY,
    "an accepted example": b'{"kind":"accepted","score":1.0}\n',
    "NaN": b'{"kind":"request","id":1,"request":"log","body":{"n":NaN}}\n',
    "an endless line": b"x" * 5_000_000,
    "bytes": bytes(range(256)) + b"\n",
    "an empty line": b"\n",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_shim_that_does_not_keep_to_the_protocol_ends_the_box(meet: Meet, lie: bytes):
    assert meet(READY + lie + RETURNED).status is BoxStatus.PROTOCOL_ERROR


def test_requests_before_a_lie_were_answered_and_kept(meet: Meet):
    recorder = Recorder({})
    meet(READY + request(1, "kept") + b"junk\n", recorder)
    assert recorder.logged == ["kept"]


def test_before_it_is_ready_a_broken_box_is_our_failure_and_no_score(meet: Meet):
    with pytest.raises(SandboxError, match="a box did not start"):
        meet(b"Python 2.7: no such option\n")
    with pytest.raises(SandboxError, match="the box ended without a word"):
        meet(b"")


def test_a_box_that_dies_without_a_word_crashed(meet: Meet):
    end = meet(READY)
    assert (end.status, end.went_silent) == (BoxStatus.CRASHED, True)


def test_output_is_limited_over_all_frames(meet: Meet):
    said = READY + b'{"kind":"output","text":"' + b"x" * 900 + b'"}\n'
    end = meet(said * 1 + said.split(b"\n")[1] + b"\n", output_bytes=1500)
    assert end.status is BoxStatus.OUT_OF_LIMITS


def test_silence_is_ended_by_the_clock(meet: Meet):
    assert meet(READY, hang_up=False, wall_seconds=0.2).status is BoxStatus.TIMED_OUT


def test_a_flood_of_requests_waits_for_the_host(meet: Meet):
    recorder = Recorder({})
    said = READY + b"".join(request(number) for number in range(1, 400)) + RETURNED
    assert meet(said, recorder).status is BoxStatus.FINISHED


def test_frames_of_nothing_are_counted_too(meet: Meet):
    nothing = b'{"kind":"output","text":""}\n'
    end = meet(READY + nothing * 20_000 + RETURNED, requests=100)
    assert (end.status, end.detail) == (BoxStatus.OUT_OF_LIMITS, "over 10100 frames")


def test_replies_that_nobody_takes_are_not_piled_up(meet: Meet):
    recorder = Recorder({"text": "y" * 1_000_000})
    said = READY + b"".join(request(number) for number in range(1, 400))
    assert meet(said, recorder, hang_up=False, is_deaf=True, wall_seconds=0.5).status is BoxStatus.TIMED_OUT
    assert len(recorder.requests) < 80


def test_a_failing_handler_ends_the_session_with_its_own_error(meet: Meet):
    def fail(_kind: str, _body: object) -> dict[str, object]:
        raise ModelUnavailable("down")

    with pytest.raises(ModelUnavailable, match="down"):
        meet(READY + request(1), fail, hang_up=False)


def test_a_reply_too_large_for_a_frame_becomes_a_refusal():
    ours, theirs = socket.socketpair()
    with ours, theirs, Heartbeat() as heartbeat:
        theirs.sendall(READY + request(1))
        job = Job(files={}, entry="a.py:main", payload={}, limits=Limits(frame_bytes=20_000, wall_seconds=1))
        session = Session(ProcessChannel(ours), job, Recorder({"text": "y" * 30_000}), heartbeat)
        assert session.run([]).status is BoxStatus.TIMED_OUT
        session.close()
        reply = json.loads(theirs.recv(65536))
    assert reply == {
        "id": 1,
        "reply": {"error": {"type": "refused", "message": "the reply is too large for a frame"}},
    }


def test_a_file_too_large_for_a_frame_is_out_of_limits():
    job = Job(files={"a": b"x" * 100_000}, entry="a.py:main", payload={}, limits=Limits(frame_bytes=50_000))
    with pytest.raises(Ended) as caught:
        job_lines(job, PLACE)
    assert caught.value.args[0] is BoxStatus.OUT_OF_LIMITS


def test_time_spent_waiting_does_not_count():
    clock = BoxClock(10.0, now=100.0)
    clock.pause(103.0)
    assert clock.is_paused
    assert clock.remaining(1000.0) == 7.0
    clock.go_on(1000.0)
    assert clock.remaining(1002.0) == 5.0


def test_pausing_twice_and_going_on_twice_count_once():
    clock = BoxClock(10.0, now=0.0)
    clock.pause(1.0)
    clock.pause(5.0)
    clock.go_on(6.0)
    clock.go_on(8.0)
    assert clock.remaining(9.0) == 6.0


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=20))
def test_what_remains_is_the_limit_less_all_working_time(turns: list[tuple[int, int]]):
    clock, now = BoxClock(10_000.0, now=0.0), 0.0
    for working, waiting in turns:
        now += working
        clock.pause(now)
        now += waiting
        clock.go_on(now)
    assert clock.remaining(now) == 10_000.0 - sum(working for working, _ in turns)
