"""The population as a fold: what counts, what follows what, and that every way of folding agrees."""

from collections.abc import Iterable
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.any_events import EVALUATIONS
from support.births import (
    decided,
    evaluated,
    iteration_events,
    mutant,
    run_started,
    seed_events,
    small_run,
)

from studbook.errors import IntegrityError
from studbook.identity import Json
from studbook.populations.events import (
    ChampionChosen,
    DiagnosisMade,
    EvaluationDone,
    EvaluationDoneOutline,
    Event,
    MutantMade,
    Purpose,
    RunFinished,
    to_json,
)
from studbook.populations.journal import Entry, format_line, parse_line
from studbook.populations.population import EMPTY, SHRINKAGE, Population, Tally, fold, summarize
from studbook.populations.records import PaperVerdict, Verdict
from studbook.populations.statistics import shrunk_rate
from studbook.rate import NO_RATE, Rate


def test_the_score_pools_the_complete_validation_evaluations():
    population = fold(small_run())
    assert population.score("seed") == Rate(3, 12)  # 1/4 as the seed, 1/4 and 1/4 as a parent
    assert population.score("m0002") == Rate(6, 8)


def test_a_harness_that_never_ran_has_a_score_without_n():
    assert fold(seed_events()).score("m0009") == NO_RATE


def test_training_confirmation_and_test_evaluations_do_not_count_towards_the_score():
    population = fold(seed_events())
    for purpose in (Purpose.TRAINING, Purpose.CONFIRMATION, Purpose.TEST):
        population = population.apply(evaluated("seed", (True,) * 4, purpose=purpose, replicate=9))
    assert population.score("seed") == Rate(1, 4)
    assert len(population.evaluations) == 4


def test_a_stopped_evaluation_counts_what_it_left_out_as_not_passed():
    events = [*seed_events(), MutantMade(mutant=mutant(1))]
    events.append(evaluated("m0001", (True, True), iteration=1, complete=False))
    assert fold(events).score("m0001") == Rate(2, 4)


def test_a_stopped_evaluation_is_left_out_once_there_is_a_complete_one():
    events = seed_events()
    events += iteration_events(1, (False, False, False, False), (True, True), complete=False)
    events += iteration_events(2, (True, False, False, False), (False,) * 4, parent="m0001")
    assert fold(events).score("m0001") == Rate(1, 4)


def test_members_are_the_seed_and_the_admitted_in_order():
    assert fold(small_run()).members == ("seed", "m0002")


def test_the_best_is_the_member_with_the_highest_shrunk_score_until_a_champion_is_chosen():
    population = fold(small_run())
    assert population.best_id == "m0002"
    chosen = population.apply(ChampionChosen(harness_id="seed", reason="not confirmed", ranking=()))
    assert chosen.best_id == "seed"


def test_a_lucky_small_sample_does_not_beat_a_large_good_one():
    events = seed_events()
    events += iteration_events(1, (False,) * 4, (True, True, True, False))
    for number in range(2, 8):
        events += iteration_events(number, (True, True, True, False), (False,) * 4, parent="m0001")
    events += iteration_events(8, (False,) * 4, (True, True, True, True))
    population = fold(events)
    assert population.score("m0001") == Rate(21, 28)
    assert population.score("m0008") == Rate(4, 4)
    assert population.best_id == "m0001"


RATES = st.integers(0, 60).flatmap(lambda n: st.builds(Rate, st.integers(0, n), st.just(n)))


@given(RATES, st.lists(RATES, max_size=8))
def test_the_best_is_the_first_of_the_highest_shrunk_rate(seed, admitted):
    scores = {"seed": seed, **{f"m{number:04}": rate for number, rate in enumerate(admitted, start=1)}}
    tallies = MappingProxyType({name: Tally(complete=rate) for name, rate in scores.items()})
    population = Population(members=tuple(scores), tallies=tallies)
    shrunk = {name: shrunk_rate(rate, seed, SHRINKAGE) for name, rate in scores.items()}
    assert population.best_id == max(shrunk, key=shrunk.__getitem__)


