"""Evaluates one harness on many papers in parallel, and summarizes the results.

The number of workers cannot change a result: results are taken in paper order, the stop rule sees only that
prefix, and results beyond the paper at which it stops are dropped. The caller supplies the stop rule. The
same holds for the pause of a run whose judging role cannot be read (`role_to_pause_for`).
Summaries are pure and for display; they never decide anything.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from studbook.evaluate.contracts import Paper, StopEarly
from studbook.evaluate.control import paused_by, role_to_pause_for
from studbook.evaluate.paper_queue import MOST_URGENT, PaperQueue, QueuedPaper, Urgency
from studbook.evaluate.rubric import average
from studbook.evaluate.trajectories import Trajectory
from studbook.harnesses.tree import HarnessTree
from studbook.identity import Json
from studbook.llm.contracts import Usage
from studbook.populations.records import Evaluation, PaperResult
from studbook.rate import NO_RATE, Rate

OnResult = Callable[[PaperResult], None]
"""Called with every result that counts, in paper order, as soon as it is final."""


def never_stop(_: Sequence[PaperResult]) -> bool:
    """Evaluate every paper."""
    return False


def ignore_result(_: PaperResult) -> None:
    """For callers that wait for the whole evaluation."""


def evaluate_many(
    queue: PaperQueue,
    harness: HarnessTree,
    papers: Sequence[Paper],
    *,
    harness_id: str,
    split: str,
    replicate: int,
    workers: int,
    urgency: Urgency = MOST_URGENT,
    stop_early: StopEarly = never_stop,
    on_result: OnResult = ignore_result,
) -> Evaluation:
    """At most `workers` papers of this evaluation run at once, in the order of `papers`.

    With a stop rule, only a few papers beyond a slow one are started, because their results may be dropped.

    When the rule says stop, papers that were already started run to their end, and are not waited for.
    Raises what `evaluate_paper` raises for the first paper in order that failed, and Unreadable to pause the
    run; then the paper that decided it and all after it have no result and are judged with fresh random seeds
    next time, whether they had been run or not.
    """
    limit = max(1, workers)
    ahead = len(papers) if stop_early is never_stop else 2 * limit  # a rule may stop at a slow paper
    asked: list[QueuedPaper] = []
    running: set[Future[PaperResult]] = set()
    results: list[PaperResult] = []
    try:
        while len(results) < len(papers):
            if len(results) < len(asked) and asked[len(results)].future.done():
                results.append(asked[len(results)].future.result())
                if role := role_to_pause_for(results):
                    _draw_again(queue, harness, papers[len(results) - 1 :], replicate)
                    raise paused_by(role)
                on_result(results[-1])
                if stop_early(results):
                    break
                continue
            running = {future for future in running if not future.done()}
            end = min(len(papers), len(results) + ahead, len(asked) + limit - len(running))
            for paper in papers[len(asked) : end]:
                asked.append(queue.ask(harness, paper, replicate, urgency))
                running.add(asked[-1].future)
            wait(running, return_when=FIRST_COMPLETED)
    finally:
        for queued in asked[len(results) :]:
            queue.give_back(queued)
    return Evaluation(
        harness_id=harness_id,
        tree_hash=harness.tree_hash,
        evaluator_hash=queue.evaluator.evaluator_hash,
        split=split,
        replicate=replicate,
        results=tuple(results),
        complete=len(results) == len(papers),
    )


def _draw_again(queue: PaperQueue, harness: HarnessTree, papers: Sequence[Paper], replicate: int) -> None:
    """The first of `papers` comes last: as long as it has its result, a resume pauses at it again."""
    wait(queue.drop(harness, papers, replicate))
    for paper in reversed(papers):
        queue.evaluator.draw_again(harness, paper, replicate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Averages are over rounds with rollouts of that solver, or over accepted rounds; None without any.

    `rounds_per_accepted` is the number of all rounds divided by the number of accepted examples.
    """

    rate: Rate
    replicates: int
    papers: int
    rounds: int
    rounds_per_accepted: Fraction | None
    weak_average: Fraction | None
    strong_average: Fraction | None
    accepted_weak_average: Fraction | None
    accepted_strong_average: Fraction | None
    failures: dict[str, int]
    verdicts: dict[str, int]
    calls: int
    calls_by_role: dict[str, int]
    truncated_by_role: dict[str, int]
    unreadable_by_role: dict[str, int]
    usage: Usage
    hidden_characters: int
    defused_marks: int
    refused_requests: int
    attempts: int
    confirmed: Rate

    @property
    def gap(self) -> Fraction | None:
        """Strong minus weak average, over accepted rounds."""
        if self.accepted_weak_average is None or self.accepted_strong_average is None:
            return None
        return self.accepted_strong_average - self.accepted_weak_average

    def to_json(self) -> dict[str, Json]:
        """The documented object that `--json` prints."""
        low, high = self.rate.interval()
        return {
            "passed": self.rate.passed,
            "n": self.rate.n,
            "interval_95": [low, high],
            "papers": self.papers,
            "replicates": self.replicates,
            "rounds": self.rounds,
            "rounds_per_accepted": _number(self.rounds_per_accepted),
            "weak_average": _number(self.weak_average),
            "strong_average": _number(self.strong_average),
            "accepted_weak_average": _number(self.accepted_weak_average),
            "accepted_strong_average": _number(self.accepted_strong_average),
            "gap": _number(self.gap),
            "failures": dict(self.failures),
            "verdicts": dict(self.verdicts),
            "calls": self.calls,
            "calls_by_role": dict(self.calls_by_role),
            "truncated_by_role": dict(self.truncated_by_role),
            "unreadable_by_role": dict(self.unreadable_by_role),
            "prompt_tokens": self.usage.prompt_tokens,
            "completion_tokens": self.usage.completion_tokens,
            "hidden_characters": self.hidden_characters,
            "defused_marks": self.defused_marks,
            "refused_requests": self.refused_requests,
            "attempts": self.attempts,
            "confirmed": self.confirmed.passed,
            "confirmed_n": self.confirmed.n,
            "confirmed_interval_95": list(self.confirmed.interval()),
        }


