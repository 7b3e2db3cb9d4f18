"""Time in which this process or the engine stood still is no box's time, and no harness can make any."""

import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from itertools import pairwise

import pytest

from studbook.errors import SandboxError
from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.heartbeat import BEAT_SECONDS, GAP_SECONDS, Heartbeat
from studbook.sandbox.session import SessionEnd, refuse_after_standstill


class Hands:
    """A clock and a count of CPU time that the test moves."""

    def __init__(self) -> None:
        self.time = self.worked = self.waited = 100.0

    def heartbeat(self) -> Heartbeat:
        return Heartbeat(clock=lambda: self.time, busy=lambda: self.worked, waited=lambda: self.waited)

    def move(self, seconds: float, worked: float = 0.0, waited: float = 0.0) -> None:
        self.worked += worked
        self.waited += waited
        self.time += seconds


def test_a_gap_in_which_nothing_of_this_process_ran_is_not_counted():
    hands = Hands()
    heart = hands.heartbeat()
    hands.move(1.0)
    before = heart.now()
    hands.move(3600.0)
    assert heart.now() - before == BEAT_SECONDS
    assert heart.lost_seconds == 3600.0 - BEAT_SECONDS


def test_the_first_reader_after_a_gap_finds_it_already_subtracted():
    hands = Hands()
    heart = hands.heartbeat()
    readings = [heart.now()]
    for gap in (10.0, 0.1, 10.0, GAP_SECONDS):
        hands.move(gap)
        readings.append(heart.now())
    assert [round(b - a, 6) for a, b in pairwise(readings)] == [
        BEAT_SECONDS,
        0.1,
        BEAT_SECONDS,
        GAP_SECONDS,
    ]


def test_a_gap_in_which_this_process_was_busy_is_counted_in_full():
    """A harness may keep the host busy, and so keep the beat waiting; it must not win time by it."""
    hands = Hands()
    heart = hands.heartbeat()
    before = heart.now()
    hands.move(30.0, worked=20.0)
    assert heart.now() - before == 30.0


@pytest.mark.parametrize("seconds", [1.1, 2.9, 10.0])
def test_several_gaps_are_subtracted_however_short(seconds: float):
    hands = Hands()
    with hands.heartbeat() as heart:
        heart.settled()
        for stops in range(1, 5):
            hands.move(seconds)
            heart.settled()
            assert heart.lost_seconds == pytest.approx(stops * (seconds - BEAT_SECONDS))


@pytest.mark.parametrize("kept", [{"waited": 2.0}, {"worked": 2.0}])
def test_a_short_gap_in_which_the_beat_waited_for_a_core_is_counted_in_full(kept: dict[str, float]):
    """Boxes may keep all cores busy, so that the beat comes late; they must not win time by it."""
    hands = Hands()
    with hands.heartbeat() as heart:
        heart.settled()
        for _ in range(4):
            hands.move(2.9, **kept)
            heart.settled()
        assert heart.lost_seconds == 0.0


STOPPED = """
import os, signal, subprocess, time
from studbook.sandbox.heartbeat import Heartbeat
with Heartbeat() as heart:
    heart.settled()
    wakes = subprocess.Popen(["sh", "-c", f"sleep 1.4; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)
    heart.settled()
    print(heart.lost_seconds)
    wakes.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts how long a thread waited for a core")
def test_a_process_that_is_really_stopped_for_a_second_loses_it():
    run = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True, check=True)
    assert float(run.stdout) > 0.5


def test_time_in_which_the_carrier_is_silent_is_not_counted_and_is_waited_for():
    wakes = threading.Event()

    def is_silent(patience_seconds: float) -> bool:
        return not wakes.wait(patience_seconds / 10)

    with Heartbeat(is_silent) as heart:
        began, clock = heart.now(), time.monotonic()
        threading.Timer(1.0, wakes.set).start()
        assert heart.settled() - began < 0.5
        assert time.monotonic() - clock > 0.9
        assert heart.lost_seconds > 0.5


def test_boxes_of_a_carrier_share_its_beats():
    threads: set[str] = set()

    def is_silent(_: float) -> bool:
        threads.add(str(threading.get_ident()))
        return False

    heart = Heartbeat(is_silent)
    with ExitStack() as boxes:
        for _ in range(20):
            boxes.enter_context(heart)
        with heart:
            heart.settled()
        heart.settled()
        assert len(threads) == 1
        assert [each.name for each in threading.enumerate()].count("box-heartbeat") == 1
    assert "box-heartbeat" not in {each.name for each in threading.enumerate()}


def test_time_between_two_boxes_is_no_standstill():
    hands = Hands()
    heart = hands.heartbeat()
    with heart:
        pass
    hands.move(100.0)
    with heart:
        assert heart.lost_seconds == 0.0


def test_a_carrier_that_stays_silent_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("studbook.sandbox.heartbeat.SILENCE_SECONDS", 0.3)
    with (
        Heartbeat(lambda _: threading.Event().wait(0.05) is False) as heart,
        pytest.raises(SandboxError, match=r"has not answered for 0\.3 seconds"),
    ):
        heart.settled()


def end(status: BoxStatus) -> SessionEnd:
    return SessionEnd(status=status, detail="", output="", warnings=())


@pytest.mark.parametrize("status", [BoxStatus.CRASHED, BoxStatus.TIMED_OUT])
def test_a_box_that_ended_badly_after_a_long_standstill_is_run_again(status: BoxStatus):
    with pytest.raises(SandboxError, match=r"stood still for 600\.0 s while a box ran"):
        refuse_after_standstill(end(status), 600.0)
    refuse_after_standstill(end(status), 0.0)
    refuse_after_standstill(end(BoxStatus.FINISHED), 600.0)