def test_iterations_are_counted_by_their_decisions():
    population = fold(small_run())
    assert (population.iterations_done, population.next_iteration) == (3, 4)
    assert (EMPTY.iterations_done, EMPTY.next_iteration) == (0, 1)


def test_a_decision_is_found_by_its_mutant():
    population = fold(small_run())
    decision = population.find_decision("m0003")
    assert decision is not None
    assert (decision.iteration, decision.verdict) == (3, Verdict.REJECTED)
    assert population.find_decision("seed") is None


def test_folding_does_not_change_the_population_it_starts_from():
    before = fold(seed_events())
    before.extend(iteration_events(1, (False,) * 4, (True,) * 4))
    assert before == fold(seed_events())


def test_a_population_cannot_be_changed_through_its_maps():
    with pytest.raises(TypeError):
        fold(small_run()).tallies["seed"] = None  # type: ignore[index]


def impossible(*events: Event) -> list[Event]:
    return [*small_run(), *events]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (impossible(run_started()), "starts a second time"),
        (impossible(MutantMade(mutant=mutant(2))), "m0002 is made a second time"),
        (impossible(MutantMade(mutant=mutant(5))), "m0005 was made in iteration 5 while iteration 4 is open"),
        (impossible(MutantMade(mutant=mutant(4, "m0099"))), "m0004 has no known parent"),
        (impossible(evaluated("m0044", (True,), iteration=4)), "m0044 was evaluated, never made"),
        (impossible(evaluated("seed", (True,), iteration=3)), "in iteration 3 while iteration 4 is open"),
        (impossible(decided(3, Verdict.BROKEN)), "in iteration 3 while iteration 4 is open"),
        (impossible(decided(4, Verdict.ADMITTED, mutant_id="m0044")), "m0044 was admitted, but never made"),
        (impossible(decided(4, Verdict.ADMITTED, mutant_id="m0002")), "admitted a second time"),
        (impossible(ChampionChosen(harness_id="m0001", reason="", ranking=())), "m0001 is champion"),
    ],
)
def test_an_event_that_cannot_follow_is_an_integrity_error(events, message):
    with pytest.raises(IntegrityError, match=message):
        fold(events)


@st.composite
def runs(draw: st.DrawFn) -> list[list[Event]]:
    """Random histories, one list of events per iteration: any parent, verdict, racing and noise between."""
    marks = st.lists(st.booleans(), min_size=4, max_size=4)
    history, members = [seed_events()], ["seed"]
    for number in range(1, draw(st.integers(0, 8)) + 1):
        parent, name = draw(st.sampled_from(members)), f"m{number:04d}"
        events: list[Event] = [DiagnosisMade(iteration=number, parent_id=parent, text="as measured")]
        if draw(st.booleans()):
            events.append(evaluated(parent, draw(marks), iteration=number, purpose=Purpose.TRAINING))
        verdict = draw(st.sampled_from(list(Verdict)))
        if verdict is not Verdict.NO_CHANGE:
            events.append(MutantMade(mutant=mutant(number, parent)))
        if verdict in (Verdict.ADMITTED, Verdict.REJECTED):
            length = draw(st.integers(1, 4))
            events.append(evaluated(parent, draw(marks), iteration=number))
            events.append(
                evaluated(name, draw(marks)[:length], iteration=number, complete=length == 4),
            )
        mutant_id = None if verdict is Verdict.NO_CHANGE else name
        events.append(decided(number, verdict, parent_id=parent, mutant_id=mutant_id, refused_actions=number))
        if verdict is Verdict.ADMITTED:
            members.append(name)
        history.append(events)
    return history


def flat(history: list[list[Event]]) -> list[Event]:
    return [event for events in history for event in events]


@given(runs())
def test_applying_one_by_one_is_folding_at_once(history):
    population = EMPTY
    for event in flat(history):
        population = population.apply(event)
    assert population == fold(flat(history))


@given(runs())
def test_applying_iteration_by_iteration_is_folding_at_once(history):
    population = EMPTY
    for events in history:
        population = population.extend(events)
    assert population == fold(flat(history))


