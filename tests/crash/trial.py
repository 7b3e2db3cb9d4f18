"""One run under fire: begun, ended by force, resumed as often as it takes, and compared in the end."""

import itertools
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from crash.counting_server import Counter
from crash.evidence import Finished, Outcome, outcome, recorded_keys, verification
from crash.process import OUTPUT, Prepare, Process, no_preparation, start

from studbook.populations.storage import RunFolder

NAME = "trial"
CONCURRENCY = 8
"""Of the endpoint: as many calls may be under way when a process is killed."""

SPEC = """\
version: 1
name: tiny
seed: {seed}
corpus: {{splits: {{train: {train}, validation: {validation}, test: {test}}}}}
models:
  endpoints: {{counted: {{kind: openai, base_url: "{base_url}", concurrency: {concurrency}}}}}
  default: {{endpoint: counted}}
  roles:
    challenger: {{model: {models}-challenger}}
    verifier: {{model: {models}-verifier}}
    orchestrator: {{model: {models}-orchestrator}}
    weak: {{model: {models}-weak}}
    strong: {{model: {models}-strong}}
    judge: {{model: {models}-judge}}
    final_verifier: {{model: {models}-final-verifier}}
    analyzer: {{model: {models}-analyzer}}
    implementer: {{model: {models}-implementer}}
evaluator: {{max_rounds: {rounds}}}
search: {{iterations: {iterations}, minibatch: 1, knob_share: 0.34, lag: {lag}}}
champion: {{candidates: 1, confirm_replicates: 1, test_replicates: 1}}
sandbox: {sandbox}
workers: {workers}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much a run has to do."""

    seed: int = 3
    train: int = 2
    validation: int = 3
    test: int = 2
    rounds: int = 3
    iterations: int = 3
    lag: int = 1
    workers: int = 2
    sandbox: str = "process"
    models: str = "testbed"
    """In front of each role's name."""

    def write(self, folder: Path, base_url: str) -> None:
        values = {name: getattr(self, name) for name in self.__slots__}
        text = SPEC.format(**values, base_url=base_url, concurrency=CONCURRENCY)
        (folder / "tiny.yaml").write_text(text)


SMALLEST = Size(seed=6, train=1, validation=1, test=1, rounds=2, iterations=1, workers=1)
UNKIND = Size(train=1, test=1, rounds=4, iterations=2, models="testbed-unkind-uncut")
"""A cut answer is asked for again, and here each call is to be paid once."""


@dataclass
class Tally:
    """What a kind of disturbance has come to: one row of the table."""

    what: str
    kills: int = 0
    runs: int = 0
    lost: list[str] = field(default_factory=list)
    paid_again: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    papers: int = 0
    """Finished ones that were there at the kills, all added up: what might have been lost."""
    calls: int = 0
    skipped: str = ""
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.paid_again or self.differences)


class Trial:
    """A run folder of its own, below `folder`, and what may be said about it so far."""

    def __init__(
        self,
        folder: Path,
        size: Size,
        counter: Counter,
        tally: Tally,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.run = RunFolder(folder / "runs" / NAME)
        self._counter = counter
        self._tally = tally
        self._environment = environment
        folder.mkdir(parents=True, exist_ok=True)
        size.write(folder, counter.base_url)
        self._finished = Finished(papers={}, calls=frozenset(), journal=())
        self._from = counter.size
        tally.runs += 1

    def start(self, prepare: Prepare = no_preparation, *flags: str) -> Process:
        """Begins the run, or goes on with it, as a user would who sees what is there."""
        command = ["resume", NAME] if self.run.exists else ["run", "tiny.yaml", "--name", NAME]
        return start([*command, *flags], cwd=self.folder, prepare=prepare, environment=self._environment)

    def text(self) -> str:
        """What its processes have said so far, all of them."""
        output = self.folder / OUTPUT
        return output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""

    def ended_by_force(self) -> None:
        """Call after each end of a process: nothing that was finished before may be gone or made again."""
        tally, now = self._tally, Finished.of(self.run)
        tally.lost += [f"{self.folder.name}: {what}" for what in self._finished.lost(now)]
        end = self._counter.size
        asked = self._counter.since(self._from, end)
        again = sorted(self._finished.calls & set(asked))
        tally.paid_again += [f"{self.folder.name}: {key}" for key in again]
        under_way = len(asked) - len(now.calls - self._finished.calls)
        tally.in_flight += under_way
        tally.most_in_flight = max(tally.most_in_flight, under_way)
        if under_way > CONCURRENCY:
            tally.paid_again.append(
                f"{self.folder.name}: {under_way} calls were paid and not recorded at once"
            )
        self._finished, self._from = now, end

    def was_killed(self) -> None:
        self._tally.kills += 1
        self.ended_by_force()
        self._tally.papers += len(self._finished.papers)
        self._tally.calls += len(self._finished.calls)

    def finish(self, expected: Outcome) -> None:
        """Goes on to the end, and compares."""
        process = self.start()
        code = process.wait()
        self.ended_by_force()
        self.compare(code, process, expected)

    def compare(self, code: int, process: Process, expected: Outcome) -> None:
        found = self._tally.differences
        if code != 0:
            found.append(f"{self.folder}: the last resume ended with {code}:\n{process.text()[-1500:]}")
            return
        found += [f"{self.folder}: {what}" for what in outcome(self.run).differences(expected)]
        found += [f"{self.folder}: verify: {what}" for what in verification(self.run)]

    def remove(self) -> None:
        """Only what went well: the rest is evidence."""
        if self._tally.is_clean:
            shutil.rmtree(self.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    outcome: Outcome
    calls: int
    seconds: float
    folder: Path


def undisturbed(
    folder: Path, size: Size, counter: Counter, environment: dict[str, str] | None = None
) -> Undisturbed:
    """The run that all others must look like; every call of it is paid exactly once."""
    tally = Tally("undisturbed")
    trial = Trial(folder, size, counter, tally, environment)
    before, began = counter.size, time.monotonic()
    process = trial.start()
    code = process.wait()
    seconds = time.monotonic() - began
    assert code == 0, process.text()
    asked = counter.since(before)
    recorded = recorded_keys(trial.run)
    assert set(asked) == recorded, "the server and the records speak of different calls"
    assert len(asked) == len(recorded), "an undisturbed run paid for a call twice"
    assert verification(trial.run) == []
    return Undisturbed(outcome=outcome(trial.run), calls=len(asked), seconds=seconds, folder=folder)


def killed_until_done(
    trial: Trial,
    expected: Outcome,
    attempts: Callable[[int], Callable[[Process], None]],
    prepare: Callable[[int], Prepare],
) -> None:
    """Process n gets `prepare(n)` and is handed to `attempts(n)`, until one comes to the end by itself."""
    for number in itertools.count():
        process = trial.start(prepare(number))
        attempts(number)(process)
        code = process.wait()
        if code != -signal.SIGKILL:
            trial.ended_by_force()
            trial.compare(code, process, expected)
            return
        trial.was_killed()
