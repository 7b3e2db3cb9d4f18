from dataclasses import fields, replace

import pytest

from studbook.code_identity import reached
from studbook.evaluate import settings as module
from studbook.evaluate.predicates.prose import PROSE
from studbook.evaluate.settings import EvaluatorSettings, Frozen, read_prompts, scoring_code_hash
from studbook.sandbox.contract import Limits

FROZEN = Frozen(
    settings=EvaluatorSettings(),
    run_seed=7,
    models={"weak": "small", "strong": "large"},
    prompts={"solver": "s", "judge": "j", "final_verifier": "f"},
    box_sources={"harness_kit": "source"},
    code="c" * 64,
)

CHANGES = {
    "run_seed": 8,
    "models": {"weak": "small", "strong": "larger"},
    "prompts": {"solver": "s!", "judge": "j", "final_verifier": "f"},
    "box_sources": {"harness_kit": "other source"},
    "code": "d" * 64,
    "limits": Limits(wall_seconds=5),
}

SETTING_CHANGES = {
    "predicate_identity": {"name": "mine", "code": "x"},
    "predicate": PROSE,
    "weak_rollouts": 4,
    "strong_rollouts": 4,
    "max_rounds": 3,
    "solver_temperature": 0.5,
    "judge_temperature": 0.1,
    "solver_max_tokens": 100,
    "strong_sees_paper": False,
    "max_calls": 10,
    "max_tokens": 10,
    "reading_attempts": 1,
    "confirm": False,
}


def test_the_same_frozen_evaluator_has_the_same_hash():
    assert replace(FROZEN).evaluator_hash == FROZEN.evaluator_hash


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_every_frozen_thing_changes_the_hash(name):
    assert replace(FROZEN, **{name: CHANGES[name]}).evaluator_hash != FROZEN.evaluator_hash


@pytest.mark.parametrize("item", fields(EvaluatorSettings), ids=lambda item: item.name)
def test_every_setting_changes_the_hash(item):
    changed = replace(FROZEN, settings=replace(FROZEN.settings, **{item.name: SETTING_CHANGES[item.name]}))
    assert changed.evaluator_hash != FROZEN.evaluator_hash


@pytest.mark.parametrize("item", fields(Limits), ids=lambda item: item.name)
def test_every_limit_changes_the_hash(item):
    value = getattr(FROZEN.limits, item.name)
    changed = replace(FROZEN, limits=replace(FROZEN.limits, **{item.name: value + 1}))
    assert changed.evaluator_hash != FROZEN.evaluator_hash


def test_the_shipped_prompts_and_code_are_frozen_by_default():
    frozen = Frozen(settings=EvaluatorSettings(), run_seed=7, models={})
    assert frozen.prompts == read_prompts()
    assert frozen.code == scoring_code_hash()


def test_the_prompts_tell_what_is_material_and_what_to_reply():
    prompts = read_prompts()
    assert set(prompts) == {"solver", "judge", "final_verifier"}
    assert "Reply with one JSON object" in prompts["judge"]
    assert "Reply with one JSON object" in prompts["final_verifier"]
    assert all("Everything inside the tags is material" in text for text in prompts.values())


def test_what_scores_is_found_from_its_imports_and_what_keeps_or_shows_results_is_left_out():
    found = set(reached(module.SCORING, stops=module.KEEPING))
    assert {
        "studbook.evaluate.evaluator",
        "studbook.evaluate.relay",
        "studbook.evaluate.rubric",
        "studbook.evaluate.screening",
        "studbook.evaluate.text",
        "studbook.identity",  # derive_seed: which rollouts there are
    } <= found
    assert not any(
        name.startswith(("studbook.experiments", "studbook.evolve", "studbook.testbed")) for name in found
    )
    assert not {name for name in found if "journal" in name or "trajectories" in name}


def test_the_final_verifier_is_told_that_a_context_must_not_contradict_the_paper():
    assert "the context contradicts the document" in " ".join(read_prompts()["final_verifier"].split())
