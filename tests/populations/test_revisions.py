"""Revisions like git's, and help for those who mistype them."""

import pytest
from support.births import small_run

from studbook.errors import RevisionError
from studbook.populations.events import ChampionChosen
from studbook.populations.population import EMPTY, fold
from studbook.populations.revisions import RevisionName, resolve, split_revision


@pytest.mark.parametrize(
    ("revision", "harness_id"),
    [
        ("seed", "seed"),
        ("best", "m0002"),
        ("m0003", "m0003"),
        ("m0003^", "m0002"),
        ("m0003^^", "seed"),
        ("m0003~2", "seed"),
        ("m0003~0", "m0003"),
        ("m0003~", "m0002"),
        ("m0003^~1", "seed"),
        ("best^", "seed"),
    ],
)
def test_a_revision_names_a_harness(revision, harness_id):
    assert resolve(revision, fold(small_run())) == harness_id


def test_best_is_the_champion_once_there_is_one():
    events = [*small_run(), ChampionChosen(harness_id="seed", reason="not confirmed", ranking=())]
    assert resolve("best", fold(events)) == "seed"


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("m0042", r"no harness 'm0042' in this run\. Did you mean 'm0002'"),
        ("m3", r"Did you mean 'm0003'"),
        ("3", r"Did you mean 'm0003'"),
        ("sed", r"Did you mean 'seed'"),
        ("bset", r"Did you mean 'best'"),
        ("xyz", r"Known: seed, best, m0001, m0002, m0003\."),
        ("", r"'' is no revision"),
        ("^", r"'\^' is no revision"),
        ("m0001^x", r"is no revision"),
        ("seed^", r"goes back beyond the seed"),
        ("m0001~999999", r"goes back beyond the seed"),
    ],
)
def test_an_unknown_revision_is_refused_with_the_nearest(revision, message):
    with pytest.raises(RevisionError, match=message):
        resolve(revision, fold(small_run()))


def test_in_an_empty_population_even_the_seed_is_unknown():
    with pytest.raises(RevisionError, match="no harness 'seed'"):
        resolve("best", EMPTY)


@pytest.mark.parametrize(
    ("text", "run", "revision"),
    [
        ("m0031", None, "m0031"),
        ("demo:m0031^", "demo", "m0031^"),
        ("demo:", "demo", None),
        ("runs/a:b:best", "runs/a:b", "best"),
        (":best", None, "best"),
    ],
)
def test_a_run_and_a_revision_are_told_apart(text, run, revision):
    assert split_revision(text) == RevisionName(run=run, revision=revision)
