"""What a run is expected to cost: before it, and from its own figures."""

from dataclasses import replace

import pytest
from support.births import seed_events, small_run

from studbook.experiments.run.corpus import load_papers
from studbook.experiments.run.expected import (
    Case,
    Forecast,
    count_papers,
    expect,
    expected_totals,
    forecast,
    forecast_words,
    paper_calls,
    rounds_of,
)
from studbook.experiments.spec.loading import load_spec
from studbook.experiments.views.text import about_dollars
from studbook.llm.contracts import Usage
from studbook.llm.meter import Totals, sum_totals
from studbook.populations.events import ChampionChosen, RunFinished, SearchEnded
from studbook.populations.population import fold
from studbook.populations.records import CanaryScore

PRICES = "models: {default: {dollars_per_million_input: 0.3, dollars_per_million_output: 1.2}}\n"
SIZES = {"train": 50, "validation": 25, "test": 25}


@pytest.fixture
def spec_of(tmp_path):
    def load(text="", *flags):
        path = tmp_path / "trial.yaml"
        path.write_text("version: 1\n" + text, encoding="utf-8")
        return load_spec(path, flags)

    return load


def test_papers_of_the_published_settings(spec_of):
    spec = spec_of("search: {iterations: 233}\nchampion: {confirm_replicates: 4}\n")
    counts = count_papers(spec, SIZES)
    assert counts.seed == 25
    assert counts.edits == pytest.approx(233 * 0.8)
    assert counts.training == pytest.approx(233 * 0.8 * 5 + 233 * 1.3)
    assert counts.validation == pytest.approx(233 * 0.8 * 25 * 1.88)
    assert (counts.confirmation, counts.test) == (4 * 4 * 25, 2 * 8 * 25)
    assert (
        count_papers(spec, SIZES, Case.LOW).total < counts.total < count_papers(spec, SIZES, Case.HIGH).total
    )


def test_without_racing_every_mutant_runs_on_every_paper(spec_of):
    spec = spec_of("search: {iterations: 10}\n")
    admission = spec.search.admission.model_copy(update={"name": "my_rules:Loose"})
    search = spec.search.model_copy(update={"admission": admission})
    full = count_papers(spec.model_copy(update={"search": search}), SIZES)
    assert full.validation == pytest.approx(10 * 0.8 * 25 * 2)
    assert count_papers(spec, SIZES).validation < full.validation


def test_a_run_without_iterations_evaluates_and_tests_the_seed(spec_of):
    counts = count_papers(spec_of("search: {iterations: 0}\n"), SIZES)
    assert (counts.total, counts.confirmation, counts.test) == (25 + 8 * 25, 0, 8 * 25)


@pytest.mark.parametrize(("allowed", "knobs"), [(5, {}), (8, {"max_rounds": 5}), (5, {"max_rounds": 8})])
def test_rounds_are_limited_by_the_evaluator_and_by_the_harness(spec_of, allowed, knobs):
    spec = spec_of(f"evaluator: {{max_rounds: {allowed}}}\n")
    assert rounds_of(spec, knobs, Case.HIGH) == 5
    assert 1 < rounds_of(spec, knobs, Case.LOW) < rounds_of(spec, knobs) < 5


def test_rollouts_are_counted_with_their_judge_and_rechecks(spec_of):
    calls = paper_calls(spec_of("evaluator: {weak_rollouts: 4, strong_rollouts: 2, confirm: false}\n"), 2.0)
    assert calls["weak"] == pytest.approx(2 * 0.87 * 4)
    assert calls["strong"] == pytest.approx(2 * 0.68 * 2)
    assert calls["judge"] == pytest.approx(calls["weak"] + calls["strong"])
    rechecked = paper_calls(spec_of("evaluator: {weak_rollouts: 4, strong_rollouts: 2}\n"), 2.0)
    assert rechecked["weak"] > calls["weak"]


def splits_of(spec):
    return load_papers(spec.corpus, spec.seed).splits


def test_the_published_run_costs_hundreds_of_dollars_and_not_its_bound(spec_of):
    """With 233 iterations and papers of 16,000 characters; the bound is two hundred thousand."""
    spec = spec_of(PRICES + "search: {iterations: 233}\nchampion: {confirm_replicates: 4}\n")
    splits = splits_of(spec)
    found = expect(spec, splits, {"max_rounds": 5})
    assert 200 < found.dollars < 1000
    assert found.low_dollars < found.dollars < found.high_dollars < 4 * found.dollars


def test_longer_papers_cost_the_roles_that_read_them(spec_of):
    spec = spec_of(PRICES)
    short = splits_of(spec)
    long = replace(short, validation=tuple(replace(each, text=each.text * 3) for each in short.validation))
    before, after = (expected_totals(spec, each, {}) for each in (short, long))
    assert after["challenger"].dollars > before["challenger"].dollars
    assert after["judge"] == before["judge"]