@given(runs(), st.data())
def test_as_of_an_iteration_is_the_fold_of_what_had_happened_by_then(history, data):
    iteration = data.draw(st.integers(0, len(history)))
    assert fold(flat(history)).as_of(iteration) == fold(flat(history[: iteration + 1]))


@given(runs())
def test_scores_are_the_sums_of_what_was_evaluated(history):
    population = fold(flat(history))
    for name in population.mutants:
        complete = [
            event.evaluation.rate
            for event in flat(history)
            if isinstance(event, EvaluationDone)
            and event.evaluation.harness_id == name
            and event.purpose in ("seed", "validation")
            and event.evaluation.complete
        ]
        if complete:
            assert population.score(name) == sum(complete, NO_RATE)


def test_a_run_may_go_on_after_it_was_finished():
    population = fold([*small_run(), RunFinished(reason="iterations", iterations=3)])
    assert population.finish is not None
    longer = population.extend(iteration_events(4, (True,) * 4, (False,) * 4))
    assert isinstance(longer, Population)
    assert longer.iterations_done == 4


def test_an_evaluation_of_an_iteration_that_was_left_is_refused():
    late = evaluated("seed", (True,), iteration=2, purpose=Purpose.CONFIRMATION, replicate=1_000_000)
    with pytest.raises(IntegrityError, match="iteration 2 was left before this evaluation"):
        fold([*small_run(), late])


@given(runs())
def test_how_often_a_paper_was_passed_is_counted_over_scored_evaluations(history):
    population = fold(flat(history))
    for paper, rate in population.papers.items():
        scored = [dict(each.verdicts) for each in population.evaluations if each.is_scored]
        verdicts = [each[paper] for each in scored if paper in each]
        assert rate == Rate(verdicts.count(PaperVerdict.ACCEPTED), len(verdicts))
    assert population.papers or not history


def entry(kind: str, data: Json, seq: int) -> Entry:
    line, _ = format_line(kind=kind, data=data, seq=seq, prev="0" * 64, left=0, time="2026-01-01")
    return parse_line(line.rstrip(b"\n"))


def read(entries: Iterable[Entry]) -> Population:
    builder = EMPTY.builder()
    for each in entries:
        builder.read(each)
    return builder.build()


def entries_of(*events: Event) -> list[Entry]:
    return [entry(*to_json(event), seq) for seq, event in enumerate(events)]


def test_a_journal_that_is_read_is_the_fold_of_its_events():
    assert read(entries_of(*small_run())) == fold(small_run())


@given(EVALUATIONS)
def test_an_outline_says_of_an_evaluation_what_a_population_keeps(event):
    (each,) = entries_of(event)
    assert isinstance(each.outline, EvaluationDoneOutline)
    assert summarize(each.outline) == summarize(event)


def test_only_what_an_outline_lacks_may_be_amiss_in_it():
    kind, data = to_json(evaluated("seed", [True, False]))
    data["evaluation"]["results"][0]["rounds"] = "gone"
    assert isinstance(entry(kind, data, 0).outline, EvaluationDoneOutline)
    data["evaluation"]["results"][0]["verdict"] = "good"
    with pytest.raises(IntegrityError, match=r"EvaluationDone\.evaluation\.results\.0\.verdict"):
        _ = entry(kind, data, 0).outline


def test_an_event_that_cannot_follow_is_named_by_its_entry():
    with pytest.raises(IntegrityError, match="journal entry 15: a decision was made in iteration 7 while"):
        read(entries_of(*small_run(), decided(7, "broken")))


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        ("evaluation_done", {}, "EvaluationDone lacks the key 'iteration'"),
        ("evaluation_done", [], "EvaluationDone: Input should be an object, got"),
        ("mutant_born", {}, "'mutant_born' is not a kind of event"),
    ],
)
def test_a_line_that_hashes_but_is_no_event_is_refused(kind, data, message):
    with pytest.raises(IntegrityError, match=f"journal entry 3: {message}"):
        read([entry(kind, data, 3)])