def summarize(evaluations: Sequence[Evaluation], trajectories: Iterable[Trajectory] = ()) -> Summary:
    """Summarize; what only trajectories hold (calls by role, tampering, refusals) is 0 without them."""
    results = [result for evaluation in evaluations for result in evaluation.results]
    rounds = [item for result in results for item in result.rounds]
    accepted = [item for item in rounds if item.status == "accepted"]
    seen = _Seen.of(trajectories)
    return Summary(
        rate=sum((evaluation.rate for evaluation in evaluations), NO_RATE),
        replicates=len({evaluation.replicate for evaluation in evaluations}),
        papers=len({result.paper_id for result in results}),
        rounds=len(rounds),
        rounds_per_accepted=Fraction(len(rounds), len(accepted)) if accepted else None,
        weak_average=_mean(item.weak_average for item in rounds),
        strong_average=_mean(item.strong_average for item in rounds),
        accepted_weak_average=_mean(item.weak_average for item in accepted),
        accepted_strong_average=_mean(item.strong_average for item in accepted),
        failures=_sorted(Counter(item.category.value for item in rounds if item.category)),
        verdicts=_sorted(Counter(result.verdict.value for result in results)),
        calls=sum(result.calls for result in results),
        calls_by_role=_sorted(seen.calls_by_role),
        truncated_by_role=_sorted(seen.truncated_by_role),
        unreadable_by_role=_sorted(seen.unreadable_by_role),
        usage=sum((result.usage for result in results), Usage()),
        hidden_characters=seen.hidden_characters,
        defused_marks=seen.defused_marks,
        refused_requests=seen.refused_requests,
        attempts=seen.attempts,
        confirmed=confirmed_rate(results),
    )


def confirmed_rate(results: Iterable[PaperResult]) -> Rate:
    """Of the accepted examples that were re-measured, the share that would have been accepted again."""
    known = [result.confirmation for result in results if result.confirmation is not None]
    return Rate(sum(each.holds for each in known), len(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Counts that only trajectories hold."""

    calls_by_role: Counter[str]
    truncated_by_role: Counter[str]
    unreadable_by_role: Counter[str]
    hidden_characters: int
    defused_marks: int
    refused_requests: int
    attempts: int

    @staticmethod
    def of(trajectories: Iterable[Trajectory]) -> "_Seen":
        calls: Counter[str] = Counter()
        truncated: Counter[str] = Counter()
        unreadable: Counter[str] = Counter()
        events: list[dict[str, Any]] = []
        for trajectory in trajectories:
            calls.update(trajectory.calls_by_role)
            truncated.update(trajectory.truncated_by_role)
            unreadable.update(trajectory.unreadable_by_role)
            events += trajectory.events
        reports = [event for event in events if event["kind"] == "report" and not event["completes"]]
        return _Seen(
            calls_by_role=calls,
            truncated_by_role=truncated,
            unreadable_by_role=unreadable,
            hidden_characters=sum(event["hidden_characters"] for event in reports),
            defused_marks=sum(event["defused_marks"] for event in reports),
            refused_requests=sum(event["kind"] == "refused" for event in events),
            attempts=sum(event.get("attempts", 0) for event in reports),
        )


def _mean(values: Iterable[str | None]) -> Fraction | None:
    known = [Fraction(value) for value in values if value is not None]
    return average(known) if known else None


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    """Most frequent first, then by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _number(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
