"""The expected cost of a small run is within the promised factor of what it costs."""

from pathlib import Path

import pytest

from benchmarks.expected_cost import FACTOR, compare, profile, told

TINY = {
    "name": "tiny",
    "seed": 3,
    "corpus": {"splits": {"train": 3, "validation": 5, "test": 4}},
    "evaluator": {"max_rounds": 4},
    "search": {"iterations": 4, "minibatch": 2},
    "champion": {"candidates": 1, "confirm_replicates": 1, "test_replicates": 2},
}


@pytest.mark.slow
def test_a_small_run_costs_about_what_was_expected_and_says_so_as_it_goes(tmp_path: Path):
    found = compare(tmp_path, TINY)
    assert 1 / FACTOR <= found.dollars / found.first.dollars <= FACTOR
    assert found.is_right
    assert found.first.low_dollars < found.dollars < found.first.high_dollars
    assert found.after_seed.startswith("spent $")
    assert found.dollars / FACTOR <= found.halfway_dollars <= found.dollars * FACTOR
    assert "WRONG" not in told(found)
    figures = profile([tmp_path / "runs" / "tiny-1"])
    assert figures["iterations"] == 4
    assert 1 <= figures["rounds per paper"] <= 4
    assert 0 < figures["paid.calls"] <= 1
