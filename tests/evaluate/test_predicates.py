from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from studbook.code_identity import reached
from studbook.evaluate.contracts import Status
from studbook.evaluate.predicates import PREDICATE
from studbook.evaluate.predicates.deployed import DEPLOYED
from studbook.evaluate.predicates.prose import PROSE
from studbook.evaluate.rubric import average
from studbook.populations.records import FailureCategory


def hundredths(*values):
    return [Fraction(value, 100) for value in values]


scores = st.lists(st.fractions(0, 1, max_denominator=60), min_size=1, max_size=5)
presets = st.sampled_from([DEPLOYED, PROSE])


@pytest.mark.parametrize(
    ("weak", "strong", "status", "category"),
    [
        pytest.param((24, 62, 54), (72, 72, 72), "accepted", None, id="the published accepted round"),
        pytest.param((65, 65, 65), (85, 85, 85), "accepted", None, id="weak average at its bound"),
        pytest.param((65, 65, 66), (90, 90, 90), "rejected", "too_easy", id="weak average just over"),
        pytest.param((75, 60, 60), (85, 85, 85), "accepted", None, id="best weak at its bound"),
        pytest.param((76, 50, 50), (85, 85, 85), "rejected", "too_easy", id="best weak over"),
        pytest.param((0, 50, 50), (85, 85, 85), "rejected", "too_hard", id="a weak rollout of zero"),
        pytest.param((40, 40, 40), (60, 60, 60), "accepted", None, id="strong at floor, gap at bound"),
        pytest.param((30, 30, 30), (59, 60, 60), "rejected", "strong_failed", id="strong just under floor"),
        pytest.param((30, 30, 30), (95, 95, 95), "rejected", "strong_failed", id="strong at its ceiling"),
        pytest.param((30, 30, 30), (94, 95, 95), "accepted", None, id="strong just below its ceiling"),
        pytest.param((50, 50, 50), (69, 70, 70), "rejected", "small_gap", id="gap just under"),
        pytest.param((24, 23, 24), (34, 34, 34), "rejected", "strong_failed", id="published round 2"),
        pytest.param((51, 51, 51), (61, 60, 61), "rejected", "small_gap", id="published round 3"),
    ],
)
def test_deployed_draws_the_published_lines(weak, strong, status, category):
    ruling = DEPLOYED.rule(hundredths(*weak), hundredths(*strong))
    assert (ruling.status.value, ruling.category and ruling.category.value) == (status, category)


@pytest.mark.parametrize(
    ("weak", "strong", "status", "category"),
    [
        pytest.param((50, 50, 50), (90, 90, 90), "rejected", "too_easy", id="weak at its bound"),
        pytest.param((49, 50, 50), (70, 70, 70), "accepted", None, id="weak just under"),
        pytest.param((0, 0, 99), (100, 100, 100), "accepted", None, id="zeros, best and ceiling are free"),
        pytest.param((40, 40, 40), (64, 65, 65), "rejected", "strong_failed", id="strong just under"),
        pytest.param((49, 49, 49), (68, 69, 69), "rejected", "small_gap", id="gap just under"),
    ],
)
def test_prose_draws_the_lines_of_section_3_1(weak, strong, status, category):
    ruling = PROSE.rule(hundredths(*weak), hundredths(*strong))
    assert (ruling.status.value, ruling.category and ruling.category.value) == (status, category)


def test_weak_rollouts_alone_leave_a_fair_example_undecided():
    ruling = DEPLOYED.rule(hundredths(40, 50, 60))
    assert ruling.status is Status.UNDECIDED
    assert ruling.category is None


def test_a_reason_names_the_value_and_the_bound():
    assert DEPLOYED.rule(hundredths(81, 81, 81)).reason == "weak average 0.81 is over 0.65"
    assert PROSE.rule(hundredths(50, 50, 50)).reason == "weak average 0.50 is not below 0.50"


def test_a_third_is_not_rounded_onto_the_bound():
    weak = [Fraction(1, 3)] * 3
    assert DEPLOYED.rule(weak, [Fraction(8, 15)] * 3).category is FailureCategory.STRONG_FAILED
    assert DEPLOYED.rule([Fraction(2, 5)] * 3, [Fraction(3, 5)] * 3).status is Status.ACCEPTED


def test_an_unknown_predicate_is_answered_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"no predicate named 'deploied'; did you mean 'deployed'\?"):
        PREDICATE.check_name("deploied")


def test_presets_are_found_by_name():
    assert PREDICATE.builtin_names() == ("deployed", "prose")
    assert PREDICATE.build(PREDICATE.find("deployed")) is DEPLOYED
    assert PREDICATE.build(PREDICATE.find("prose")) is PROSE


def test_a_predicate_is_identified_by_its_own_code_and_what_that_needs_and_not_by_other_presets():
    deployed, prose = (PREDICATE.find(name).identity["code"] for name in ("deployed", "prose"))
    assert deployed != prose
    reached_by_deployed = reached([PREDICATE.find("deployed").module])
    assert "studbook.evaluate.ruling" in reached_by_deployed
    assert PREDICATE.find("prose").module not in reached_by_deployed


@given(presets, scores)
def test_weak_rollouts_alone_never_accept(preset, weak):
    assert preset.rule(weak).status is not Status.ACCEPTED


@given(presets, scores, scores)
def test_what_weak_rollouts_rule_out_no_strong_ones_can_save(preset, weak, strong):
    assume(preset.rule(weak).status is Status.REJECTED)
    assert preset.rule(weak, strong) == preset.rule(weak)


@given(presets, scores, scores)
def test_with_strong_rollouts_nothing_stays_undecided(preset, weak, strong):
    assert preset.rule(weak, strong).status is not Status.UNDECIDED


@given(presets, scores, scores)
def test_every_rejection_has_a_category_and_nothing_else_has(preset, weak, strong):
    for ruling in (preset.rule(weak), preset.rule(weak, strong)):
        assert (ruling.category is not None) == (ruling.status is Status.REJECTED)


weak_ones = st.lists(
    st.fractions(Fraction(1, 10), Fraction(3, 5), max_denominator=60), min_size=1, max_size=5
)
strong_ones = st.lists(
    st.fractions(Fraction(3, 5), Fraction(9, 10), max_denominator=60), min_size=1, max_size=5
)


@given(presets, weak_ones, strong_ones)
def test_whatever_is_accepted_shows_the_gap(preset, weak, strong):
    assume(preset.rule(weak, strong).status is Status.ACCEPTED)
    assert average(strong) - average(weak) >= Fraction(1, 5)


@given(presets, scores, scores)
def test_the_order_of_rollouts_changes_nothing(preset, weak, strong):
    assert preset.rule(weak, strong) == preset.rule(weak[::-1], strong[::-1])
