"""`studbook evaluate`: evaluates one harness on papers with the frozen evaluator, collects accepted examples.

Finished papers and calls are saved in `<runs>/evaluations/`, so an interrupted evaluation picks up where it
left off. Computes no statistics: the summary comes from `evaluate/evaluations.py`.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studbook.evaluate.contracts import Paper
from studbook.evaluate.evaluations import Summary, summarize
from studbook.evaluate.examples import example_to_json
from studbook.evaluate.paper_evaluator import accepted_example
from studbook.evaluate.trajectories import Trajectory
from studbook.experiments.run.bench import Bench, Origin, open_bench
from studbook.experiments.run.environment import now
from studbook.experiments.run.notices import NoticeLog
from studbook.experiments.run.stopping import StopSwitch
from studbook.experiments.spec.model import Spec
from studbook.experiments.views.display import Display
from studbook.experiments.views.lines import spaced
from studbook.harnesses.tree import HarnessTree
from studbook.identity import Json, hash_json
from studbook.populations.events import encode
from studbook.populations.records import Evaluation, PaperResult, PaperVerdict
from studbook.sandbox.contract import Sandbox

SPLIT = "given"
FOLDER = "evaluations"
FIRST_KEYS = b'{"v": 1, "paper_id": '
"""How a file of accepted examples begins."""
JUDGED = frozenset({PaperVerdict.ACCEPTED, PaperVerdict.NOT_ACCEPTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Papers that ended without being judged: how, why, how many times.

    `first` is the file name of the first one, `errors` the last stderr lines of its box (untrusted text).
    """

    verdict: PaperVerdict
    reason: str
    times: int
    first: str
    errors: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`examples` are the accepted ones, as `studbook evaluate --out` writes them.

    `seconds` is the time of this call; `name` identifies the evaluation.
    """

    name: str
    summary: Summary
    examples: tuple[dict[str, Json], ...]
    breakdowns: tuple[Breakdown, ...]
    seconds: float


def evaluate_harness(
    spec: Spec,
    sandbox: Sandbox,
    variables: Mapping[str, str],
    harness: HarnessTree,
    papers: Sequence[Paper],
    replicates: int,
    *,
    store: Path,
    display: Display,
    switch: StopSwitch,
) -> Measured:
    """Opens everything in `store`, evaluates, and closes it and the sandbox.

    Raises InfrastructureError, BudgetExceeded, StopRequested; finished work is kept in `store`.
    """
    with open_bench(
        spec,
        sandbox,
        Origin(sandbox=sandbox.fingerprint, roles=harness.manifest.roles),
        variables,
        calls=store / "calls.sqlite",
        trajectories=store / "trajectories",
        notices=NoticeLog(store / "notices.jsonl", display.notice, now),
        switch=switch,
    ) as bench:
        return measure(bench, harness, papers, replicates, display)


def measure(
    bench: Bench, harness: HarnessTree, papers: Sequence[Paper], replicates: int, display: Display
) -> Measured:
    """Evaluates replicates 0 … n−1 in order. Raises InfrastructureError, BudgetExceeded, StopRequested."""
    done, began = 0, time.monotonic()

    def finished(result: PaperResult) -> None:
        nonlocal done
        done += 1
        display.working(f"paper {done} of {len(papers) * replicates}: {spaced(result.verdict)}")

    evaluations = [
        bench.evaluate(
            harness,
            papers,
            harness_id=harness.manifest.name,
            split=SPLIT,
            replicate=replicate,
            on_result=finished,
        )
        for replicate in range(replicates)
    ]
    trajectories = [bench.store.get(result.key) for result in _results(evaluations)]
    known = {paper.paper_id: paper for paper in papers}
    examples = [_line(each, known) for each in trajectories if each.result.passed]
    return Measured(
        name=_name_of(bench, harness, papers, replicates),
        summary=summarize(evaluations, trajectories),
        examples=tuple(examples),
        breakdowns=breakdowns(trajectories, known),
        seconds=time.monotonic() - began,
    )


def breakdowns(trajectories: Iterable[Trajectory], papers: Mapping[str, Paper]) -> tuple[Breakdown, ...]:
    """Most frequent first."""
    groups: dict[tuple[PaperVerdict, str], list[Trajectory]] = {}
    for each in trajectories:
        if each.result.verdict not in JUDGED:
            groups.setdefault((each.result.verdict, each.result.reason), []).append(each)
    found = [
        Breakdown(
            verdict=verdict,
            reason=reason,
            times=len(group),
            first=papers[group[0].result.paper_id].source,
            errors=next((event["stderr"] for event in group[0].events if event["kind"] == "box"), ""),
        )
        for (verdict, reason), group in groups.items()
    ]
    return tuple(sorted(found, key=lambda each: -each.times))


def example_lines(examples: Iterable[dict[str, Json]]) -> bytes:
    """The content of a file of accepted examples: JSONL."""
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in examples).encode("utf-8")


def _name_of(bench: Bench, harness: HarnessTree, papers: Sequence[Paper], replicates: int) -> str:
    ids = [paper.paper_id for paper in papers]
    identity = hash_json([bench.frozen.evaluator_hash, harness.tree_hash, *ids, replicates])[:8]
    return f"{harness.manifest.name}-{identity}"


def _results(evaluations: Iterable[Evaluation]) -> Iterable[PaperResult]:
    return (result for evaluation in evaluations for result in evaluation.results)


def _line(trajectory: Trajectory, papers: dict[str, Paper]) -> dict[str, Json]:
    example = accepted_example(trajectory)
    assert example is not None  # a passed paper always has one
    result = trajectory.result
    last = next(each for each in result.rounds if each.status == "accepted")
    return {
        "v": 1,
        "paper_id": result.paper_id,
        "paper": papers[result.paper_id].source,
        "replicate": result.replicate,
        "round": last.number,
        "example": example_to_json(example),
        "weak_average": last.weak_average,
        "strong_average": last.strong_average,
        "confirmation": None if result.confirmation is None else encode(result.confirmation),
        "tree_hash": trajectory.tree_hash,
        "evaluator_hash": trajectory.evaluator_hash,
    }
