"""The cost to a search of selecting parents from an older population, so that more iterations run at once.

    .venv/bin/python -m benchmarks.lag [--runs 20] [--iterations 200] [--lags 1 4 8 24]

Uses the real loop, journal, lineage, knobs, racing and admission on a synthetic landscape: the true pass rate
of a harness starts at 20%; a mutant's is up to 4 points higher or lower, and at most 60%; there are 25
validation papers. This says nothing about real models and harnesses.

Prints the true rate of the best member, which a real search cannot observe, averaged over runs with different
random seeds, with a 95% t interval.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

from benchmarks.iterations import begin, opened, say
from studbook.evolve.loop import evolve
from studbook.evolve.measuring import TEST, TRAIN, VALIDATION
from studbook.populations.storage import RunFolder
from studbook.testbed.fakes import FakeEvaluator, fake_papers, pass_chance

T95 = {5: 2.776, 10: 2.262, 20: 2.093, 40: 2.023}
"""Student's t for n − 1 degrees of freedom, by n."""


def true_rates(folder: Path, seed: int, lag: int, marks: Sequence[int]) -> list[float]:
    """True rates, in percent, of the best member after each of `marks` iterations; papers differ by run."""
    papers = {
        split: fake_papers(f"{split}{seed}-", count)
        for split, count in ((TRAIN, 50), (VALIDATION, 25), (TEST, 25))
    }
    with opened(RunFolder(folder).create()) as (ledger, shop):
        shop = replace(
            shop,
            papers=papers,
            settings=replace(shop.settings, run_seed=seed, iterations=marks[-1], lag=lag),
            measuring=replace(shop.measuring, evaluator=FakeEvaluator()),
        )
        begin(ledger, shop)
        evolve(shop, ledger.population, ledger.commit)
        population = ledger.population
        snapshots = [population.as_of(mark) for mark in marks]
        return [100 * pass_chance(shop.trees.get(each.mutants[each.best_id])) for each in snapshots]


def with_interval(values: Sequence[float]) -> str:
    half = T95[len(values)] * stdev(values) / sqrt(len(values))
    return f"{fmean(values):5.1f} ± {half:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, choices=T95, default=20)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--lags", type=int, nargs="+", default=[1, 4, 8, 24])
    options = parser.parse_args()
    marks = [options.iterations // 8, options.iterations // 4, options.iterations // 2, options.iterations]
    say(f"true pass rate of the best, percent, n = {options.runs} runs")
    say("lag   after " + "".join(f"{mark:>15}" for mark in marks) + " iterations")
    with tempfile.TemporaryDirectory(prefix="studbook-lag-") as temporary:
        for lag in options.lags:
            folders = [Path(temporary) / f"{lag}-{run}" for run in range(options.runs)]
            rows = [true_rates(folder, run, lag, marks) for run, folder in enumerate(folders, start=1)]
            say(
                f"{lag:3}         "
                + "".join(f"{with_interval(column):>15}" for column in zip(*rows, strict=True))
            )


if __name__ == "__main__":
    main()
