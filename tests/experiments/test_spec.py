"""Specs: defaults, precedence, overrides, and what a mistake is told."""

from pathlib import Path

import pytest
import yaml

from studbook.errors import SpecError
from studbook.experiments.spec.loading import load_spec, read_resolved, write_resolved
from studbook.experiments.spec.model import Spec
from studbook.experiments.spec.resuming import resume_spec, spec_hash

MINIMAL = "version: 1\nname: trial\n"


@pytest.fixture
def spec_file(tmp_path):
    return tmp_path / "trial.yaml"


def load(path: Path, text: str, *flags: str, **layers) -> Spec:
    path.write_text(text, encoding="utf-8")
    return load_spec(path, flags, **layers)


def test_a_minimal_spec_gets_the_published_defaults(spec_file):
    spec = load(spec_file, MINIMAL)
    assert (spec.corpus.splits.train, spec.corpus.splits.validation, spec.corpus.splits.test) == (50, 25, 25)
    assert (spec.search.temperature, spec.search.selection.name) == (0.1, "boltzmann")
    assert spec.evaluator.predicate.name == "deployed"
    assert spec.sandbox.kind == "auto"
    assert {role.endpoint for role in spec.models.roles.values()} == {"testbed"}


def test_solvers_sample_at_temperature_one_and_markers_at_zero(spec_file):
    evaluator = load(spec_file, MINIMAL).evaluator
    assert (evaluator.solver_temperature, evaluator.judge_temperature) == (1.0, 0.0)


def test_a_default_temperature_does_not_reach_the_frozen_roles(spec_file):
    roles = load(spec_file, MINIMAL + "models: {default: {temperature: 0.3}}\n").models.roles
    assert (roles["challenger"].temperature, roles["weak"].temperature) == (0.3, None)


def test_a_temperature_of_a_frozen_role_is_pointed_to_the_evaluator(spec_file):
    with pytest.raises(SpecError, match=r"roles\.judge\.temperature is set as evaluator\.judge_temperature"):
        load(spec_file, MINIMAL + "models: {roles: {judge: {temperature: 1.0}}}\n")


def test_one_default_model_serves_every_role_but_those_that_say_otherwise(spec_file):
    text = MINIMAL + "models: {default: {endpoint: openai, model: big}, roles: {weak: {model: small}}}\n"
    roles = load(spec_file, text).models.roles
    assert (roles["challenger"].endpoint, roles["challenger"].model) == ("openai", "big")
    assert (roles["weak"].endpoint, roles["weak"].model, roles["weak"].temperature) == (
        "openai",
        "small",
        None,
    )


def test_a_flag_beats_the_environment_beats_dotenv_beats_yaml(spec_file):
    text = MINIMAL + "search: {iterations: 1}\n"
    name = "STUDBOOK_SPEC_SEARCH__ITERATIONS"
    assert load(spec_file, text).search.iterations == 1
    assert load(spec_file, text, dotenv={name: "2"}).search.iterations == 2
    assert load(spec_file, text, dotenv={name: "2"}, environment={name: "3"}).search.iterations == 3
    flagged = load(spec_file, text, "search.iterations=4", dotenv={name: "2"}, environment={name: "3"})
    assert flagged.search.iterations == 4


