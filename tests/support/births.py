"""Records and whole little runs for tests of what is folded, written and shown."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from studbook.identity import hash_json
from studbook.llm.contracts import Usage
from studbook.populations.events import DecisionMade, EvaluationDone, Event, MutantMade, Purpose, RunStarted
from studbook.populations.records import (
    Decision,
    Evaluation,
    FailureCategory,
    Mutant,
    MutationKind,
    PaperResult,
    PaperVerdict,
    RoundResult,
    Verdict,
)
from studbook.rate import NO_RATE, Rate

PAPERS = ("paper-a", "paper-b", "paper-c", "paper-d")


def clock() -> datetime:
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def run_started(**changes) -> RunStarted:
    values = {
        "run_name": "demo",
        "spec_hash": "5" * 64,
        "evaluator_hash": "e" * 64,
        "seed_tree_hash": hash_json("seed"),
        "splits": {"train": ("paper-t",), "validation": PAPERS, "test": ("paper-x",)},
        "sandbox": "docker",
        "isolates_untrusted_code": True,
        "models": {"weak": "testbed-weak"},
    }
    return RunStarted(**{**values, **changes})


def mutant(number: int, parent: str | None = "seed", **changes) -> Mutant:
    name = f"m{number:04d}" if number else "seed"
    values = {
        "harness_id": name,
        "parent_id": parent if number else None,
        "iteration": number,
        "kind": MutationKind.PROMPT if number else MutationKind.SEED,
        "tree_hash": hash_json(name),
        "commit": f"{number:040x}",
        "hypothesis": f"idea {number}",
    }
    return Mutant(**{**values, **changes})


def paper_result(paper_id: str, passed: bool, replicate: int = 0) -> PaperResult:
    return PaperResult(
        key=hash_json([paper_id, replicate]),
        paper_id=paper_id,
        replicate=replicate,
        verdict=PaperVerdict.ACCEPTED if passed else PaperVerdict.NOT_ACCEPTED,
        reason="accepted in round 1" if passed else "5 rounds without an accepted example",
        rounds=(
            RoundResult(
                number=1,
                status="accepted" if passed else "rejected",
                category=None if passed else FailureCategory.TOO_EASY,
                reason="weak average 0.40" if passed else "weak average 0.81",
                weak_average="2/5" if passed else "81/100",
                strong_average="4/5" if passed else None,
            ),
        ),
        usage=Usage(prompt_tokens=100, completion_tokens=20),
        calls=7,
        trajectory_hash=hash_json(["trajectory", paper_id, replicate, passed]),
    )


def evaluated(
    harness_id: str,
    passed: Sequence[bool],
    *,
    iteration: int = 0,
    purpose: Purpose = Purpose.VALIDATION,
    replicate: int | None = None,
    split: str = "validation",
    complete: bool = True,
    papers: Sequence[str] = PAPERS,
) -> EvaluationDone:
    number = iteration if replicate is None else replicate
    evaluation = Evaluation(
        harness_id=harness_id,
        tree_hash=hash_json(harness_id),
        evaluator_hash="e" * 64,
        split=split,
        replicate=number,
        results=tuple(paper_result(paper, each, number) for paper, each in zip(papers, passed, strict=False)),
        complete=complete,
    )
    return EvaluationDone(iteration=iteration, purpose=purpose, evaluation=evaluation)


def decided(
    iteration: int,
    verdict: Verdict,
    *,
    parent_id: str = "seed",
    mutant_id: str | None = None,
    rates: tuple[Rate, Rate] = (NO_RATE, NO_RATE),
    refused_actions: int = 0,
) -> DecisionMade:
    decision = Decision(
        iteration=iteration,
        parent_id=parent_id,
        mutant_id=mutant_id,
        verdict=verdict,
        reason=f"{verdict} for a test",
        parent_rate=rates[0],
        mutant_rate=rates[1],
    )
    return DecisionMade(decision=decision, refused_actions=refused_actions)


def seed_events() -> list[Event]:
    return [
        run_started(),
        MutantMade(mutant=mutant(0)),
        evaluated("seed", (True, False, False, False), purpose=Purpose.SEED),
    ]


def iteration_events(
    number: int,
    parent_passed: Sequence[bool],
    mutant_passed: Sequence[bool],
    *,
    parent: str = "seed",
    complete: bool = True,
) -> list[Event]:
    """An iteration in which the mutant was evaluated: admitted iff strictly better."""
    name = f"m{number:04d}"
    rates = Rate(sum(parent_passed), len(parent_passed)), Rate(sum(mutant_passed), len(mutant_passed))
    verdict = Verdict.ADMITTED if rates[1].passed > rates[0].passed else Verdict.REJECTED
    return [
        MutantMade(mutant=mutant(number, parent)),
        evaluated(parent, parent_passed, iteration=number),
        evaluated(name, mutant_passed, iteration=number, complete=complete),
        decided(number, verdict, parent_id=parent, mutant_id=name, rates=rates),
    ]


def small_run() -> list[Event]:
    """seed 1/4; m0001 rejected; m0002 admitted (3/4 against 1/4); m0003, from m0002, stopped early."""
    yes, no = True, False
    return [
        *seed_events(),
        *iteration_events(1, (yes, no, no, no), (no, no, no, no)),
        *iteration_events(2, (no, yes, no, no), (yes, yes, yes, no)),
        *iteration_events(3, (yes, yes, no, yes), (no, no), parent="m0002", complete=False),
    ]


def batches(events: Iterable[Event]) -> list[list[Event]]:
    """One list per append: the seed's events, then one per iteration."""
    found: list[list[Event]] = [[]]
    for event in events:
        if isinstance(event, MutantMade) and event.mutant.iteration > 0:
            found.append([])
        found[-1].append(event)
    return found
