"""Events survive the way to JSON and back exactly, and nothing else is taken for an event."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from support.any_events import EVENTS
from support.births import decided, evaluated, mutant, run_started, small_run

from studbook.errors import IntegrityError
from studbook.identity import canonical_json
from studbook.populations.events import (
    ChampionChosen,
    DiagnosisMade,
    Event,
    MutantMade,
    RankedHarness,
    from_json,
    to_json,
)
from studbook.rate import Rate


@given(EVENTS)
def test_any_event_comes_back_from_its_json_as_it_was(event):
    kind, data = to_json(event)
    assert from_json(kind, canonical_json(data)) == event


def test_a_rate_and_a_fraction_are_written_exactly():
    row = RankedHarness(harness_id="m0001", passed=3, n=7, shrunk=Fraction(10, 31))
    kind, data = to_json(ChampionChosen(harness_id="m0001", reason="confirmed", ranking=(row,)))
    assert kind == "champion_chosen"
    assert data["ranking"] == [{"harness_id": "m0001", "passed": 3, "n": 7, "shrunk": "10/31"}]
    kind, data = to_json(decided(1, "rejected", rates=(Rate(1, 25), Rate(0, 25))))
    assert data["decision"]["parent_rate"] == {"passed": 1, "n": 25}


def test_an_integer_knob_stays_an_integer():
    event = MutantMade(mutant=mutant(1, knobs={"max_rounds": 5, "temperature": 0.7}))
    kind, data = to_json(event)
    back = from_json(kind, canonical_json(data))
    assert [type(value) for value in back.mutant.knobs.values()] == [int, float]


def test_a_lone_surrogate_is_replaced_because_utf_8_cannot_hold_it():
    event = DiagnosisMade(iteration=1, parent_id="seed", text="a\ud800b 😀 é")
    kind, data = to_json(event)
    assert data["text"] == "a\ufffdb 😀 é"
    assert from_json(kind, canonical_json(data)).text == "a\ufffdb 😀 é"


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(IntegrityError, match="'mutant_born' is not a kind of event; known: run_started"):
        from_json("mutant_born", b"{}")


def changed(event: Event, path: tuple[str | int, ...], value: object) -> tuple[str, bytes]:
    kind, data = to_json(event)
    at = data = json.loads(json.dumps(data))
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return kind, canonical_json(data)


@pytest.mark.parametrize(
    ("event", "path", "value", "message"),
    [
        (run_started(), ("owner",), "me", "RunStarted has the unknown key 'owner'"),
        (run_started(), ("run_name",), 3, "RunStarted.run_name: Input should be a valid string, got 3"),
        (run_started(), ("splits",), [], "RunStarted.splits: Input should be an object"),
        (
            run_started(),
            ("splits", "train"),
            "x",
            "RunStarted.splits.train: Input should be a valid array, got 'x'",
        ),
        (
            run_started(),
            ("contains_hostile_code",),
            1,
            "contains_hostile_code: Input should be a valid boolean, got 1",
        ),
        (
            evaluated("seed", (True,)),
            ("iteration",),
            True,
            "EvaluationDone.iteration: Input should be a valid integer, got True",
        ),
        (
            evaluated("seed", (True,)),
            ("purpose",),
            "fun",
            "EvaluationDone.purpose: Input should be 'seed', .*, got 'fun'",
        ),
        (
            evaluated("seed", (True,)),
            ("evaluation",),
            None,
            "EvaluationDone.evaluation: Input should be an object, got None",
        ),
        (
            evaluated("seed", (True,)),
            ("evaluation", "results", 0, "verdict"),
            "passed",
            "results.0.verdict: Input should be 'accepted', .*, got 'passed'",
        ),
        (
            evaluated("seed", (True,)),
            ("evaluation", "results", 0, "rounds", 0, "number"),
            1.0,
            "results.0.rounds.0.number: Input should be a valid integer, got 1.0",
        ),
        (
            decided(1, "broken"),
            ("decision", "parent_rate"),
            {"passed": 2, "n": 1},
            "decision.parent_rate: Value error, a rate needs",
        ),
        (MutantMade(mutant=mutant(1)), ("mutant", "knobs"), {"a": "1"}, "MutantMade.mutant.knobs.a"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_name(event, path, value, message):
    with pytest.raises(IntegrityError, match=message):
        from_json(*changed(event, path, value))


@pytest.mark.parametrize("text", ["1", "2/4", "1/0", "0.5", " 1/2", "1/-2", "x", 0.5, None])
def test_a_fraction_in_any_other_form_is_refused(text):
    row = RankedHarness(harness_id="seed", passed=1, n=2, shrunk=Fraction(1, 2))
    event = ChampionChosen(harness_id="seed", reason="", ranking=(row,))
    with pytest.raises(IntegrityError, match=r"ChampionChosen\.ranking\.0\.shrunk: "):
        from_json(*changed(event, ("ranking", 0, "shrunk"), text))


def test_a_missing_key_is_refused_unless_it_has_a_default():
    kind, data = to_json(decided(1, "rejected", refused_actions=2))
    del data["refused_actions"]
    assert from_json(kind, canonical_json(data)) == decided(1, "rejected")
    del data["decision"]["reason"]
    with pytest.raises(IntegrityError, match=r"DecisionMade lacks the key 'decision\.reason'"):
        from_json(kind, canonical_json(data))


def test_the_json_of_a_run_has_no_time_host_or_path_in_it():
    assert json.dumps([to_json(event) for event in small_run()]) == json.dumps(
        [to_json(event) for event in small_run()]
    )
    keys = {key for event in small_run() for key in to_json(event)[1]}
    assert keys.isdisjoint({"time", "host", "pid", "seconds"})


def test_a_claim_and_its_evidence_stand_on_disk_under_their_first_names():
    _, started = to_json(run_started(isolates_untrusted_code=True))
    assert started["contains_hostile_code"] is True
    assert "isolates_untrusted_code" not in started
    assert from_json("run_started", canonical_json(started)).isolates_untrusted_code
    _, diagnosed = to_json(DiagnosisMade(iteration=1, parent_id="seed", text="too easy"))
    assert diagnosed["rests"] == {"names": [], "whole": ""}
