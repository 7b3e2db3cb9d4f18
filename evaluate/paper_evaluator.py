"""Evaluates one harness on one paper: a box, its relay and a verdict. Finished results are stored and reused.

A box lost through the sandbox's fault is run again; one lost through the harness's fault gives a verdict.
Does not choose papers.
"""

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from studbook.errors import BoxRefused, SandboxError
from studbook.evaluate.confirmation import confirm
from studbook.evaluate.contracts import Example, Paper
from studbook.evaluate.evaluator import Evaluator
from studbook.evaluate.examples import example_from_json
from studbook.evaluate.metering import MeteredChat
from studbook.evaluate.relay import Relay
from studbook.evaluate.seeds import SeedScope, confirmation_seeds
from studbook.evaluate.settings import Frozen
from studbook.evaluate.trajectories import Trajectory, TrajectoryStore, Transcript, trajectory_key
from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import Chat
from studbook.populations.records import Confirmation, PaperResult, PaperVerdict
from studbook.sandbox.contract import BoxStatus, Job, Outcome, Sandbox

BOX_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0)
"""Pauses before each rerun of a lost box; together they cover the restart of a container engine."""

_VERDICTS = {
    BoxStatus.CRASHED: PaperVerdict.CRASHED,
    BoxStatus.TIMED_OUT: PaperVerdict.TIMED_OUT,
    BoxStatus.OUT_OF_LIMITS: PaperVerdict.OUT_OF_LIMITS,
    BoxStatus.PROTOCOL_ERROR: PaperVerdict.PROTOCOL_ERROR,
}

OnBoxNotice = Callable[[str], None]
"""Called with one line about a box that is run again, or a warning of one: never part of a result."""


