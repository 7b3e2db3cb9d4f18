"""Recorded replay: re-runs a run, or chosen boxes of it, with model calls answered from its records only.

Harness code runs in the sandbox and the evaluator is our own, so every trajectory and every event must be
reproduced byte for byte; the first difference is an error that shows both sides. Makes no API calls, writes
only to a scratch folder.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from studbook.errors import ReplayDifference
from studbook.evaluate.contracts import Paper
from studbook.evaluate.paper_evaluator import SandboxedEvaluator
from studbook.evaluate.trajectories import Trajectory, TrajectoryStore, trajectory_key
from studbook.evolve.contracts import ANALYZER, IMPLEMENTER, StopRequested
from studbook.evolve.loop import EndReason
from studbook.experiments.replay.differences import (
    Unrecorded,
    Witness,
    both_sides,
    describe,
    first_difference,
)
from studbook.experiments.replay.fold import Replayed, check_lineage, replayed_part
from studbook.experiments.replay.scope import (
    Part,
    Piece,
    check_evaluator,
    find_papers,
    pieces_of,
    prepare_part,
    trees_of,
)
from studbook.experiments.run.bench import Bench, open_bench
from studbook.experiments.run.environment import now
from studbook.experiments.run.execute import (
    OpenSandbox,
    Prepared,
    execute,
    opened_run,
    prepare,
    read_seed,
    write_beginning,
)
from studbook.experiments.run.ledger import Ledger
from studbook.experiments.run.notices import NoticeLog
from studbook.experiments.run.opening import OpenedRun
from studbook.experiments.run.stopping import StopSwitch, listening
from studbook.experiments.spec.loading import read_resolved
from studbook.experiments.spec.model import BudgetSpec, Spec
from studbook.experiments.views.display import Display
from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import META_ROLES, Chat, ChatCall, ChatReply, seal_reply
from studbook.llm.meter import sum_totals
from studbook.populations.events import DecisionMade, DiagnosisMade, Event, SearchEnded, to_json
from studbook.populations.journal import Entry
from studbook.populations.population import Population
from studbook.populations.records import PaperResult
from studbook.populations.storage import RunFolder
from studbook.scratch import scratch_folder


class AllReplayed(StopRequested):
    """Every recorded event was reproduced."""


class CheckedLedger(Ledger):
    """Accepts only recorded events; raises ReplayDifference at the first that differs."""

    def __init__(self, ledger: Ledger, recorded: Sequence[Entry]) -> None:
        super().__init__(ledger.journal, ledger.trees, ledger.population)
        self._recorded = recorded
        self.matched = 0

    def commit(self, events: Sequence[Event]) -> Population:
        for event in events:
            if self.matched == len(self._recorded):
                raise AllReplayed("the recorded run ends here")
            check_same(self._recorded[self.matched], event)
            self.matched += 1
        population = super().commit(events)
        if self.matched == len(self._recorded):
            raise AllReplayed("the recorded run ends here")
        return population


def check_same(recorded: Entry, event: Event) -> None:
    kind, data = to_json(event)
    if kind != recorded.kind:
        raise ReplayDifference(
            f"event {recorded.seq} differs: recorded {recorded.kind}, replayed {kind}\n"
            f"{both_sides(recorded.data, data)}"
        )
    found = first_difference(recorded.data, data)
    if found is not None:
        where, before, after = found
        raise ReplayDifference(
            f"event {recorded.seq} ({kind}) differs at {where}\n{both_sides(before, after)}"
        )


class SealedChat:
    """Answers the outer loop's roles only as the journal says they were answered.

    Their replies become code that is run, and `calls.sqlite` is not what a run is recognized by. Raises
    ReplayDifference for a reply that is another one.
    """

    def __init__(self, chat: Chat, recorded: Iterable[Entry]) -> None:
        self._chat = chat
        events = (entry.event for entry in recorded if entry.kind in {"diagnosis_made", "decision_made"})
        self._names = {
            name
            for event in events
            if isinstance(event, DiagnosisMade | DecisionMade)
            for name in event.evidence.names
        }

    def chat(self, call: ChatCall) -> ChatReply:
        reply = self._chat.chat(call)
        if call.role in META_ROLES:
            name = seal_reply(reply.key, call.role, reply).name
            if name not in self._names:
                raise ReplayDifference(
                    f"the record {name} of role {call.role} is not the reply that the journal names\n"
                    "  calls.sqlite was changed: studbook verify lists what else was"
                )
        return reply


def _sealed(chat: Chat, spec: Spec, recorded: Iterable[Entry]) -> Chat:
    """Policies of the user's own need not name the calls that they made."""
    is_ours = (
        spec.search.analyzer.name in ANALYZER.builtin_names()
        and spec.search.implementer.name in IMPLEMENTER.builtin_names()
    )
    return SealedChat(chat, recorded) if is_ours else chat


