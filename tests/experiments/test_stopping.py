"""The stop switch: the first press lets cheap work end, after a grace calls are refused."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from studbook.errors import StorageError
from studbook.evolve.contracts import StopRequested
from studbook.experiments.run.stopping import (
    GRACE_SECONDS,
    STOP_FILE,
    StoppableChat,
    StopSwitch,
    ask_to_stop,
    listening,
    watching_stop_file,
)
from studbook.llm.contracts import ChatCall, ChatReply, Message, Usage

CALL = ChatCall(role="weak", messages=(Message(role="user", content="Hello"),), seed=1)


class Polite:
    def chat(self, call: ChatCall) -> ChatReply:
        return ChatReply(text=f"yes, {call.role}", usage=Usage())


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_calls_pass_until_the_grace_after_the_press_is_over():
    clock = Clock()
    switch = StopSwitch(clock)
    chat = StoppableChat(Polite(), switch)
    assert chat.chat(CALL).text == "yes, weak"
    switch.press()
    clock.now += GRACE_SECONDS - 0.1
    assert chat.chat(CALL).text == "yes, weak"
    clock.now += 0.2
    with pytest.raises(StopRequested, match="the calls made so far are kept"):
        chat.chat(CALL)


def test_a_second_press_does_not_prolong_the_grace():
    clock = Clock()
    switch = StopSwitch(clock)
    switch.press()
    clock.now += GRACE_SECONDS + 1
    switch.press()
    assert switch.grace_is_over


def test_a_signal_presses_the_switch_and_the_old_handler_comes_back(tmp_path):
    switch, told = StopSwitch(), []
    before = signal.getsignal(signal.SIGINT)
    with listening(switch, tmp_path, told.append):
        os.kill(os.getpid(), signal.SIGINT)
        assert switch.event.wait(5)
    assert signal.getsignal(signal.SIGINT) is before
    assert "Press Ctrl-C again to quit now" in told[0]


def test_a_closed_terminal_presses_the_switch_and_is_no_impatience_when_it_says_so_twice(tmp_path):
    switch = StopSwitch()
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup themselves
    try:
        with listening(switch, tmp_path, lambda text: None):
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGHUP)
            assert switch.event.wait(5)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_run_under_nohup_does_not_mind_a_closed_terminal(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with listening(StopSwitch(), tmp_path, lambda text: None):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_stop_file_presses_the_switch_and_goes_away(tmp_path):
    switch, told = StopSwitch(), []
    with listening(switch, tmp_path, told.append):
        (tmp_path / STOP_FILE).touch()
        assert switch.event.wait(5)
        deadline = time.monotonic() + 5
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
    assert told == ["Stopping: found a file STOP in the run folder; wrapping up work in progress."]
    assert not (tmp_path / STOP_FILE).exists()


def test_a_stop_file_of_an_earlier_run_is_no_reason_to_stop(tmp_path):
    (tmp_path / STOP_FILE).touch()
    switch = StopSwitch()
    with listening(switch, tmp_path, lambda text: None):
        assert not switch.event.wait(0.8)


def test_a_wait_for_another_try_ends_when_the_switch_is_pressed():
    switch = StopSwitch()
    switch.sleep(0.0)
    threading.Timer(0.05, switch.press).start()
    with pytest.raises(StopRequested):
        switch.sleep(60.0)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_anything_named_stop_stops_a_run_and_an_old_one_is_removed_first(tmp_path, make):
    stop_file, switch = tmp_path / STOP_FILE, StopSwitch()
    make(stop_file)
    with watching_stop_file(switch, tmp_path, lambda text: None):
        assert not os.path.lexists(stop_file)
        make(stop_file)
        assert switch.event.wait(20)
    assert not os.path.lexists(stop_file)


def test_a_full_folder_named_stop_is_said_to_be_in_the_way_before_the_run(tmp_path):
    (tmp_path / STOP_FILE / "inner").mkdir(parents=True)
    watching = watching_stop_file(StopSwitch(), tmp_path, lambda text: None)
    with pytest.raises(StorageError, match="Move it out of the way"), watching:
        pass


def test_a_full_folder_named_stop_stops_a_run_and_does_not_spoil_its_end(tmp_path):
    switch = StopSwitch()
    with watching_stop_file(switch, tmp_path, lambda text: None):
        (tmp_path / STOP_FILE / "inner").mkdir(parents=True)
        assert switch.event.wait(20)


def test_asking_to_stop_follows_no_link(tmp_path):
    (tmp_path / STOP_FILE).symlink_to(tmp_path / "elsewhere")
    ask_to_stop(tmp_path)
    assert not (tmp_path / "elsewhere").exists()
