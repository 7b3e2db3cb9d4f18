"""What a run is expected to cost: before it begins from usual figures, later from its own.

One paper-evaluation is the unit: its calls and tokens follow from the allowed rounds, the rollouts, the
papers' length and the answers' limits. A search is a number of them, plus analyzer and implementer. Before
the first call the figures of one are those of `expected.toml`; once papers have been evaluated they are
measured, and so are the papers per iteration as the search goes on. The canary's calls belong to no paper and
are paid for once. The bound is `bounds.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

from studbook.evaluate.splits import SPLIT_NAMES, Splits
from studbook.evolve.measuring import TEST, TRAIN, VALIDATION
from studbook.evolve.prompting import room_in
from studbook.experiments.run.canary import TOKENS as CANARY_TOKENS
from studbook.experiments.run.canary import canary_calls
from studbook.experiments.run.lengths import reading_roles
from studbook.experiments.run.models import role_models
from studbook.experiments.spec.model import Spec
from studbook.experiments.views.text import about_dollars, dollars
from studbook.llm.contracts import HARNESS_ROLES, META_ROLES, Usage, count_tokens
from studbook.llm.meter import Totals, sum_totals
from studbook.populations.events import Purpose
from studbook.populations.population import SEED_ID, Population
from studbook.tables import read_toml

TABLE = "expected.toml"
CONCLUSION = (Purpose.CONFIRMATION, Purpose.TEST)
ROUNDS_KNOB = "max_rounds"
"""A harness that declares this knob plays at most so many rounds, if the evaluator allows them."""


class Case(IntEnum):
    """LOW: papers pass early and half of the changes fail at a gate. HIGH: none pass, all are evaluated."""

    LOW = 0
    TYPICAL = 1
    HIGH = 2


@cache
def table() -> dict[str, Any]:
    """The usual figures."""
    return read_toml("studbook.experiments.run", TABLE)


def _usual(section: str, name: str, case: Case) -> float:
    value = table()[section][name]
    return float(value[case] if isinstance(value, list) else value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperCounts:
    """Paper-evaluations of a run, by purpose; `edits` is the number of iterations with an analyzer."""

    seed: float
    training: float
    validation: float
    confirmation: float
    test: float
    edits: float

    @property
    def total(self) -> float:
        return self.seed + self.training + self.validation + self.confirmation + self.test


def count_papers(spec: Spec, sizes: Mapping[str, int], case: Case = Case.TYPICAL) -> PaperCounts:
    """`sizes`: the number of papers in each split."""
    iterations, edits = spec.search.iterations, spec.search.iterations * (1 - spec.search.knob_share)
    validation = sizes[VALIDATION]
    raced = _usual("search", "race", case) if spec.search.admission.name == "strict" else 1.0
    measured = iterations * _usual("search", "measured", case)
    admitted = iterations * _usual("search", "admitted", case)
    early = 1 + spec.speculation * _usual("search", "wasted", case)
    trained = edits * min(spec.search.minibatch, sizes[TRAIN])
    return PaperCounts(
        seed=validation,
        training=(trained + iterations * _usual("search", "probes", case)) * early,
        validation=measured * validation * (1 + raced) * early,
        confirmation=_confirmation(spec, admitted) * validation,
        test=min(2, 1 + round(admitted)) * spec.champion.test_replicates * sizes[TEST],
        edits=edits,
    )


def _confirmation(spec: Spec, admitted: float) -> float:
    """Evaluations of the candidates and the seed; none if nothing was admitted."""
    candidates = min(spec.champion.candidates, round(admitted))
    return (candidates + 1) * spec.champion.confirm_replicates if candidates else 0


def rounds_of(spec: Spec, knobs: Mapping[str, float], case: Case = Case.TYPICAL) -> float:
    """Rounds that a paper takes on average."""
    allowed = max(1, min(spec.evaluator.max_rounds, int(knobs.get(ROUNDS_KNOB, spec.evaluator.max_rounds))))
    ends = _usual("papers", "round_ends", case)
    return float(sum((1 - ends) ** number for number in range(allowed)))


def paper_calls(spec: Spec, rounds: float) -> dict[str, float]:
    """Calls of one paper-evaluation by role; calls that were made before are not taken off."""
    figures, evaluator = table()["rounds"], spec.evaluator
    rechecks = table()["papers"]["accepted"] if evaluator.confirm else 0.0
    calls = {role: rounds * figures[role] for role in (*HARNESS_ROLES, "final_verifier")}
    calls["weak"] = (rounds * figures["weak"] + rechecks) * evaluator.weak_rollouts
    calls["strong"] = (rounds * figures["strong"] + rechecks) * evaluator.strong_rollouts
    calls["judge"] = calls["weak"] + calls["strong"]
    return calls


def expected_totals(
    spec: Spec, splits: Splits, knobs: Mapping[str, float], case: Case = Case.TYPICAL
) -> dict[str, Totals]:
    """Calls, tokens and dollars of a whole run by role, without the canary's.

    `knobs`: values of the seed harness.
    """
    sizes = {name: len(getattr(splits, name)) for name in SPLIT_NAMES}
    lengths = {name: _mean_tokens(splits, name) for name in SPLIT_NAMES}
    counts = count_papers(spec, sizes, case)
    papers = {
        TRAIN: counts.training,
        VALIDATION: counts.seed + counts.validation + counts.confirmation,
        TEST: counts.test,
    }
    read = sum(papers[name] * lengths[name] for name in papers) / max(1.0, counts.total)
    calls = paper_calls(spec, rounds_of(spec, knobs, case))
    paid = counts.total * _usual("paid", "calls", case)
    found = {role: _totals(spec, role, paid * number, read) for role, number in calls.items()}
    return {**found, **_meta_totals(spec, counts.edits)}


def _meta_totals(spec: Spec, edits: float) -> dict[str, Totals]:
    return {role: _totals(spec, role, edits * table()["calls"][role], 0.0) for role in META_ROLES}


def canary_totals(spec: Spec, calls: Mapping[str, int]) -> Totals:
    """What planted cases cost before a run; `calls` by role."""
    found = {}
    for role, number in calls.items():
        model = role_models(spec)[role]
        answer = min(table()["completion"][role], model.max_tokens)
        usage = Usage(
            prompt_tokens=number * (CANARY_TOKENS[role] - table()["completion"][role]),
            completion_tokens=round(number * answer),
        )
        found[role] = Totals(calls=number, usage=usage, dollars=model.cost_dollars(usage))
    return sum_totals(found)


def _mean_tokens(splits: Splits, name: str) -> float:
    papers = getattr(splits, name)
    return sum(count_tokens(paper.text) for paper in papers) / max(1, len(papers))


def _totals(spec: Spec, role: str, calls: float, paper_tokens: float) -> Totals:
    """`calls` of one role, with the prices and limits of its model."""
    model = role_models(spec)[role]
    prompt = table()["prompt"][role]
    if role in reading_roles(spec, HARNESS_ROLES):
        prompt += paper_tokens
    if role == "analyzer":
        material = table()["prompt"]["analyzer_paper"] * spec.search.minibatch
        prompt = min(prompt + material, room_in(model).prompt_tokens)
    sent = round(calls * prompt)
    usage = Usage(
        prompt_tokens=sent,
        completion_tokens=round(calls * min(table()["completion"][role], model.max_tokens)),
        cached_tokens=round(sent * table()["papers"]["cached"]),
    )
    return Totals(calls=round(calls), usage=usage, dollars=model.cost_dollars(usage))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a whole run is expected to cost, and the range in which it probably lies."""

    dollars: float
    low_dollars: float
    high_dollars: float
    calls: int
    tokens: int


