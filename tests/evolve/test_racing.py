"""Racing leaves out papers and never changes a decision."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.evolve.policies.admission.strict import Strict
from studbook.evolve.racing import expected_papers, is_decided, pass_chances, race_order, stop_rule
from studbook.llm.contracts import Usage
from studbook.populations.records import PaperResult, PaperVerdict
from studbook.rate import Rate


def result(paper_id, passed):
    return PaperResult(
        key=paper_id,
        paper_id=paper_id,
        replicate=1,
        verdict=PaperVerdict.ACCEPTED if passed else PaperVerdict.NOT_ACCEPTED,
        reason="",
        rounds=(),
        usage=Usage(),
        calls=0,
        trajectory_hash="",
    )


@settings(deadline=None)
@given(
    parent=st.lists(st.booleans(), max_size=30),
    data=st.data(),
    full_scores=st.booleans(),
)
def test_the_decision_is_that_of_the_full_evaluation(parent, data, full_scores):
    mutant = data.draw(st.lists(st.booleans(), min_size=len(parent), max_size=len(parent)))
    may_stop = stop_rule(sum(parent), len(parent), full_scores=full_scores)
    results = [result(str(number), passed) for number, passed in enumerate(mutant)]
    run = next((results[:n] for n in range(1, len(results)) if may_stop(results[:n])), results)
    raced = Rate(sum(each.passed for each in run), len(run))
    parent_rate = Rate(sum(parent), len(parent))
    ruled = Strict().rule(parent_rate, raced, len(parent)).admitted
    assert ruled == Strict().rule(parent_rate, Rate(sum(mutant), len(mutant)), len(mutant)).admitted
    assert ruled == (sum(mutant) > sum(parent))
    if ruled and full_scores:
        assert len(run) == len(results)


@pytest.mark.parametrize(
    ("parent", "mutant", "remaining", "full_scores", "decided"),
    [
        (5, 0, 5, True, True),  # could only draw level
        (5, 0, 6, True, False),
        (5, 6, 10, False, True),  # has won
        (5, 6, 10, True, False),  # has won, but its full score is asked for
        (0, 0, 1, False, False),
        (0, 0, 0, False, True),
        (25, 0, 25, True, True),  # nothing beats a perfect parent: not one paper need be run
    ],
)
def test_a_race_is_decided_when_nothing_left_can_change_it(parent, mutant, remaining, full_scores, decided):
    assert is_decided(parent, mutant, remaining, full_scores=full_scores) is decided


def test_easy_papers_come_first_when_a_win_is_likely_and_may_stop_the_race():
    parent = {"a": False, "b": True, "c": False, "d": False}
    past = {"a": Rate(5, 5), "b": Rate(5, 5), "c": Rate(5, 5), "d": Rate(0, 5)}
    assert race_order("abcd", parent, past, full_scores=False) == ("b", "a", "c", "d")
    assert race_order("abcd", parent, past, full_scores=True) == ("d", "a", "c", "b")


def test_hard_papers_come_first_when_only_a_loss_may_stop_the_race():
    parent = {"a": False, "b": True, "c": False, "d": True}
    past = {paper: Rate(passed, 1) for paper, passed in parent.items()}
    assert race_order("abcd", parent, past, full_scores=True) == ("a", "c", "b", "d")


@settings(deadline=None)
@given(
    parent=st.dictionaries(st.sampled_from("abcdef"), st.booleans(), max_size=6),
    past=st.dictionaries(
        st.sampled_from("abcdef"), st.integers(0, 9).map(lambda passed: Rate(passed, 9)), max_size=6
    ),
    full_scores=st.booleans(),
)
def test_the_order_holds_every_paper_once_and_does_not_depend_on_how_they_came(parent, past, full_scores):
    parent = dict.fromkeys("abcdef", False) | parent
    order = race_order("abcdef", parent, past, full_scores=full_scores)
    assert sorted(order) == list("abcdef")
    assert race_order("fbdaec", parent, past, full_scores=full_scores) == order


def test_a_paper_without_a_record_of_its_own_gets_the_overall_chance():
    chances = pass_chances("ab", {"a": True}, {})
    assert chances == {"a": Fraction(7, 8), "b": Fraction(3, 4)}


def test_papers_outside_the_race_do_not_count():
    assert pass_chances("a", {"a": True}, {"z": Rate(0, 1)}) == pass_chances("a", {"a": True}, {})


@pytest.mark.parametrize(
    ("chances", "parent_passed", "full_scores", "expected"),
    [
        ([Fraction(0)] * 4, 2, True, 2),  # two failures of four: only a draw is left
        ([Fraction(1)] * 4, 2, False, 3),  # three passes win
        ([Fraction(1)] * 4, 2, True, 4),
        ([Fraction(1, 2)] * 2, 1, True, Fraction(3, 2)),
        ([Fraction(1, 2)] * 3, 3, True, 0),
    ],
)
def test_the_expected_length_of_a_race_is_exact(chances, parent_passed, full_scores, expected):
    assert expected_papers(chances, parent_passed, full_scores=full_scores) == expected
