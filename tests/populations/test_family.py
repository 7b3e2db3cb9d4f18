"""Who came from whom."""

import pytest
from support.births import mutant, seed_events, small_run

from studbook.errors import RevisionError
from studbook.populations.events import MutantMade
from studbook.populations.family import lineage_chain, tree_rows
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
