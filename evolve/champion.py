"""Chooses the harness that a run recommends: candidates by shrunk score, confirmed on fresh replicates.

The highest score seen is biased upward: admission selects winners of single comparisons. So candidates and
the seed are re-measured on replicates that the search has not seen. The champion is chosen from these alone
and must beat the seed on them; otherwise the seed is the champion. Then it is tested. Recorded evaluations
are not repeated. A search that measured nothing has no champion: "the seed" would pass for a result.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from studbook.evaluate.contracts import Paper
from studbook.evolve.contracts import Commit, PromotionSettings, TreeStore
from studbook.evolve.measuring import SPLITS, VALIDATION, Measurement, Measuring
from studbook.populations.events import (
    ChampionChosen,
    EvaluationDone,
    Purpose,
    RankedHarness,
    RunFinished,
    SearchEnded,
)
from studbook.populations.population import SEED_ID, Population
from studbook.populations.records import Evaluation, Verdict
from studbook.populations.statistics import shrunk_rate
from studbook.rate import NO_RATE, Rate

FIRST_REPLICATE = {Purpose.CONFIRMATION: 1_000_000, Purpose.TEST: 2_000_000}
"""Far above every iteration number, so that no random seed of the search is reused."""


NOTHING_MEASURED = "nothing was measured: the judge marked no example of any harness on a validation paper"
NOTHING_COMPARED = "no mutant was measured: the search compared nothing with the seed"
FEWEST_ANSWERED = 2
"""Iterations: one proposal that comes to nothing is chance, and the seed stays the best that is known."""
NO_CHAMPION = (NOTHING_MEASURED, NOTHING_COMPARED)
"""Reasons with which a run ends without a champion."""


def was_measured(evaluation: Evaluation) -> bool:
    """Whether at least one example got as far as the judge's marks."""
    return any(
        result.passed or any((each.weak_average or each.strong_average) is not None for each in result.rounds)
        for result in evaluation.results
    )


def why_no_champion(population: Population, evaluations: Iterable[EvaluationDone]) -> str:
    """`evaluations`: all of the run, read only if nothing was admitted. "" if something was compared."""
    if len(population.members) > 1:
        return ""
    measured = {
        event.evaluation.harness_id
        for event in evaluations
        if SPLITS[event.purpose] == VALIDATION and was_measured(event.evaluation)
    }
    if not measured:
        return NOTHING_MEASURED
    unanswered = any(each.verdict is Verdict.UNANSWERED for each in population.decisions)
    is_chance = not unanswered and population.iterations_done < FEWEST_ANSWERED
    return NOTHING_COMPARED if measured == {SEED_ID} and not is_chance else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What the end of a run needs to choose the champion."""

    settings: PromotionSettings
    papers: Mapping[str, Sequence[Paper]]
    trees: TreeStore
    measuring: Measuring
    commit: Commit


def conclude(promotion: Promotion, population: Population, reason: str) -> Population:
    """Confirm, choose, test, finish; `reason` says why the search ended. One of NO_CHAMPION only finishes.

    Raises InfrastructureError, BudgetExceeded, StopRequested; evaluations finished by then are committed.
    """
    settings = promotion.settings
    ended = SearchEnded(reason=reason, iterations=population.iterations_done)
    if population.ended != ended:
        population = promotion.commit((ended,))
    finished = RunFinished(reason=reason, iterations=population.iterations_done)
    if reason in NO_CHAMPION:
        return population if population.finish == finished else promotion.commit((finished,))
    ids = [SEED_ID, *candidates(population, settings)]
    if len(ids) > 1:
        population = measure(promotion, population, Purpose.CONFIRMATION, ids, settings.confirm_replicates)
    chosen = choose(population, ids, settings)
    if population.champion != chosen:
        population = promotion.commit((chosen,))
    finalists = list(dict.fromkeys([SEED_ID, chosen.harness_id]))
    population = measure(promotion, population, Purpose.TEST, finalists, settings.test_replicates)
    return population if population.finish == finished else promotion.commit((finished,))


def candidates(population: Population, settings: PromotionSettings) -> tuple[str, ...]:
    """The admitted mutants with the highest score shrunk towards the seed's; ties go to the earlier."""
    seed = population.score(SEED_ID)
    admitted = [name for name in population.members if name != SEED_ID]
    ranked = sorted(admitted, key=lambda name: -shrunk_rate(population.score(name), seed, settings.shrinkage))
    return tuple(ranked[: settings.candidates])