def place_of(harness: str, paper_id: str, replicate: int) -> str:
    return f"{harness} on paper {paper_id}, replicate {replicate}"


def replay_box(
    bench: Bench, known: Trajectory | None, harness: HarnessTree, paper: Paper, replicate: int, place: str
) -> PaperResult:
    """`bench` answers from records; `known` is the recorded trajectory. Raises ReplayDifference."""
    # one evaluator per box, because each box has its own witness; rollouts run sequentially
    witness = Witness(bench.chat, paper)
    evaluator = SandboxedEvaluator(
        chat=witness, sandbox=bench.sandbox, store=bench.store, frozen=bench.frozen
    )
    if known is not None and known.redraws:
        bench.store.put_redraws(known.result.key, known.redraws)
    try:
        again = evaluator.evaluate_paper(harness, paper, replicate)
    except Unrecorded as missed:
        told = missed.told(known.events) if known else f"{missed}, and no trajectory"
        raise ReplayDifference(f"{place}: {told}") from missed
    if known is None:
        return again
    if again.key != known.result.key:
        raise ReplayDifference(
            f"{place}: harness, paper or evaluator differ\n"
            f"  recorded key: {known.result.key}\n  replayed key: {again.key}"
        )
    if again.trajectory_hash != known.result.trajectory_hash:
        raise ReplayDifference(f"{place}: {describe(known, bench.store.get(again.key))}")
    return again


class WatchedEvaluator:
    """The `PaperEvaluator` of a whole replay: compares every box as soon as it has run.

    Trajectories named in the journal must be in the run's store; papers run after a race was decided need
    not.
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

    def draw_again(self, harness: HarnessTree, paper: Paper, replicate: int) -> None:
        """Nothing: the records say what was drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReplay:
    """What a replay needs. `bench` answers from records; `recorded` is the run's own store."""

    bench: Bench
    recorded: TrajectoryStore
    trees: Mapping[str, HarnessTree]
    papers: Mapping[str, Paper]
    switch: StopSwitch


def replay_pieces(replay: PartReplay, pieces: Sequence[Piece], on_piece: Callable[[int], None]) -> int:
    """Returns the number of calls answered from records. Raises ReplayDifference for the first difference."""
    calls = 0
    futures = [replay.bench.paper_pool.submit(_replay_piece, replay, piece) for piece in pieces]
    try:
        for number, future in enumerate(futures, start=1):
            calls += future.result()
            on_piece(number)
    finally:
        for future in futures:
            future.cancel()  # after a difference no further piece is started
    return calls


def _replay_piece(replay: PartReplay, piece: Piece) -> int:
    if replay.switch.event.is_set():
        raise StopRequested("stopped on request")
    tree, paper = replay.trees[piece.harness_id], replay.papers[piece.result.paper_id]
    place = place_of(piece.harness_id, piece.result.paper_id, piece.result.replicate)
    known = replay.recorded.get(piece.result.key)
    again = replay_box(replay.bench, known, tree, paper, piece.result.replicate, place)
    if again.trajectory_hash != piece.result.trajectory_hash:
        raise ReplayDifference(
            f"{place}: the trajectory on disk is not the one named in the journal\n"
            f"  journal: {piece.result.trajectory_hash}\n  on disk: {again.trajectory_hash}"
        )
    return again.calls


