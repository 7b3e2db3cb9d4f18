"""Where an attack is carried out: a sandbox, the real relay before it, and everything that is measured."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

import docker
from attacks.box.attack import ANYTHING, TIME, Attack, Kind, Weaker
from attacks.box.leftovers import Leftovers, WatchedEngine
from attacks.box.prelude import PRELUDE
from attacks.box.watch import NO_BOUNDS, Bounds, HostWatch, watch_host
from support.boxes import job_of
from support.evaluation import TOO_EASY, Rig, RuleModels

import studbook.evaluate
from studbook.evaluate.settings import EvaluatorSettings, read_prompts
from studbook.llm.contracts import ChatRequest
from studbook.llm.records import CallRecords
from studbook.sandbox.contract import BoxStatus, Frame, Outcome, Sandbox
from studbook.sandbox.docker_box import DockerSandbox

OVERSHOOT_SECONDS = 2.0
PROMPT_SECONDS = 30.0  # for attacks that do not end by time, on a busy machine


LATE = "past the deadline"
NOT_BEGUN = "out of time before the attack began"


@dataclass(slots=True)
class Ground:
    """One kind of sandbox, set up for one attack after the other."""

    kind: Kind
    sandbox: Sandbox
    folder: Path
    engine: WatchedEngine | None = None

    def leftovers(self) -> Leftovers:
        """For boxes that begin now."""
        return Leftovers(tokens=set(), folder=self.folder, engine=self.engine)

    def judged(self, attack: Attack) -> "Findings":
        """Run the attack; where it was late and nothing else, once more: a machine may stall for seconds."""
        findings = self.carry_out(attack)
        is_late = [each.endswith((LATE, NOT_BEGUN)) for each in findings.objections(attack)]
        return self.carry_out(attack) if is_late and all(is_late) else findings

    def carry_out(self, attack: Attack, crowd: Leftovers | None = None) -> "Findings":
        """Run the attack; asserts nothing. What a crowd leaves and uses is for whoever gathered it."""
        token = uuid4().hex
        with ExitStack() as stack:
            records = stack.enter_context(CallRecords.in_memory())
            host = stack.enter_context(bait(token, self.folder))
            rig = Rig(
                records=records,
                folder=self.folder,
                models=RuleModels(knows=dict(TOO_EASY), answers={"challenger": answer}),
                settings=replace(EvaluatorSettings(), **attack.settings),
            )
            relay = rig.relay()
            left = crowd or self.leftovers()
            left.tokens.add(token)
            desk = Desk(relay.relay.handle, left.note_boxes)
            files = {**attack.files, **host, "token.txt": token.encode()}
            limits = {"wall_seconds": 25.0, **attack.limits}
            if crowd is not None:  # in which it takes a while until the attack begins
                limits["wall_seconds"] = 8.0 if attack.ends == TIME else 60.0
            job = job_of(PRELUDE + dedent(attack.source), files, **limits)
            with watch_host(Bounds() if crowd is None else NO_BOUNDS) as watch:
                outcome = self.sandbox.run(job, desk)
                ended = time.monotonic()
            lost = lost_records(relay.transcript.events, relay.relay.rounds, relay.relay.accepted_round)
            if outcome.status is BoxStatus.TIMED_OUT and not desk.begun:
                lost = [NOT_BEGUN]
            findings = Findings(
                kind=self.kind,
                outcome=outcome,
                seconds=ended - desk.first,
                answering_seconds=desk.answering_seconds,
                late_anyway_seconds=late(self.sandbox)
                if ended - desk.first > job.limits.wall_seconds + 2
                else 0,
                wall_seconds=job.limits.wall_seconds,
                logged=logged(relay.transcript.events),
                lost=lost,
                left=left.find() if crowd is None else {},
                watch=watch,
                requests=Counter(request.model for request in list(rig.models.requests)),
            )
            if crowd is None:
                left.clean()
            return findings


@dataclass(slots=True)
class Desk:
    """Hands requests to the relay; notes when the first one came, as the box's time had just begun then.

    `begun`: the line that is logged right before the attack was handed in. `answering_seconds` is how long a
    request was being answered: the clock of the box stands still then.
    """

    handle: Callable[[str, Frame], Frame]
    on_first: Callable[[], None]
    first: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: bool = False
    begun: bool = False
    active: int = 0
    since: float = 0.0
    answering_seconds: float = 0.0

    def __call__(self, kind: str, body: Frame) -> Frame:
        with self.lock:
            if not self.seen:
                self.on_first()
                self.seen, self.first = True, time.monotonic()
            if not self.active:
                self.since = time.monotonic()
            self.active += 1
            self.begun = self.begun or (kind, body) == ("log", {"text": "before"})
        try:
            return self.handle(kind, body)
        finally:
            with self.lock:
                self.active -= 1
                if not self.active:
                    self.answering_seconds += time.monotonic() - self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was seen of one attack. `seconds` runs from the box's first request to its removal.

    `late_anyway_seconds` is how late a box that only sleeps is at the same time: on a busy machine the engine
    takes its time, which is no attack's doing.
    """

    kind: Kind
    outcome: Outcome
    seconds: float
    answering_seconds: float
    late_anyway_seconds: float
    wall_seconds: float
    logged: tuple[str, ...]
    lost: list[str]
    left: dict[str, list[str]]
    watch: HostWatch
    requests: Mapping[str, int]

    @property
    def overshoot_seconds(self) -> float:
        return self.seconds - self.answering_seconds - self.wall_seconds

    def objections(self, attack: Attack, overshoot_seconds: float = OVERSHOOT_SECONDS) -> list[str]:
        """Every way in which this is not what is promised; empty when the attack was held."""
        promise = attack.promise(self.kind)
        weaker = promise if isinstance(promise, Weaker) else Weaker(because="")
        ends = weaker.ends if weaker.ends is not None else attack.ends
        achieved = weaker.achieved if weaker.achieved is not None else attack.achieved
        wrong = []
        if self.outcome.status not in ends:
            wrong.append(
                f"ended {self.outcome.status}: {self.outcome.detail} {self.outcome.stderr_tail[-300:]}"
            )
        if achieved != ANYTHING and self.logged != achieved:
            wrong.append(f"achieved {self.logged}, not {achieved}")
        if set(self.left) != weaker.leaves:
            wrong.append(f"left behind {self.left}")
        if (
            self.outcome.status is BoxStatus.TIMED_OUT
            and self.overshoot_seconds - self.late_anyway_seconds > overshoot_seconds
        ):
            wrong.append(f"{self.overshoot_seconds:.2f} s {LATE}")
        if self.outcome.status is not BoxStatus.TIMED_OUT and self.seconds > PROMPT_SECONDS:
            wrong.append(f"took {self.seconds:.1f} s")
        if attack.asked is not None and not attack.asked(self.requests):
            wrong.append(f"models were asked {dict(self.requests)}")
        return [*wrong, *self.lost, *self.watch.excesses(), *self.watch.kept()]

    def words(self, attack: Attack) -> str:
        """For the table."""
        promise = attack.promise(self.kind)
        if promise is not None:
            return f"{self.outcome.status.value.replace('_', ' ')}; {promise.because}"
        refused = sum(line.endswith(": refused") for line in self.logged)
        said = f"contained: {self.outcome.status.value.replace('_', ' ')}"
        if self.outcome.status is BoxStatus.TIMED_OUT:
            said += f" {max(self.overshoot_seconds, 0):.1f} s {LATE}"
        elif refused and refused == len(self.logged):
            said = f"refused {refused}/{refused}"
        return said


