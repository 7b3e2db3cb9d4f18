"""One box of a run, run again and compared with its recorded trajectory.

Harness code runs in the sandbox, models answer from the run's records alone, the evaluator is our own.
A trajectory must come again byte for byte; otherwise the first event that differs is told with both sides.

Stands between one replayed box and the records, so that a call without a record is told as an event.

The client knows only that a key is missing. What had been asked before says which event of the recorded
trajectory the replay left the track at. Answers nothing itself.
"""

import itertools
from collections.abc import Sequence
from threading import Lock

from studbook.errors import ReplayDifference
from studbook.evaluate.contracts import Paper
from studbook.evaluate.paper_evaluator import SandboxedEvaluator
from studbook.evaluate.trajectories import Event, Trajectory, TrajectoryStore, fold_paper, trajectory_key
from studbook.experiments.replay.recorded import MISSING, both_sides, first_difference
from studbook.experiments.run.bench import Bench
from studbook.experiments.run.opening import OpenedRun
from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import HARNESS_ROLES, Chat, ChatCall, ChatReply
from studbook.populations.records import PaperResult


class Unrecorded(ReplayDifference):
    """The call that has no record, and how many calls of the harness were answered before it."""

    def __init__(self, call: Event, answered: int) -> None:
        super().__init__(f"no record of a call of role {call['role']}")
        self._call = call
        self._answered = answered

    def told(self, recorded: Sequence[Event]) -> str:
        """What the recorded trajectory has there, and what the replay asked."""
        if self._call["role"] in HARNESS_ROLES:
            return self._told_of_harness(recorded)
        number = self._report_after(recorded)
        event = MISSING if number is None else {name: recorded[number][name] for name in ("round", "example")}
        asked = {"role": self._call["role"], **self._call["messages"][-1]}
        where = "after the last event" if number is None else f"event {number} (report) differs"
        asks = f"what role {self._call['role']} was asked has no record"
        why = "the example is another one, or an answer on it"
        return f"{where}: {asks}: {why}\n{both_sides(event, asked)}"

    def _told_of_harness(self, recorded: Sequence[Event]) -> str:
        chats = [(number, event) for number, event in enumerate(recorded) if event["kind"] == "chat"]
        if self._answered >= len(chats):
            return f"after the last event: one more chat\n{both_sides(MISSING, self._call)}"
        number, event = chats[self._answered]
        expected = {name: event[name] for name in self._call}
        found = first_difference(expected, self._call)
        if found is None:
            return f"event {number} (chat): the call is the same, and its record is missing from calls.sqlite"
        where, before, after = found
        return f"event {number} (chat) differs at {where}\n{both_sides(before, after)}"

    def _report_after(self, recorded: Sequence[Event]) -> int | None:
        chats = 0
        for number, event in enumerate(recorded):
            if event["kind"] == "report" and chats == self._answered:
                return number
            chats += event["kind"] == "chat"
        return None


class Witness:
    """A `Chat` for one box. Thread-safe. Raises Unrecorded where the records have no answer."""

    def __init__(self, chat: Chat, paper: Paper) -> None:
        self._chat = chat
        self._paper = paper
        self._lock = Lock()
        self._answered = 0

    def chat(self, call: ChatCall) -> ChatReply:
        try:
            reply = self._chat.chat(call)
        except ReplayDifference as error:
            raise Unrecorded(self._as_event(call), self._answered) from error
        with self._lock:
            self._answered += call.role in HARNESS_ROLES
        return reply

    def _as_event(self, call: ChatCall) -> Event:
        """As a transcript writes it down."""
        return {
            "role": call.role,
            "seed": call.seed,
            "temperature": call.temperature,
            "max_tokens": call.max_tokens,
            "json_mode": call.json_mode,
            "messages": [
                {"role": message.role, "content": fold_paper(message.content, self._paper.text)}
                for message in call.messages
            ],
        }


def place_of(harness: str, paper_id: str, replicate: int) -> str:
    return f"{harness} on paper {paper_id}, replicate {replicate}"


def replay_box(
    bench: Bench, known: Trajectory | None, harness: HarnessTree, paper: Paper, replicate: int, place: str
) -> PaperResult:
    """`bench` answers from records; `known`: what the run has of it. Raises ReplayDifference."""
    # one for each box, because each box has a witness of its own; rollouts run one after the other
    witness = Witness(bench.chat, paper)
    evaluator = SandboxedEvaluator(
        chat=witness, sandbox=bench.sandbox, store=bench.store, frozen=bench.frozen
    )
    try:
        again = evaluator.evaluate_paper(harness, paper, replicate)
    except Unrecorded as missed:
        told = missed.told(known.events) if known else f"{missed}, and there is no trajectory of it"
        raise ReplayDifference(f"{place}: {told}") from missed
    if known is None:
        return again
    if again.key != known.result.key:
        raise ReplayDifference(
            f"{place}: harness, paper or evaluator are other ones\n"
            f"  recorded key: {known.result.key}\n  replayed key: {again.key}"
        )
    if again.trajectory_hash != known.result.trajectory_hash:
        raise ReplayDifference(f"{place}: {describe(known, bench.store.get(again.key))}")
    return again


class WatchedEvaluator:
    """The `PaperEvaluator` of a whole replay: every box is compared as soon as it has been run.

    What the journal names must be in the run's store; papers behind one that decided a race may be.
    """

    def __init__(self, bench: Bench, run: OpenedRun) -> None:
        self.evaluator_hash = bench.frozen.evaluator_hash
        self._bench = bench
        self._store = TrajectoryStore(run.folder.trajectories)
        self._named = {each.key for event in run.evaluations() for each in event.evaluation.results}

    def evaluate_paper(self, harness: HarnessTree, paper: Paper, replicate: int) -> PaperResult:
        place = place_of(f"harness {harness.tree_hash[:12]}", paper.paper_id, replicate)
        key = trajectory_key(self.evaluator_hash, harness.tree_hash, paper.paper_id, replicate)
        known = self._store.get(key) if key in self._named else self._store.find(key)
        return replay_box(self._bench, known, harness, paper, replicate, place)


def describe(recorded: Trajectory, replayed: Trajectory) -> str:
    """The first event that differs, or what else does, with both sides."""
    pairs = itertools.zip_longest(recorded.events, replayed.events)
    for number, (one, two) in enumerate(pairs):
        if one != two:
            return _event_difference(number, one, two)
    for name in ("result", "calls_by_role", "truncated_by_role", "evidence", "tree_hash", "evaluator_hash"):
        before, after = getattr(recorded, name), getattr(replayed, name)
        if before != after:
            return f"its events are the same, and {name} differs\n{both_sides(before, after)}"
    return "its bytes differ, and nothing that is read from them does"


def _event_difference(number: int, one: Event | None, two: Event | None) -> str:
    if one is None or two is None:
        present = two if one is None else one
        side = "replay has one more" if one is None else "replay ends before it"
        told = both_sides(one if one is not None else MISSING, two if two is not None else MISSING)
        return f"event {number} ({present['kind'] if present else ''}): the {side}\n{told}"
    if one["kind"] != two["kind"]:
        return f"event {number} is of another kind\n{both_sides(one, two)}"
    where, before, after = first_difference(one, two) or ("", one, two)
    return f"event {number} ({one['kind']}) differs at {where}\n{both_sides(before, after)}"