def expect(spec: Spec, splits: Splits, knobs: Mapping[str, float]) -> Forecast:
    """Before the first call, from the usual figures."""
    low, typical, high = (sum_totals(expected_totals(spec, splits, knobs, case)) for case in Case)
    canary = canary_totals(spec, canary_calls(spec))
    return Forecast(
        dollars=typical.dollars + canary.dollars,
        low_dollars=low.dollars + canary.dollars,
        high_dollars=high.dollars + canary.dollars,
        calls=typical.calls + canary.calls,
        tokens=typical.tokens + canary.tokens,
    )


PRIOR_ITERATIONS = 3
"""How many iterations the usual number of papers per iteration counts for, beside those measured."""


def forecast(
    spec: Spec, population: Population, spent: Mapping[str, Totals], evaluations: int
) -> Forecast | None:
    """Of a run in progress, from what it has measured; None before its first paper-evaluation.

    `spent`: everything paid so far, by role; `evaluations`: paper-evaluations finished so
    far.
    """
    start = population.start
    if start is None or evaluations == 0:
        return None
    sizes = {name: len(ids) for name, ids in start.splits.items()}
    low, typical, high = (_evaluations_left(spec, population, sizes, evaluations, case) for case in Case)
    meta = sum_totals({role: each for role, each in spent.items() if role in META_ROLES})
    total = sum_totals(dict(spent))
    canary = canary_totals(spec, {score.role: score.asked for score in start.canary})
    left = _iterations_left(spec, population)
    meta_each = _meta_per_iteration(spec, meta, population.iterations_done)

    def whole(still: float) -> list[float]:
        share = still / evaluations
        return [
            now + share * max(0.0, now - by_meta - once) + left * each
            for now, by_meta, once, each in zip(
                _figures(total), _figures(meta), _figures(canary), meta_each, strict=True
            )
        ]

    calls, tokens, cost = whole(typical)
    return Forecast(
        dollars=cost,
        low_dollars=whole(low)[2],
        high_dollars=whole(high)[2],
        calls=round(calls),
        tokens=round(tokens),
    )


