"""The demo: admission and the gates decide, and the champion is better than the seed on the sealed papers."""

import pytest
from support.demo_run import demo_run

from studbook.experiments.run.opening import open_run
from studbook.experiments.views.views import pooled_rate, verdict_counts
from studbook.populations.events import Purpose
from studbook.populations.population import SEED_ID
from studbook.populations.records import MutationKind


@pytest.mark.slow
def test_the_quickstart_shows_every_verdict_and_a_champion_that_beats_the_seed(tmp_path):
    """The testbed decides what happens; when it changes, another `seed:` in quickstart.yaml may be needed."""
    folder = demo_run(tmp_path)
    population = open_run(str(folder), tmp_path).population
    verdicts = verdict_counts(population)
    assert verdicts.pop("unanswered") == 0
    assert set(verdicts) == {"admitted", "rejected", "broken", "duplicate", "no_change"}
    assert all(verdicts[name] >= 1 for name in ("admitted", "rejected", "broken")), verdicts
    assert verdicts["duplicate"] + verdicts["no_change"] >= 1, verdicts
    assert population.finish is not None
    assert population.finish.reason == "all iterations are done"
    champion = population.champion
    assert champion is not None
    assert champion.harness_id != SEED_ID
    best, seed = (pooled_rate(population, name, Purpose.TEST) for name in (champion.harness_id, SEED_ID))
    assert best.passed > seed.passed
    assert best.n == seed.n == 20
    kinds = [mutant.kind for mutant in population.mutants.values() if mutant.kind is not MutationKind.SEED]
    assert sum(kind in {MutationKind.CODE, MutationKind.KNOBS} for kind in kinds) * 3 >= len(kinds), kinds
    assert champion.harness_id in (folder / "report.html").read_text(encoding="utf-8")
