"""Runs whose engine is really stopped or killed, and started again, at random moments.

Half of the moments lie close to the start of a process, where it looks for its engine and image and reaps;
now and then the run is killed together with its engine, so that there is something to reap.
"""

import random
import signal
import time
from dataclasses import dataclass

import docker
from crash.process import Process
from crash.trial import Tally, Trial, Undisturbed
from support.own_engine import OwnEngine

from studbook.sandbox.owner import OWNER_LABEL

PROPER_ENDS = {1: "✗ error: Docker, ", 2: "✗ error: Docker, looking for an engine"}
"""Its engine was away for longer than it waits, or while it was begun or resumed; or when that began."""
AWAY_SECONDS = (0.0, 0.0, 0.5, 3.0)
KILLED_TOO = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an engine ends, and what it is told at its start."""

    how: str
    options: tuple[str, ...] = ()
    keeps_socket: bool = False


WAYS = {
    "engine stopped": Way(how="stop"),
    "engine killed": Way(how="kill"),
    "engine killed, and all its boxes": Way(how="crash", keeps_socket=True),
    "engine killed, its boxes go on": Way(how="kill", options=("--live-restore",), keeps_socket=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarts:
    """What is done to whom: `times` restarts of `engine`, in as many runs as that takes."""

    engine: OwnEngine
    how: str
    times: int
    luck: random.Random
    expected: Undisturbed
    tally: Tally

    def disturb(self, trial: Trial) -> None:
        """One run, until it comes to its end."""
        while True:
            said = len(trial.text())
            process = trial.start()
            before = self.tally.kills
            ended_without = False
            while not self.are_done and _lives_for(process, self._moment()):
                self._restart(process)
                ended_without = process.find_code() is not None
            code = process.wait()
            self._account(trial, before)
            if code == 0:
                trial.compare(code, process, self.expected.outcome)
                if ended_without:  # its last box could not be removed any more: the next start does that
                    trial.start().wait()
                self._look_for_boxes(process.pid)
                return
            self._look_at_end(code, process.text()[said:])
            if not self.tally.is_clean:
                return

    @property
    def are_done(self) -> bool:
        return self.tally.kills >= self.times

    def _moment(self) -> float:
        share = 0.3 if self.luck.random() < 0.5 else 0.9
        return self.luck.random() * share * self.expected.seconds

    def _restart(self, process: Process) -> None:
        if self.luck.random() < KILLED_TOO:
            process.send(signal.SIGKILL)
        self.engine.say(self.how)
        time.sleep(self.luck.choice(AWAY_SECONDS))
        self.engine.say("start")
        self.tally.kills += 1

    def _account(self, trial: Trial, before: int) -> None:
        if self.tally.kills == before:
            trial.ended_by_force()
        else:
            self.tally.kills -= 1
            trial.was_killed()

    def _look_at_end(self, code: int, text: str) -> None:
        if code == -signal.SIGKILL:
            return
        if code not in PROPER_ENDS or PROPER_ENDS[code] not in text or "Traceback" in text:
            self.tally.differences.append(f"without its engine it ended with {code}:\n{text[-1500:]}")

    def _look_for_boxes(self, pid: int) -> None:
        client = docker.DockerClient(self.engine.address)
        try:
            left = client.containers.list(all=True, filters={"label": OWNER_LABEL})
            for box in left:
                told = f"a box was left behind: {box.attrs['State']}, of {box.labels[OWNER_LABEL]}, not {pid}"
                self.tally.differences.append(f"{told}\n{self.engine.log()}")
        finally:
            client.close()


def _lives_for(process: Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.find_code() is None:
        time.sleep(0.005)
    return process.find_code() is None
