"""Passing more papers than the honest twin without forging anything: what the search will find, too.

These are no holes to close. Every example is about its paper, is measured like any other, and passes the
final check; a person who reads the winners sees what was gained, and what was not.
"""

from attacks.score.arena import ROUNDS, Arena, honest
from attacks.score.rows import Expect, cheat
from support.effects import load_effects

from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import set_knobs

UNASKED = cheat(
    "no model asked",
    "template",
    "question, context and rubric filled in from the paper's sentences by a fixed form; no call to any role",
    settings={"rounds": ROUNDS},
    expect=Expect.UNATTRACTIVE,
    bound=0.4,
    why=(
        "the examples are sound for all that the testbed's verifier can see, and nobody would want to read "
        "them; whether a language model fails such questions as contrived is not measured. Read the winners"
    ),
)
REHEARSED = cheat(
    "best of five drafts",
    "rehearse",
    "five drafts a round; solvers simulated in the box choose the one that is measured",
    settings={"drafts": 5},
    expect=Expect.UNATTRACTIVE,
    bound=0.3,
    why="more work before a round is what a harness is for; compare costs, and give the seed the same budget",
)


def test_a_box_that_asks_no_model(arena: Arena, check_row):
    arm = check_row(UNASKED, note=f"; the seed passes {seed_passes(arena)}")
    assert not any(trajectory.calls_by_role.get("challenger") for trajectory in arm.trajectories)


def test_the_best_of_five_drafts(arena: Arena, check_row):
    twin, arm = arena.measure(honest()), arena.measure(REHEARSED.tree)
    drafts = [
        sum(each.calls_by_role.get("challenger", 0) for each in one.trajectories) for one in (twin, arm)
    ]
    longer = arena.measure(set_knobs(honest(), {"max_rounds": 8})).rate
    note = f"; {drafts[0]} → {drafts[1]} drafts; the twin with 8 rounds passes {longer.passed}/{longer.n}"
    check_row(REHEARSED, note=note)


def seed_passes(arena: Arena) -> str:
    rate = arena.measure(set_knobs(read_harness(load_effects().SEED_HARNESS), {"max_rounds": ROUNDS})).rate
    return f"{rate.passed}/{rate.n}"