def test_answers_are_no_longer_than_allowed(spec_of):
    spec = spec_of(PRICES + "evaluator: {confirm: false}\n", "models.roles.weak={max_tokens: 10}")
    weak = expected_totals(spec, splits_of(spec), {})["weak"]
    assert weak.usage.completion_tokens == pytest.approx(10 * weak.calls, rel=0.01)


def test_without_prices_nothing_costs_anything(spec_of):
    spec = spec_of()
    found = expect(spec, splits_of(spec), {})
    assert found.dollars == found.high_dollars == 0
    assert found.tokens > 1000


def paid(dollars, calls=100):
    half = Totals(calls=calls, usage=Usage(prompt_tokens=1000, completion_tokens=10), dollars=dollars)
    return {"weak": half, "challenger": half}


def test_before_the_first_paper_nothing_is_known(spec_of):
    assert forecast(spec_of(), fold(()), {}, 0) is None
    assert forecast(spec_of(), fold(seed_events()[:1]), {}, 0) is None


def test_after_the_seed_each_paper_costs_what_the_seeds_did(spec_of):
    spec = spec_of("search: {iterations: 4, knob_share: 1.0}\nchampion: {test_replicates: 1}\n")
    population = fold(seed_events())
    sizes = {name: len(ids) for name, ids in population.start.splits.items()}
    papers = sizes["validation"]
    found = forecast(spec, population, paid(papers * 0.5), papers)
    counts = count_papers(spec, sizes)
    assert found.dollars == pytest.approx(counts.total, rel=0.01)
    assert found.low_dollars < found.dollars < found.high_dollars


SERVED = """
models:
  default: {endpoint: openai, model: m, dollars_per_million_input: 1, dollars_per_million_output: 1}
"""


def test_planted_cases_are_expected_where_a_run_asks_about_them(spec_of):
    here, there = spec_of(PRICES), spec_of(SERVED)
    before = sum_totals(expected_totals(there, splits_of(there), {}))
    found = expect(there, splits_of(there), {})
    assert found.calls == before.calls + 16
    assert found.tokens == before.tokens + 4 * 1_100 + 12 * 1_400
    assert found.dollars == pytest.approx(before.dollars + 0.0212)
    assert found.low_dollars < found.dollars
    assert (
        expect(here, splits_of(here), {}).calls
        == sum_totals(expected_totals(here, splits_of(here), {})).calls
    )


def test_planted_cases_are_no_part_of_what_a_paper_costs(spec_of):
    spec = spec_of(SERVED + "search: {iterations: 4, knob_share: 1.0}\nchampion: {test_replicates: 1}\n")
    asked = (
        CanaryScore(role="judge", right=20, n=20, readable=4, asked=4),
        CanaryScore(role="final_verifier", right=12, n=12, readable=12, asked=12),
    )
    first, *rest = seed_events()
    bare, probed = fold([first, *rest]), fold([replace(first, canary=asked), *rest])
    papers = len(bare.start.splits["validation"])
    without = forecast(spec, bare, paid(papers * 0.5), papers)
    extra = Totals(calls=8, usage=Usage(prompt_tokens=10_600), dollars=0.0106)
    more = {role: sum_totals({"": each, "canary": extra}) for role, each in paid(papers * 0.5).items()}
    found = forecast(spec, probed, more, papers)
    assert found.dollars == pytest.approx(without.dollars + 0.0212)
    assert found.calls == without.calls + 16


def test_a_finished_run_costs_what_it_has_cost(spec_of):
    ended = (
        SearchEnded(reason="done", iterations=3),
        ChampionChosen(harness_id="seed", reason="it stays", ranking=()),
    )
    population = fold([*small_run(), *ended, RunFinished(reason="done", iterations=3)])
    spec = spec_of(f"search: {{iterations: {population.iterations_done}}}\n")
    found = forecast(spec, population, paid(3.0), 20)
    assert (found.dollars, found.low_dollars, found.high_dollars) == (6.0, 6.0, 6.0)
    assert found.calls == sum_totals(paid(3.0)).calls


def test_more_iterations_than_were_finished_cost_more(spec_of):
    population = fold(small_run())
    done = population.iterations_done
    longer = forecast(spec_of(f"search: {{iterations: {done + 5}}}\n"), population, paid(3.0), 20)
    assert longer.dollars > 6.0


def test_the_words_have_two_digits():
    found = Forecast(dollars=14.23, low_dollars=9.71, high_dollars=1934.0, calls=1, tokens=1)
    assert forecast_words(found, 1.2) == "spent $1.20, expected $14 in all ($9.70 to $1,900)"


@pytest.mark.parametrize(
    ("amount", "words"),
    [(0, "$0.00"), (0.05684, "$0.057"), (0.5, "$0.50"), (1.2345, "$1.20"), (99.6, "$100"), (628.4, "$630")],
)
def test_an_expectation_has_two_digits(amount, words):
    assert about_dollars(amount) == words
