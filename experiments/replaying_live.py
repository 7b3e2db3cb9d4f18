"""Live replay: harnesses of a run measured again, with fresh calls and fresh luck, beside their old scores.

Replicate numbers begin where no run ever counts, so no seed of the run is met again. What is measured is kept
with `studbook evaluate`'s work, never in the run: the same command goes on where it was interrupted and pays
nothing twice, and more replicates add to those that are there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from evaluate.contracts import Paper
from experiments.bench import Bench
from experiments.luck import Luck, find_luck
from experiments.opening import OpenedRun
from experiments.parts import Part, pieces_of
from harnesses.tree import HarnessTree
from populations.population import SEED_ID, Population
from populations.records import PaperResult
from populations.tally import EvaluationSummary
from studbook.errors import RevisionError
from studbook.rate import NO_RATE, Rate

FIRST_REPLICATE = 3_000_000
"""Above every number that a search, a confirmation or a test gives out."""
SPLIT = "replayed"

OldScores = dict[str, dict[str, Rate]]
"""By harness, by paper."""


def whole_run(run: OpenedRun) -> Part:
    """The seed, the best and the champion: what a run's claims are about."""
    population = run.population
    champion = population.champion.harness_id if population.champion else SEED_ID
    return Part(
        run=run, harness_ids=tuple(dict.fromkeys([SEED_ID, population.best_id, champion])), paper_id=None
    )


def old_scores(part: Part) -> OldScores:
    """What the run knows of each harness: its validation results; of one paper, all results there are."""
    if part.paper_id is not None:
        return _on_one_paper(part)
    found = {each: _by_paper(_scored(part.run.population, each)) for each in part.harness_ids}
    known = {harness_id: scores for harness_id, scores in found.items() if scores}
    if not known:
        raise RevisionError(
            f"{', '.join(part.harness_ids)} has no validation score in {part.run.folder.name}, so there is "
            "nothing to compare\n  take a harness that was evaluated: studbook tree RUN"
        )
    return known


def _on_one_paper(part: Part) -> OldScores:
    found: OldScores = defaultdict(dict)
    for piece in pieces_of(part):
        before = found[piece.harness_id].get(piece.result.paper_id, NO_RATE)
        found[piece.harness_id][piece.result.paper_id] = before + Rate(int(piece.result.passed), 1)
    return dict(found)


def _scored(population: Population, harness_id: str) -> list[EvaluationSummary]:
    """Complete ones; those that racing stopped only where there are no others."""
    scored = [each for each in population.evaluations_of(harness_id) if each.is_scored]
    return [each for each in scored if each.is_complete] or scored


def _by_paper(evaluations: Iterable[EvaluationSummary]) -> dict[str, Rate]:
    found: dict[str, Rate] = {}
    for each in evaluations:
        for paper, verdict in each.verdicts:
            found[paper] = found.get(paper, NO_RATE) + Rate(int(verdict.value == "accepted"), 1)
    return found


def measure_again(
    bench: Bench,
    part: Part,
    old: OldScores,
    trees: Mapping[str, HarnessTree],
    papers: Mapping[str, Paper],
    *,
    replicates: int,
    on_result: Callable[[PaperResult], None],
) -> tuple[Luck, ...]:
    """Harness after harness; what is finished is kept. Raises what `Bench.evaluate` raises."""
    population = part.run.population
    seed = _total(_by_paper(_scored(population, SEED_ID))) if part.paper_id is None else None
    return tuple(
        find_luck(
            harness_id,
            scores,
            _measured(
                bench, trees[harness_id], harness_id, [papers[each] for each in scores], replicates, on_result
            ),
            replicates=replicates,
            seed=None if harness_id == SEED_ID else seed,
            strength=bench.spec.champion.shrinkage,
            is_stopped=part.paper_id is None
            and any(not each.is_complete for each in _scored(population, harness_id)),
        )
        for harness_id, scores in old.items()
    )


def _measured(
    bench: Bench,
    tree: HarnessTree,
    harness_id: str,
    papers: Sequence[Paper],
    replicates: int,
    on_result: Callable[[PaperResult], None],
) -> dict[str, Rate]:
    found: dict[str, Rate] = {}
    for replicate in range(FIRST_REPLICATE, FIRST_REPLICATE + replicates):
        evaluation = bench.evaluate(
            tree, papers, harness_id=harness_id, split=SPLIT, replicate=replicate, on_result=on_result
        )
        for result in evaluation.results:
            found[result.paper_id] = found.get(result.paper_id, NO_RATE) + Rate(int(result.passed), 1)
    return found


def _total(rates: Mapping[str, Rate]) -> Rate:
    return sum(rates.values(), NO_RATE)
