"""History as prompts see it: bounded, the valuable kept, the rest counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.search_rig import Rig

from studbook.evolve.contracts import HistoryEntry, SearchSettings
from studbook.evolve.prompting import NOTHING, History, room_in, summarize
from studbook.llm.contracts import RoleModel


def entry(iteration, verdict="rejected", hypothesis="It should help."):
    return HistoryEntry(
        iteration=iteration,
        parent_id="seed",
        mutant_id=f"m{iteration:04d}",
        hypothesis=hypothesis,
        verdict=verdict,
        reason="tie with its parent: 3/25 vs 3/25",
    )


def test_an_entry_is_one_line_with_all_that_matters():
    assert summarize([entry(7)], 1000) == (
        "- iteration 7: m0007 from seed: rejected (tie with its parent: 3/25 vs 3/25). "
        "Hypothesis: It should help."
    )


def test_no_history_is_said_in_words():
    assert summarize([], 1000) == NOTHING


def test_admitted_and_recent_iterations_outlast_the_others():
    history = [entry(number, "admitted" if number == 1 else "rejected") for number in range(1, 31)]
    told = summarize(history, 600)
    assert told.startswith("- left out for room: 26 iterations (26 rejected)\n- iteration 1: ")
    assert told.endswith(summarize([entry(30)], 1000))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["admitted", "rejected", "broken"]), st.text(max_size=300))))
def test_a_summary_stays_within_its_limit(outcomes):
    history = [entry(number, *outcome) for number, outcome in enumerate(outcomes, start=1)]
    assert len(summarize(history, 2000)) <= 2000


def test_the_history_of_a_population_has_every_iteration_in_order():
    rig = Rig(settings=SearchSettings(run_seed=1, iterations=24, minibatch=2, knob_share=0))
    rig.search()
    known = History()
    history = known.of(rig.population)
    assert known.of(rig.population.as_of(7)) == history[:7]
    assert known.of(rig.population) == history
    assert [each.iteration for each in history] == list(range(1, 25))
    unmade = [each for each in history if each.mutant_id is None]
    assert {each.verdict for each in unmade} == {"no_change"}
    assert all(each.hypothesis == "" for each in unmade)
    assert all(each.hypothesis for each in history if each.mutant_id)


@pytest.mark.parametrize(
    ("context", "max_tokens", "room"),
    [
        (None, 4_096, (100_000, None)),
        (1_000_000, 4_096, (100_000, 4_096)),
        (32_768, 4_096, (20_754, 4_096)),
        (8_192, 4_096, (3_858, 2_048)),
        (1_024, 4_096, (1_000, 256)),
    ],
)
def test_prompt_and_answer_fit_the_context(context, max_tokens, room):
    model = RoleModel(endpoint="e", model="m", max_tokens=max_tokens, context_tokens=context)
    found = room_in(model)
    assert (found.prompt_tokens, found.answer_tokens) == room