def measure(
    promotion: Promotion, population: Population, purpose: Purpose, ids: Sequence[str], replicates: int
) -> Population:
    """Evaluate every harness on every replicate, one commit each; recorded evaluations are skipped.

    All papers are asked for at once, so that no worker waits for the slowest paper of an evaluation. After an
    error none is started any more: `measuring` is then of no further use.
    """
    measuring, papers = promotion.measuring, promotion.papers[SPLITS[purpose]]
    first = FIRST_REPLICATE[purpose]
    missing = [
        (replicate, name)
        for replicate in range(first, first + replicates)
        for name in ids
        if not _is_measured(population, purpose, name, replicate)
    ]
    trees = {name: promotion.trees.get(population.mutants[name]) for _, name in missing}
    try:
        for replicate, name in missing:
            measuring.speculation.start_certain(replicate, trees[name], papers)
        for replicate, name in missing:
            what = Measurement(
                iteration=population.iterations_done, purpose=purpose, harness_id=name, replicate=replicate
            )
            evaluation = measuring.evaluate(what, trees[name], papers)
            done = EvaluationDone(iteration=what.iteration, purpose=purpose, evaluation=evaluation)
            population = promotion.commit((done,))
    except BaseException:
        measuring.stop_token.cancel()
        raise
    finally:  # papers that no worker has started would still run, and be paid for
        for replicate, _ in missing:
            measuring.speculation.settle(replicate)
    return population


def _is_measured(population: Population, purpose: Purpose, name: str, replicate: int) -> bool:
    return any(
        each.purpose is purpose and each.replicate == replicate and each.is_complete
        for each in population.evaluations_of(name)
    )


def pooled(population: Population, purpose: Purpose, harness_id: str) -> Rate:
    """The pass rate over all evaluations for one purpose."""
    rates = [each.rate for each in population.evaluations_of(harness_id) if each.purpose is purpose]
    return sum(rates, NO_RATE)


def choose(population: Population, ids: Sequence[str], settings: PromotionSettings) -> ChampionChosen:
    """The highest shrunk confirmation rate; ties go to the first of `ids`, which starts with the seed."""
    seed = pooled(population, Purpose.CONFIRMATION, SEED_ID)
    rates = {name: pooled(population, Purpose.CONFIRMATION, name) for name in ids}
    ranking = sorted(
        (
            RankedHarness(
                harness_id=name,
                passed=rate.passed,
                n=rate.n,
                shrunk=shrunk_rate(rate, seed, settings.shrinkage),
            )
            for name, rate in rates.items()
        ),
        key=lambda row: -row.shrunk,
    )
    best = ranking[0]
    if best.harness_id == SEED_ID:  # first at equal rates, so a harness ranked above it is strictly better
        return ChampionChosen(harness_id=SEED_ID, reason=_reason_for_seed(ids), ranking=tuple(ranking))
    reason = (
        f"best of {len(ids) - 1} candidate{'s' if len(ids) > 2 else ''} on fresh validation replicates: "
        f"{best.rate}, the seed {seed}"
    )
    return ChampionChosen(harness_id=best.harness_id, reason=reason, ranking=tuple(ranking))


def _reason_for_seed(ids: Sequence[str]) -> str:
    if len(ids) == 1:
        return "nothing was admitted, so the seed stays"
    return "no candidate beat the seed on fresh validation replicates, so the seed stays"
