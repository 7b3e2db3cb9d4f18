"""The testbed earns its effects through text: small fast versions of benchmarks/testbed_effects.py."""

import os
from pathlib import Path

import pytest
from support.effects import load_effects

from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import set_knobs
from studbook.testbed.papers.synthesis import synthetic_papers

effects = load_effects()
SEED = read_harness(effects.SEED_HARNESS)
PAPERS = synthetic_papers(12, 3)
REPLICATES = range(3)
REAL_PAPERS = Path(os.environ.get("STUDBOOK_PAPERS", Path(__file__).parents[4] / "shared" / "papers"))


def outcomes(tree, papers=PAPERS[:4], replicates=range(2)):
    measured = effects.measure(tree, papers, replicates, 1)
    return [(result.paper_id, result.verdict, result.rounds) for result in measured.results]


def rate(tree, papers=PAPERS, replicates=REPLICATES):
    return effects.measure(tree, papers, replicates, 1).rate


@pytest.fixture(scope="module")
def seed_rate():
    return rate(SEED)


@pytest.fixture(scope="module")
def everything_rate():
    return rate(effects.with_texts(SEED, effects.ALL))


def test_the_seed_passes_sometimes_and_the_four_findings_at_least_double_it(seed_rate, everything_rate):
    assert 1 <= seed_rate.passed <= 12
    assert everything_rate.passed >= 2 * seed_rate.passed


@pytest.mark.parametrize("texts", [effects.PARAPHRASED, effects.PARAPHRASED_AGAIN])
def test_the_same_rules_in_other_words_keep_most_of_the_effect(texts, seed_rate, everything_rate):
    gained = rate(effects.with_texts(SEED, texts)).passed - seed_rate.passed
    assert gained >= 0.6 * (everything_rate.passed - seed_rate.passed)


def test_the_negated_rules_do_not_help(seed_rate):
    assert rate(effects.with_texts(SEED, effects.NEGATED)).passed <= seed_rate.passed + 1


def test_one_round_passes_less_than_five(everything_rate):
    tree = set_knobs(effects.with_texts(SEED, effects.ALL), {"max_rounds": 1})
    assert rate(tree).passed < 0.6 * everything_rate.passed


def test_an_unrelated_sentence_changes_nothing_at_all():
    assert outcomes(effects.with_texts(SEED, {"challenger_task": effects.UNRELATED})) == outcomes(SEED)


def test_a_rule_in_a_file_nobody_reads_changes_nothing_at_all():
    hidden = {"notes": "\n\n".join(effects.ALL.values())}
    assert outcomes(effects.with_texts(SEED, hidden)) == outcomes(SEED)


def test_moving_rules_between_the_files_of_one_prompt_changes_nothing_at_all():
    there = outcomes(effects.with_texts(SEED, effects.ALL))
    assert outcomes(effects.with_texts(SEED, effects.MOVED)) == there


def test_two_runs_of_the_same_harness_end_alike():
    assert outcomes(SEED) == outcomes(SEED)


@pytest.mark.slow
@pytest.mark.skipif(not REAL_PAPERS.is_dir(), reason="no folder of real papers (set STUDBOOK_PAPERS)")
def test_on_real_papers_the_seed_is_weak_the_findings_help_and_feedback_matters():
    papers = effects.choose_papers(REAL_PAPERS, 25, 5)
    seed = rate(SEED, papers, range(4))
    everything = rate(effects.with_texts(SEED, effects.ALL), papers, range(4))
    assert 5 <= seed.passed <= 35
    assert everything.passed >= 2 * seed.passed
    assert rate(effects.without_feedback(SEED), papers, range(4)).passed < seed.passed