def replay_part(
    part: Part, papers: Path | None, display: Display, open_sandbox: OpenSandbox
) -> Replayed | None:
    """Raises ReplayDifference at the first difference; None if the user interrupted it."""
    pieces = pieces_of(part)
    spec = replayed_spec(read_resolved(part.run.folder.spec), part.run)
    prepared = prepare_part(part.run, spec, papers, open_sandbox)
    switch = StopSwitch()
    try:
        with (
            scratch_folder("replay") as scratch,
            open_bench(
                prepared.spec,
                prepared.sandbox,
                prepared.origin,
                {},
                calls=None,
                trajectories=scratch / "trajectories",
                notices=NoticeLog(scratch / "notices.jsonl", display.notice, now),
                switch=switch,
                replay_from=part.run.folder.calls,
            ) as bench,
            listening(switch, scratch, display.notice),
        ):
            replay = PartReplay(
                bench=bench,
                recorded=TrajectoryStore(part.run.folder.trajectories),
                trees=trees_of(part),
                papers=prepared.papers,
                switch=switch,
            )
            calls = replay_pieces(
                replay, pieces, lambda done: display.working(f"paper {done} of {len(pieces)}: identical")
            )
    except StopRequested:
        return None
    return replayed_part(part, pieces, "recorded", calls)


def unchanged(chat: Chat) -> Chat:
    """Calls go straight to the records."""
    return chat


def replay_whole(
    run: OpenedRun,
    papers: Path | None,
    display: Display,
    through: Callable[[Chat], Chat] = unchanged,
    *,
    open_sandbox: OpenSandbox,
) -> Replayed | None:
    """Raises ReplayDifference at the first difference; None if the user interrupted it.

    `papers`: where they are now, if not where the spec says. `through`: what every call passes on its way.
    `open_sandbox` may open another sandbox than the recorded one: the records are the same.
    """
    check_lineage(run)
    spec = read_resolved(run.folder.spec)
    found = find_papers(run, spec, papers)
    check_evaluator(run, spec)
    prepared = prepare(
        replayed_spec(spec, run),
        {},
        read_seed(run.folder),
        replayed=run.start,
        papers=found,
        open_sandbox=open_sandbox,
    )
    with scratch_folder("replay") as scratch:
        return _executed(run, prepared, RunFolder(scratch / run.folder.name), display, through)


def _executed(
    run: OpenedRun,
    prepared: Prepared,
    scratch: RunFolder,
    display: Display,
    through: Callable[[Chat], Chat],
) -> Replayed | None:
    scratch.create()
    write_beginning(scratch, prepared)
    recorded = run.entries
    switch = StopSwitch()
    with opened_run(
        scratch, prepared, {}, display, switch, listen=listening, replay_from=run.folder.calls
    ) as active:
        ledger = CheckedLedger(active.ledger, recorded)
        bench = replace(active.bench, chat=through(_sealed(active.bench.chat, prepared.spec, recorded)))
        ending = execute(
            replace(
                active,
                bench=replace(bench, evaluator=WatchedEvaluator(bench, run)),
                ledger=ledger,
                watcher=active.watcher.over(ledger),
                legs=legs_of(run),
                is_replay=True,
            )
        )
        answered = sum_totals(active.bench.client.meter.snapshot()).recorded_calls
    if isinstance(ending.error, AllReplayed) or ledger.matched == len(recorded):
        return _replayed(run, ledger, answered)
    if ending.reason is EndReason.STOPPED:
        return None
    if ending.error is not None:
        raise ending.error
    raise ReplayDifference(
        f"the replay ended after {ledger.matched} of {len(recorded)} recorded events\n"
        f"  the next recorded one: {recorded[ledger.matched].kind}"
    )


def _replayed(run: OpenedRun, ledger: CheckedLedger, answered: int) -> Replayed:
    results = {
        (each.harness_id, each.replicate, paper)
        for each in ledger.population.evaluations
        for paper, _ in each.verdicts
    }
    return Replayed(
        run=run.folder.name,
        level="recorded",
        events=ledger.matched,
        harnesses=len(ledger.population.mutants),
        trajectories=len(results),
        calls=answered,
        head=ledger.head,
    )


def replayed_spec(spec: Spec, run: OpenedRun) -> Spec:
    """The same experiment up to its last iteration, without a budget, because a replay costs nothing."""
    search = spec.search.model_copy(update={"iterations": run.population.iterations_done, "patience": None})
    return spec.model_copy(update={"budget": BudgetSpec(), "search": search, "speculation": 0.0})


def legs_of(run: OpenedRun) -> tuple[SearchEnded, ...]:
    """Where its search ended; several times if it was resumed with a larger budget."""
    events = (entry.event for entry in run.entries if entry.kind == "search_ended")
    return tuple(event for event in events if isinstance(event, SearchEnded))
