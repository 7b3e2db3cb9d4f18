"""The arithmetic and the assertions of the rows: a cheat that gains must fail its row."""

import pytest
from attacks.score.arena import Arm
from attacks.score.conftest import assert_row
from attacks.score.rows import Expect, Row, paired_gain

from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import Usage
from studbook.populations.records import PaperResult, PaperVerdict

TREE = HarnessTree.of(
    {
        "harness.yaml": b"version: 1\nname: x\nentry: a.py:main\nroles: [challenger]\neditable: []\n",
        "a.py": b"",
    }
)


def row(**more: object) -> Row:
    return Row(**{"name": "x", "tried": "y", "tree": TREE, **more})


def arm(passed: int, n: int = 40) -> Arm:
    verdicts = [PaperVerdict.ACCEPTED] * passed + [PaperVerdict.NOT_ACCEPTED] * (n - passed)
    results = tuple(
        PaperResult(
            key="k",
            paper_id=f"p{number}",
            replicate=0,
            verdict=verdict,
            reason="",
            rounds=(),
            usage=Usage(),
            calls=0,
            trajectory_hash="",
        )
        for number, verdict in enumerate(verdicts)
    )
    return Arm(results=results, trajectories=())


def test_a_paired_gain_has_the_interval_of_agresti_and_min():
    gain = paired_gain([True] * 10 + [False] * 30, [False] * 4 + [True] * 18 + [False] * 18)
    assert (gain.point, round(gain.low, 4), round(gain.high, 4)) == (0.2, 0.0069, 0.3741)
    assert str(gain) == "+20.0 % (95 % +0.7…+37.4)"


def test_equal_arms_gain_nothing():
    assert paired_gain([True, False] * 20, [True, False] * 20).point == 0


def test_a_cheat_above_its_twin_fails_its_row():
    with pytest.raises(AssertionError, match=r"gains \+2\.5 %"):
        assert_row(row(), arm(10), arm(11), {})
    assert_row(row(), arm(10), arm(10), {})


def test_a_refusal_has_to_be_counted():
    refused = row(expect=Expect.REFUSED, counted=("malformed",))
    with pytest.raises(AssertionError, match="not counted"):
        assert_row(refused, arm(10), arm(2), {"malformed": 0})
    assert_row(refused, arm(10), arm(2), {"malformed": 3})


def test_an_open_row_keeps_to_its_bound_and_says_why():
    open_row = row(expect=Expect.UNATTRACTIVE, bound=0.1, why="because")
    assert_row(open_row, arm(10), arm(14), {})
    with pytest.raises(AssertionError, match="bound 10%"):
        assert_row(open_row, arm(10), arm(15), {})
    with pytest.raises(AssertionError):
        assert_row(row(expect=Expect.UNATTRACTIVE, bound=0.1), arm(10), arm(10), {})


def test_fewer_than_forty_papers_prove_nothing():
    with pytest.raises(AssertionError):
        assert_row(row(), arm(10, n=39), arm(1, n=39), {})
