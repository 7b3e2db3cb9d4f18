"""Chains and trees of harnesses, and the names that people give one of them."""

import pytest
from support.births import decided, mutant, seed_events, small_run

from studbook.errors import RevisionError
from studbook.populations.events import ChampionChosen, MutantMade
from studbook.populations.family import (
    MAX_DEPTH,
    RevisionName,
    lineage_chain,
    resolve,
    split_revision,
    tree_rows,
)
from studbook.populations.population import EMPTY, fold
from studbook.populations.records import Verdict
from studbook.rate import Rate


def test_the_chain_goes_from_the_seed_to_the_harness():
    population = fold(small_run())
    assert [each.harness_id for each in lineage_chain(population, "m0003")] == ["seed", "m0002", "m0003"]
    assert [each.harness_id for each in lineage_chain(population, "seed")] == ["seed"]


def test_the_chain_of_an_unknown_harness_is_refused():
    with pytest.raises(RevisionError, match="no harness 'm0042'"):
        lineage_chain(fold(small_run()), "m0042")


def test_the_rows_of_a_tree_go_downwards_with_what_drawing_needs():
    rows = tree_rows(fold(small_run()))
    assert [(row.mutant.harness_id, row.last_flags, row.verdict) for row in rows] == [
        ("seed", (), None),
        ("m0001", (False,), Verdict.REJECTED),
        ("m0002", (True,), Verdict.ADMITTED),
        ("m0003", (True, True), Verdict.REJECTED),
    ]
    assert [row.depth for row in rows] == [0, 1, 1, 2]
    assert [row.mutant.harness_id for row in rows if row.is_best] == ["m0002"]


def test_a_stopped_mutant_is_shown_with_what_was_seen_of_it():
    row = tree_rows(fold(small_run()))[-1]
    assert (row.rate, row.is_stopped) == (Rate(0, 2), True)


def test_a_mutant_that_is_not_decided_yet_has_no_verdict():
    row = tree_rows(fold([*seed_events(), MutantMade(mutant=mutant(1))]))[-1]
    assert (row.mutant.harness_id, row.verdict, row.rate) == ("m0001", None, Rate(0, 0))


def test_an_empty_population_has_no_rows():
    assert tree_rows(EMPTY) == ()


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
        ("", r"'' is not a revision"),
        ("^", r"'\^' is not a revision"),
        ("m0001^x", r"is not a revision"),
        ("seed^", r"goes beyond the seed"),
        ("m0001~999999", r"goes beyond the seed"),
    ],
)
def test_an_unknown_revision_is_refused_with_the_nearest(revision, message):
    with pytest.raises(RevisionError, match=message):
        resolve(revision, fold(small_run()))


def test_in_an_empty_population_even_the_seed_is_unknown():
    with pytest.raises(RevisionError, match="nothing has been evaluated in this run yet"):
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


def test_a_lineage_of_thousands_of_generations_is_drawn_in_a_width_that_does_not_grow():
    events = [*seed_events()]
    for number in range(1, 3001):
        parent = f"m{number - 1:04d}" if number > 1 else "seed"
        events += [
            MutantMade(mutant=mutant(number, parent)),
            decided(number, Verdict.BROKEN, parent_id=parent, mutant_id=f"m{number:04d}"),
        ]
    rows = tree_rows(fold(events))
    assert len(rows) == 3001
    assert max(row.depth for row in rows) == MAX_DEPTH