def ignore_box_notice(_: str) -> None:
    """For callers that do not show notices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """One finished box: its relay, transcript and meter, and how it ended."""

    relay: Relay
    transcript: Transcript
    meter: MeteredChat
    outcome: Outcome
    redraws: int


class SandboxedEvaluator:
    """Implements `PaperEvaluator`. `rollout_pool` must not be the pool that runs papers."""

    def __init__(
        self,
        *,
        chat: Chat,
        sandbox: Sandbox,
        store: TrajectoryStore,
        frozen: Frozen,
        rollout_pool: Executor | None = None,
        on_box_notice: OnBoxNotice = ignore_box_notice,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.evaluator_hash = frozen.evaluator_hash
        self.store = store
        self._chat = chat
        self._sandbox = sandbox
        self._frozen = frozen
        self._pool = rollout_pool
        self._on_box_notice = on_box_notice
        self._warnings: set[str] = set()
        self._sleep = sleep

    def evaluate_paper(self, harness: HarnessTree, paper: Paper, replicate: int) -> PaperResult:
        """See `PaperEvaluator`."""
        key = trajectory_key(self.evaluator_hash, harness.tree_hash, paper.paper_id, replicate)
        known = self.store.find(key)
        if known is not None:
            return known.result
        redraws = self.store.redraws(key)
        session = self._run(harness, paper, replicate, redraws)
        confirmation = self._confirm(session, paper, replicate)
        return self.store.put(self._conclude(session, harness, paper, replicate, key, confirmation))

    def draw_again(self, harness: HarnessTree, paper: Paper, replicate: int) -> None:
        """See `PaperEvaluator`."""
        key = trajectory_key(self.evaluator_hash, harness.tree_hash, paper.paper_id, replicate)
        known = self.store.find(key)
        self.store.put_redraws(key, 1 + (self.store.redraws(key) if known is None else known.redraws))
        self.store.forget(key)

    def _run(self, harness: HarnessTree, paper: Paper, replicate: int, redraws: int) -> _Session:
        """Run a box, and rerun it when the sandbox loses it: a lost box says nothing about the harness."""
        for attempt, pause in enumerate(BOX_PAUSES_SECONDS, start=1):
            try:
                return self._run_box(harness, paper, replicate, redraws)
            except BoxRefused:
                raise
            except SandboxError as error:
                self._on_box_notice(f"box for paper {paper.paper_id} lost (attempt {attempt}): {error}")
            self._sleep(pause)
        return self._run_box(harness, paper, replicate, redraws)

    def _run_box(self, harness: HarnessTree, paper: Paper, replicate: int, redraws: int) -> _Session:
        settings, manifest = self._frozen.settings, harness.manifest
        seeds = self._seeds(paper, replicate)
        meter, transcript = MeteredChat(self._chat), Transcript(paper)
        relay = Relay(
            chat=meter,
            evaluator=self._evaluator(meter, paper, seeds, redraws),
            settings=settings,
            roles=manifest.roles,
            seeds=seeds,
            transcript=transcript,
        )
        job = Job(
            files=harness.files,
            entry=manifest.entry,
            payload={
                "paper": {"id": paper.paper_id, "title": paper.title, "text": paper.text},
                "knobs": manifest.knob_values,
                "max_rounds": settings.max_rounds,
            },
            limits=self._frozen.limits,
        )
        outcome = self._sandbox.run(job, relay.handle)
        for warning in {*outcome.warnings} - self._warnings:
            self._warnings.add(warning)
            self._on_box_notice(f"every box: {warning}")
        transcript.box(outcome)
        return _Session(relay=relay, transcript=transcript, meter=meter, outcome=outcome, redraws=redraws)

    def _seeds(self, paper: Paper, replicate: int) -> SeedScope:
        return SeedScope(run_seed=self._frozen.run_seed, paper_id=paper.paper_id, replicate=replicate)

    def _evaluator(self, meter: MeteredChat, paper: Paper, seeds: SeedScope, redraws: int) -> Evaluator:
        frozen = self._frozen
        return Evaluator(
            chat=meter,
            settings=frozen.settings,
            prompts=frozen.prompts,
            paper=paper,
            seeds=seeds,
            pool=self._pool,
            redraws=redraws,
            on_unreadable=meter.count_unreadable,
        )

    def _confirm(self, session: _Session, paper: Paper, replicate: int) -> Confirmation | None:
        """Runs after the box has ended, as part of the same trajectory: a crash in between repeats both."""
        number, example = session.relay.accepted_round, session.relay.accepted_example
        if not self._frozen.settings.confirm or number is None or example is None:
            return None
        seeds = confirmation_seeds(self._seeds(paper, replicate))
        again = self._evaluator(session.meter, paper, seeds, session.redraws)
        confirmed = confirm(again, example, number)
        session.transcript.confirmation(confirmed)
        return confirmed.record

    def _conclude(
        self,
        session: _Session,
        harness: HarnessTree,
        paper: Paper,
        replicate: int,
        key: str,
        confirmation: Confirmation | None,
    ) -> Trajectory:
        verdict, reason = rule_on_box(
            session.outcome, accepted_round=session.relay.accepted_round, rounds=len(session.relay.rounds)
        )
        result = PaperResult(
            key=key,
            paper_id=paper.paper_id,
            replicate=replicate,
            verdict=verdict,
            reason=reason,
            rounds=session.relay.rounds,
            usage=session.meter.usage,
            calls=session.meter.calls,
            trajectory_hash="",
            confirmation=confirmation,
        )
        return Trajectory(
            result=result,
            tree_hash=harness.tree_hash,
            evaluator_hash=self.evaluator_hash,
            calls_by_role=session.meter.calls_by_role,
            truncated_by_role=session.meter.truncated_by_role,
            events=tuple(session.transcript.events),
            evidence=session.meter.evidence,
            unreadable_by_role=session.meter.unreadable_by_role,
            redraws=session.redraws,
        )


def rule_on_box(outcome: Outcome, *, accepted_round: int | None, rounds: int) -> tuple[PaperVerdict, str]:
    """A paper passes iff the evaluator accepted an example while the box ran, however the box then ended."""
    ended = "" if outcome.status is BoxStatus.FINISHED else f"; the box then {_told(outcome)}"
    if accepted_round is not None:
        return PaperVerdict.ACCEPTED, f"accepted in round {accepted_round}{ended}"
    if outcome.status is not BoxStatus.FINISHED:
        return _VERDICTS[outcome.status], f"the box {_told(outcome)}"
    if rounds == 0:
        return PaperVerdict.NO_EXAMPLE, "ended without evaluating an example"
    return PaperVerdict.NOT_ACCEPTED, f"no example accepted in {rounds} round{'s' if rounds > 1 else ''}"


def _told(outcome: Outcome) -> str:
    words = {
        BoxStatus.CRASHED: "crashed",
        BoxStatus.TIMED_OUT: "ran out of time",
        BoxStatus.OUT_OF_LIMITS: "ran into its limits",
        BoxStatus.PROTOCOL_ERROR: "broke the protocol",
    }
    detail = " ".join(outcome.detail.split())[:300]
    return f"{words[outcome.status]}: {detail}" if detail else words[outcome.status]


def accepted_example(trajectory: Trajectory) -> Example | None:
    """The accepted example, as the evaluator measured it; None when the paper did not pass."""
    for event in trajectory.events:
        if event["kind"] == "report" and event["status"] == "accepted":
            return example_from_json(event["example"])
    return None
