"""Roles, prices and keys: what of a spec reaches the model client."""

import pytest

from studbook.errors import SpecError
from studbook.experiments.run.bench import Origin, frozen_evaluator
from studbook.experiments.run.models import (
    build_endpoints,
    evaluated_models,
    models_line,
    role_models,
    uses_only_testbed,
)
from studbook.experiments.spec.loading import load_spec
from studbook.testbed.models.backend import MODELS, program_hash

HARNESS = ("challenger", "verifier")


def spec_of(*flags: str):
    return load_spec(None, flags)


def hash_of(*flags: str, sandbox: str = "docker, image a", roles: tuple[str, ...] = HARNESS) -> str:
    return frozen_evaluator(spec_of(*flags), Origin(sandbox=sandbox, roles=roles)).evaluator_hash


def test_the_testbed_has_a_model_for_each_role():
    assert {model.model for model in role_models(spec_of()).values()} == set(MODELS)


def test_prices_and_limits_reach_the_client():
    flags = ["models.roles.weak.dollars_per_million_input=0.5", "models.roles.weak.max_tokens=77"]
    weak = role_models(spec_of(*flags))["weak"]
    assert (weak.dollars_per_million_in, weak.max_tokens, weak.temperature) == (0.5, 77, 1.0)


def test_the_models_of_the_outer_loop_are_no_part_of_an_evaluation():
    found = evaluated_models(spec_of(), HARNESS)
    assert set(found) == {"challenger", "verifier", "weak", "strong", "judge", "final_verifier"}


@pytest.mark.parametrize(
    "flag",
    [
        "search.iterations=7",
        "workers=1",
        "models.roles.analyzer.model=x",
        "models.roles.orchestrator.model=x",  # a role the harness does not talk to
        "models.endpoints.spare.kind=openai",  # an endpoint no role uses
        "models.endpoints.openai.timeout_seconds=5",
    ],
)
def test_what_an_evaluation_does_not_use_leaves_its_evaluators_name(flag):
    assert hash_of(flag) == hash_of()


@pytest.mark.parametrize(
    "flag",
    [
        "evaluator.max_rounds=3",
        "evaluator.predicate=prose",
        "seed=9",
        "models.roles.judge.model=x",
        "models.roles.challenger.model=x",
        "models.roles.weak.max_tokens=99",
        "sandbox.limits.cpus=2",
    ],
)
def test_what_is_frozen_changes_the_evaluators_name(flag):
    assert hash_of(flag) != hash_of()


def test_where_boxes_run_and_whom_the_harness_talks_to_are_part_of_the_name():
    assert hash_of(sandbox="docker, image b") != hash_of()
    assert hash_of(sandbox="process, plain, Python 3.11.7") != hash_of()
    assert hash_of(roles=(*HARNESS, "orchestrator")) != hash_of()


def test_one_model_for_all_is_named_once_and_two_are_named_with_their_roles():
    base = ["models.endpoints.openai.base_url=http://127.0.0.1:1/v1", "models.default.endpoint=openai"]
    one = spec_of(*base, "models.default.model=big")
    assert models_line(one, "the testbed") == "big at http://127.0.0.1:1/v1"
    two = spec_of(*base, "models.default.model=big", "models.roles.weak.model=small")
    told = models_line(two, "the testbed")
    assert told.startswith("at http://127.0.0.1:1/v1: ")
    assert "small (weak)" in told and "big (challenger, verifier" in told
    assert not uses_only_testbed(two)


def test_endpoints_that_no_role_uses_need_no_key():
    assert set(build_endpoints(spec_of(), {}, lambda text: None)) == {"testbed"}


def test_a_key_is_found_under_the_name_the_endpoint_gives_and_never_shown():
    flags = ["models.default.endpoint=openai", "models.endpoints.openai.api_key_env=MY_KEY"]
    with pytest.raises(SpecError, match="MY_KEY is not set"):
        build_endpoints(spec_of(*flags), {"OPENAI_API_KEY": "sk-wrong"}, lambda text: None)
    built = build_endpoints(spec_of(*flags), {"MY_KEY": "sk-hunter2"}, lambda text: None)
    assert "hunter2" not in repr(built)


def test_the_testbeds_source_is_part_of_what_is_frozen_and_its_proposing_roles_are_not():
    judge = evaluated_models(spec_of(), HARNESS)["judge"]
    assert judge["code"] == program_hash("testbed-judge")
    assert program_hash("testbed-judge") != program_hash("testbed-weak")
    served = ["models.endpoints.openai.base_url=http://127.0.0.1:1/v1", "models.default.endpoint=openai"]
    assert "code" not in evaluated_models(spec_of(*served), HARNESS)["judge"]
