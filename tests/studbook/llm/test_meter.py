"""The budget's gate alone: who is let in, who waits, and by how much a limit can be passed."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import BudgetExceeded
from studbook.llm.contracts import RoleModel, Usage
from studbook.llm.meter import Budget, BudgetGate, Totals

MODEL = RoleModel(endpoint="e", model="m", dollars_per_million_in=0.15, dollars_per_million_out=0.6)


def tokens(number: int) -> Totals:
    return Totals(usage=Usage(completion_tokens=number))


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_a_limit_is_passed_by_at_most_one_call_per_worker(workers):
    """Every call takes all that it may take, which is the worst there is."""
    gate = BudgetGate(Budget(max_tokens=10_000), workers=workers)
    spent, guard = 0, Lock()

    def call(number: int) -> None:
        nonlocal spent
        most = tokens(100 + number % 7)
        try:
            gate.enter(most)
        except BudgetExceeded:
            return
        gate.paid(most.usage, 0.0)
        with guard:
            spent += most.tokens
        gate.leave(most, answered=True)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(300)))
    assert 10_000 <= spent <= 10_000 + workers * 106


def test_far_from_the_limit_more_than_the_workers_may_call_at_once():
    gate = BudgetGate(Budget(max_tokens=1_000), workers=1)
    for _ in range(5):
        gate.enter(tokens(200))


def test_near_the_limit_a_call_waits_until_another_has_ended():
    gate = BudgetGate(Budget(max_tokens=1_000), workers=1)
    gate.enter(tokens(900))
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(gate.enter, tokens(200))
        assert not second.done()
        gate.paid(Usage(completion_tokens=10), 0.0)
        gate.leave(tokens(900), answered=True)
        second.result(timeout=10)


def test_who_waits_is_told_when_the_budget_is_spent_meanwhile():
    gate = BudgetGate(Budget(max_tokens=1_000), workers=1)
    gate.enter(tokens(1_000))
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(gate.enter, tokens(200))
        gate.paid(Usage(completion_tokens=1_000), 0.0)
        gate.leave(tokens(1_000), answered=True)
        with pytest.raises(BudgetExceeded, match=r"1,000 of 1,000 tokens"):
            second.result(timeout=10)


def test_a_call_that_came_to_nothing_gives_its_place_back():
    gate = BudgetGate(Budget(max_calls=1), workers=1)
    gate.enter(tokens(1))
    gate.leave(tokens(1), answered=False)
    gate.enter(tokens(1))
    with pytest.raises(BudgetExceeded, match=r"1 of 1 calls"):
        gate.enter(tokens(1))


def test_when_the_hours_are_over_no_call_begins_and_those_under_way_may_end():
    now = 1000.0
    gate = BudgetGate(Budget(max_hours=0.5), workers=1, clock=lambda: now)
    now += 1799
    gate.enter(tokens(1))
    now += 1
    with pytest.raises(BudgetExceeded, match=r"budget reached: 0\.5 hours"):
        gate.enter(tokens(1))
    gate.leave(tokens(1), answered=True)


@given(st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 20_000)), max_size=60))
def test_costs_add_up_exactly_in_any_order(calls):
    usages = [Usage(prompt_tokens=sent, completion_tokens=said) for sent, said in calls]
    costs = [Totals(dollars=MODEL.cost_dollars(usage)) for usage in usages]
    there, back = sum(costs, Totals()).dollars, sum(reversed(costs), Totals()).dollars
    exact = sum(Decimal(repr(cost.dollars)) for cost in costs)
    assert there == back == float(exact)


def test_the_share_that_is_left_is_that_of_the_limit_that_is_nearest():
    now = 0.0
    budget = Budget(max_calls=10, max_tokens=1_000, max_dollars=5.0, max_hours=1.0)
    gate = BudgetGate(budget, Totals(calls=2), clock=lambda: now)
    assert gate.share_left == pytest.approx(0.8)
    gate.paid(Usage(prompt_tokens=400, completion_tokens=200), 1.0)
    assert gate.share_left == pytest.approx(0.4)
    now = 3240.0
    assert gate.share_left == pytest.approx(0.1)
    gate.paid(Usage(completion_tokens=700), 0.0)
    assert gate.share_left == 0.0


def test_without_limits_everything_is_left():
    assert BudgetGate(Budget(), Totals(calls=10**9)).share_left == 1.0