def test_openai_base_url_sets_the_address_of_the_endpoint_openai(spec_file):
    spec = load(spec_file, MINIMAL, environment={"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})
    assert spec.models.endpoints["openai"].base_url == "http://127.0.0.1:1/v1"


def test_the_sandbox_may_be_one_word_and_a_flag_keeps_its_other_keys(spec_file):
    assert load(spec_file, MINIMAL + "sandbox: process\n").sandbox.kind == "process"
    spec = load(spec_file, MINIMAL + "sandbox: {kind: docker, image: 'python:3.12'}\n", "sandbox=auto")
    assert (spec.sandbox.kind, spec.sandbox.image) == ("auto", "python:3.12")


@pytest.mark.parametrize(
    ("text", "flags", "told"),
    [
        ("serch: {}", [], ["unknown key serch", "did you mean search?"]),
        (
            "search: {temprature: 1}",
            [],
            ["unknown key search.temprature", "did you mean search.temperature?"],
        ),
        (
            "",
            ["search.temperatur=1"],
            ["-s: unknown key search.temperatur", "did you mean search.temperature?"],
        ),
        ("models: {roles: {weka: {model: x}}}", [], ["models.roles.weka", "did you mean models.roles.weak?"]),
        ("models: {roles: {weak: {modl: x}}}", [], ["models.roles.weak.modl", "models.roles.weak.model?"]),
        ("models: {endpoints: {a: {kin: openai}}}", [], ["did you mean models.endpoints.a.kind?"]),
        ("models: {default: {endpoint: nowhere}}", [], ["'nowhere'", "it has testbed, openai"]),
        ("search: {iterations: -1}", [], ["search.iterations", "must be at least 0", "got -1"]),
        ("search: {temperature: .nan}", [], ["search.temperature", "finite"]),
        ("search: {temperature: 0}", [], ["search.temperature", "must be greater than 0"]),
        ("models: {default: {endpoint: nowhere}}", ["display=none"], ["'nowhere'"]),
        ("workers: '2'", [], ["workers", "must be a whole number", "got '2'"]),
        (
            "sandbox: doker",
            [],
            ["sandbox.kind", "named 'doker'; did you mean 'docker'?", "auto, docker, process"],
        ),
        ("", ["sandbox=doker"], ["-s sandbox", "named 'doker'"]),
        ("search: 3", [], ["search: must be a mapping of keys"]),
        ("corpus: {train: a}", [], ["give all of the paths train, validation and test"]),
        ("corpus: {path: a, train: a, validation: b, test: c}", [], ["either path or the three paths"]),
        (
            "models: {default: {endpoint: openai, model: m}}\nbudget: {dollars: 5}",
            [],
            ["budget.dollars needs prices", "models.roles.challenger", "0 for a free endpoint"],
        ),
        (
            "models: {default: {extra_body: {messages: []}}}",
            [],
            ["extra_body", "messages is set by Studbook"],
        ),
        (
            "models: {default: {extra_body: {max_tokens: 100}}}",
            [],
            ["extra_body", "max_tokens is set by Studbook"],
        ),
        (
            "models: {default: {extra_body: {stream: true}}}",
            [],
            ["extra_body", "stream is set by Studbook"],
        ),
        (
            "models: {default: {extra_body: {a: {b: sk-abcdefghijklmnop12345}}}}",
            [],
            ["extra_body", "no key"],
        ),
        ("name: 'no/slash'", [], ["name"]),
        ("", ["search.iterations"], ["is not key=value"]),
        ("", ["=3"], ["is not key=value"]),
        ("a: [", [], ["trial.yaml, line 4"]),
        ("workers: 1\nworkers: 2", [], ["line 4: key `workers` is given twice"]),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_nearest_key(spec_file, text, flags, told):
    with pytest.raises(SpecError) as caught:
        load(spec_file, MINIMAL + text + "\n" if "name" not in text else f"version: 1\n{text}\n", *flags)
    message = str(caught.value)
    assert all(words in message for words in told), message
    assert len(message.splitlines()) <= 3


@pytest.mark.parametrize("text", ["", "- a\n", "3\n"])
def test_a_spec_that_is_no_mapping_is_refused(spec_file, text):
    with pytest.raises(SpecError, match="must hold a mapping of keys"):
        load(spec_file, text)


def test_a_missing_version_is_asked_for(spec_file):
    with pytest.raises(SpecError, match="the key version is missing"):
        load(spec_file, "name: trial\n")


def test_a_missing_spec_names_the_nearest_file(tmp_path):
    (tmp_path / "quickstart.yaml").write_text(MINIMAL)
    with pytest.raises(SpecError, match=r"did you mean .*quickstart\.yaml"):
        load_spec(tmp_path / "quikstart.yaml")


@pytest.mark.parametrize("url", ["http://me:hunter2@host/v1", "https://host/v1?key=hunter2"])
def test_a_secret_in_an_address_is_refused_and_not_repeated(spec_file, url):
    with pytest.raises(SpecError) as caught:
        load(spec_file, MINIMAL + f"models: {{endpoints: {{openai: {{base_url: '{url}'}}}}}}\n")
    assert "api_key_env" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_key_where_the_name_of_a_variable_belongs_is_refused_and_not_repeated(spec_file):
    with pytest.raises(SpecError) as caught:
        load(spec_file, MINIMAL + "models: {endpoints: {openai: {api_key_env: sk-abc123}}}\n")
    assert "never the key itself" in str(caught.value)
    assert "abc123" not in str(caught.value)


def test_a_resolved_spec_reads_back_as_the_same_spec(spec_file, tmp_path):
    spec = load(spec_file, MINIMAL + "models: {roles: {weak: {max_tokens: 7}}}\nsandbox: process\n")
    written = tmp_path / "spec.resolved.yaml"
    written.write_text(write_resolved(spec), encoding="utf-8")
    assert read_resolved(written) == spec
    assert yaml.safe_load(written.read_text())["models"]["roles"]["weak"]["max_tokens"] == 7


def test_flag_paths_start_here_and_yaml_paths_beside_the_spec(tmp_path):
    beside, here = tmp_path / "specs", tmp_path / "here"
    (beside / "papers").mkdir(parents=True)
    (here / "mine").mkdir(parents=True)
    path = beside / "trial.yaml"
    assert load(path, MINIMAL + "corpus: {path: papers}\n", folder=here).corpus.path == f"{beside}/papers"
    flagged = load(path, MINIMAL + "corpus: {path: papers}\n", "corpus.path=mine", folder=here)
    assert flagged.corpus.path == f"{here}/mine"


@pytest.mark.parametrize(
    ("flags", "workers", "speculation"),
    [
        ((), 8, 0.0),
        (("models.endpoints.testbed.concurrency=64",), 64, 0.25),
        (("models.endpoints.testbed.concurrency=64", "workers=15"), 15, 0.0),
        (("models.endpoints.testbed.concurrency=64", "speculation=0"), 64, 0.0),
        (("models.endpoints.openai.concurrency=64",), 8, 0.0),  # no role uses it
        (
            (
                "models.endpoints.openai={base_url: 'http://127.0.0.1:1/v1', concurrency: 20}",
                "models.roles.weak={endpoint: openai, model: m}",
            ),
            20,
            0.25,
        ),
    ],
)
def test_workers_follow_the_slots_of_the_endpoints_in_use(spec_file, flags, workers, speculation):
    spec = load(spec_file, MINIMAL, *flags)
    assert (spec.workers, spec.speculation) == (workers, speculation)


def test_the_hash_of_a_spec_ignores_workers_and_length_and_sees_the_search(spec_file):
    plain = spec_hash(load(spec_file, MINIMAL))
    assert spec_hash(load(spec_file, MINIMAL, "workers=1")) == plain
    assert spec_hash(load(spec_file, MINIMAL, "speculation=1")) == plain
    assert spec_hash(load(spec_file, MINIMAL, "models.patience_minutes=1", "models.retries=2")) == plain
    assert spec_hash(load(spec_file, MINIMAL, "search.iterations=99", "search.patience=3")) == plain
    assert spec_hash(load(spec_file, MINIMAL, "search.minibatch=99")) != plain


def test_a_budget_in_dollars_takes_a_price_of_zero_that_is_written_down(spec_file):
    free = "{endpoint: openai, model: m, dollars_per_million_input: 0, dollars_per_million_output: 0}"
    assert (
        load(spec_file, MINIMAL + f"models: {{default: {free}}}\nbudget: {{dollars: 5}}\n").budget.dollars
        == 5
    )
    assert load(spec_file, MINIMAL + "budget: {dollars: 5}\n").budget.dollars == 5, (
        "the testbed costs nothing"
    )


def test_only_the_endpoint_openai_gets_the_key_that_is_named_after_it(spec_file):
    text = MINIMAL + "models: {endpoints: {lab: {kind: openai, base_url: 'http://lab/v1'}}}\n"
    endpoints = load(spec_file, text).models.endpoints
    assert endpoints["openai"].api_key_env == "OPENAI_API_KEY"
    assert endpoints["lab"].api_key_env is None


def test_further_fields_are_part_of_the_experiment_and_none_leave_its_name_as_it_was(spec_file):
    plain, empty, more = (
        spec_hash(load(spec_file, MINIMAL + f"models: {{roles: {{weak: {{model: x{text}}}}}}}\n"))
        for text in ("", ", extra_body: {}", ", extra_body: {top_k: 5}")
    )
    assert plain == empty != more


@pytest.mark.parametrize(
    "moved",
    [
        "models.endpoints.openai.base_url=http://other/v1",
        "models.endpoints.openai.api_key_env=OTHER",
        "models.endpoints.openai.api_key_header=api-key",
        "models.endpoints.openai.query={api-version: v2}",
        "models.endpoints.openai.stream=true",
        "models.endpoints.openai.timeout_seconds=9",
        "models.endpoints.openai.concurrency=64",
        "models.roles.weak.dollars_per_million_input=1",
        "models.roles.weak.dollars_per_million_cached_input=1",
        "models.roles.weak.dollars_per_million_output=1",
        "models.retries=1",
        "workers=9",
        "corpus.path=elsewhere",
    ],
)
def test_where_something_is_may_change_at_a_resume_and_is_not_hashed(spec_file, moved):
    plain = load(spec_file, MINIMAL)
    resumed = resume_spec(plain, [moved])
    assert resumed.spec != plain
    assert spec_hash(resumed.spec) == spec_hash(plain)
    (change,) = resumed.changes
    assert change.startswith(moved.partition("=")[0].partition("{")[0])


@pytest.mark.parametrize(
    "fixed",
    ["models.roles.weak.model=m", "models.endpoints.openai={}", "seed=2", "corpus.seed=1", "harness=x"],
)
def test_what_defines_the_experiment_may_not_change_at_a_resume(spec_file, fixed):
    with pytest.raises(SpecError, match="a resumed run keeps its spec"):
        resume_spec(load(spec_file, MINIMAL), [fixed])


def test_the_address_variable_counts_at_a_resume_if_its_endpoint_is_used(spec_file):
    used = load(spec_file, MINIMAL + "models: {default: {endpoint: openai, model: m}}\n")
    variables = {"OPENAI_BASE_URL": "http://new/v1", "STUDBOOK_SPEC_SEED": "5"}
    resumed = resume_spec(used, [], environment=variables, dotenv={"OPENAI_BASE_URL": "http://old/v1"})
    assert resumed.spec.models.endpoints["openai"].base_url == "http://new/v1"
    assert resumed.spec.seed == used.seed
    assert resumed.changes == (
        "models.endpoints.openai.base_url: not set → http://new/v1 (environment OPENAI_BASE_URL)",
    )
    assert resume_spec(load(spec_file, MINIMAL), [], environment=variables).changes == ()


def test_one_folder_replaces_the_three_of_the_splits(spec_file, tmp_path):
    text = MINIMAL + "corpus: {train: a, validation: b, test: c}\n"
    corpus = resume_spec(load(spec_file, text), [], papers=str(tmp_path)).spec.corpus
    assert (corpus.path, corpus.train, corpus.validation, corpus.test) == (str(tmp_path), None, None, None)