def answer(request: ChatRequest) -> str:
    """The challenger: a megabyte for whoever asks for one."""
    return "y" * 1_000_000 if request.messages[-1].content == "giant" else "something"


def late(sandbox: Sandbox) -> float:
    """How long after its deadline a sleeping box is gone, just now."""
    desk = Desk(lambda _kind, _body: {}, lambda: None)
    job = job_of("import time\ndef main(box):\n    box.log('')\n    time.sleep(1000)\n", wall_seconds=0.2)
    sandbox.run(job, desk)
    return time.monotonic() - desk.first - job.limits.wall_seconds


def lost_records(events: list[dict[str, Any]], rounds: tuple[Any, ...], accepted: int | None) -> list[str]:
    """The good records from before the attack: a rejected example with its rollouts, and a line."""
    lost = []
    first = next((event for event in events if event["kind"] == "report"), None)
    if first is None or first["status"] != "rejected" or len(first["weak"]) != 3:
        lost.append(f"the report from before is lost: {first}")
    if not any(event == {"kind": "log", "text": "before"} for event in events):
        lost.append("the line logged before is lost")
    if not rounds or rounds[0].number != 1:
        lost.append("the round from before is lost")
    if accepted is not None:
        lost.append(f"round {accepted} counts as accepted")
    return lost


def logged(events: list[dict[str, Any]]) -> tuple[str, ...]:
    """What the attack said it achieved."""
    return tuple(event["text"] for event in events if event["kind"] == "log" and event["text"] != "before")


@contextmanager
def bait(token: str, folder: Path) -> Iterator[dict[str, bytes]]:
    """What the host has and a box should not reach: a key, listeners, a file. Yields what the box is told."""
    key = f"sk-{token[::-1]}"
    path = folder / f"s{token[:8]}"
    (folder / "secret").write_text(key, encoding="utf-8")
    sleeper = [sys.executable, "-I", "-S", "-c", "input()"]  # any process of this user, with the key
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(sleeper, stdin=subprocess.PIPE, env={"OPENAI_API_KEY": key})
        )
        unix, abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        unix.bind(str(path))
        abstract.bind(f"\0{token}")
        inet = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        unix.listen(4)
        abstract.listen(4)
        judge = read_prompts()["judge"][:40]
        paths = {"evaluator": str(Path(studbook.evaluate.__file__)), "host file": str(folder / "secret")}
        listeners = [str(path), inet.getsockname()[1], own_addresses()[:1]]
        yield {
            "needle.txt": f"{key[:12]} {key[12:]}".encode(),
            "prompt.txt": f"{judge[:20]}\n{judge[20:]}".encode(),
            "listeners.json": json.dumps(listeners).encode(),
            "paths.json": json.dumps(paths).encode(),
        }
        process.communicate(b"\n")


def own_addresses() -> list[str]:
    """An address of this machine that is not its loopback, if it has one; loopback's second one otherwise."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", 0))
            name = socket.gethostbyname(socket.gethostname())
        except OSError:
            name = "127.0.0.2"
    return [name]


def docker_ground(folder: Path) -> Ground:
    engine = WatchedEngine(docker.from_env(version="auto", timeout=120, max_pool_size=64).api)
    return Ground(kind="docker", sandbox=DockerSandbox.on(engine), folder=folder, engine=engine)