def _figures(totals: Totals) -> tuple[float, float, float]:
    return totals.calls, totals.tokens, totals.dollars


def _iterations_left(spec: Spec, population: Population) -> int:
    return 0 if population.is_concluding else max(0, spec.search.iterations - population.iterations_done)


def _meta_per_iteration(spec: Spec, meta: Totals, done: int) -> tuple[float, ...]:
    """Calls, tokens and dollars of analyzer and implementer; the usual ones count for one iteration."""
    usual = sum_totals(_meta_totals(spec, 1 - spec.search.knob_share))
    return tuple((now + one) / (done + 1) for now, one in zip(_figures(meta), _figures(usual), strict=True))


def _evaluations_left(
    spec: Spec, population: Population, sizes: Mapping[str, int], evaluations: int, case: Case
) -> float:
    """Paper-evaluations that are still to come."""
    left = _iterations_left(spec, population)
    if population.finish is not None and not left:
        return 0.0
    concluded = {purpose: _papers_for(population, purpose) for purpose in CONCLUSION}
    searched = max(0, evaluations - sum(concluded.values()) - sizes[VALIDATION])
    usual, done = count_papers(spec, sizes, case), population.iterations_done
    per_iteration = (usual.training + usual.validation) / max(1, spec.search.iterations)
    per_iteration = (searched + PRIOR_ITERATIONS * per_iteration) / (done + PRIOR_ITERATIONS)
    admitted = len(population.members) - 1 + left * _usual("search", "admitted", case)
    finalists = min(2, 1 + round(admitted))
    if population.champion is not None and not left:
        finalists = 1 if population.champion.harness_id == SEED_ID else 2
    conclusion = {
        Purpose.CONFIRMATION: _confirmation(spec, admitted) * sizes[VALIDATION],
        Purpose.TEST: finalists * spec.champion.test_replicates * sizes[TEST],
    }
    seed = 0 if population.evaluations else max(0, sizes[VALIDATION] - evaluations)
    return (
        seed + left * per_iteration + sum(max(0, conclusion[each] - concluded[each]) for each in CONCLUSION)
    )


def _papers_for(population: Population, purpose: Purpose) -> int:
    return sum(len(each.verdicts) for each in population.evaluations if each.purpose is purpose)


def forecast_words(found: Forecast, spent_dollars: float) -> str:
    """Like: spent $1.20, expected $14 in all ($11 to $19)."""
    return (
        f"spent {dollars(spent_dollars)}, expected {about_dollars(found.dollars)} in all "
        f"({about_dollars(found.low_dollars)} to {about_dollars(found.high_dollars)})"
    )
