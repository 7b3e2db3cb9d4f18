"""A key goes to the service it is for, to this machine, and where its owner said that it may go."""

import stat
from pathlib import Path

import pytest

from studbook.errors import SpecError
from studbook.experiments.run.credentials import NAMED, is_meant_for
from studbook.experiments.run.environment import UserEnvironment
from studbook.experiments.run.models import models_line
from studbook.experiments.spec.loading import load_spec
from studbook.experiments.spec.model import EndpointSpec

SOMEWHERE = "https://somewhere.example/v1"


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What is remembered here is not remembered elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "studbook"


def endpoint(variable: str | None, address: str | None = SOMEWHERE) -> EndpointSpec:
    return EndpointSpec(kind="openai", base_url=address, api_key_env=variable)


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        (None, SOMEWHERE),
        ("OPENAI_API_KEY", None),
        ("OPENAI_API_KEY", "https://api.openai.com/v1"),
        ("OPENAI_API_KEY", "https://eu.api.openai.com/v1"),
        ("OPENROUTER_API_KEY", "https://openrouter.ai/api/v1"),
        ("ANTHROPIC_API_KEY", "https://api.anthropic.com/v1"),
        ("AZURE_OPENAI_API_KEY", "https://me.openai.azure.com/openai/v1"),
        ("GITHUB_TOKEN", "https://models.github.ai/inference"),
        ("GOOGLE_API_KEY", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("HF_TOKEN", "https://router.huggingface.co/v1"),
        ("LAB_KEY", "http://127.0.0.1:8000/v1"),
        ("LAB_KEY", "http://127.8.9.1/v1"),
        ("LAB_KEY", "http://[::1]:8000/v1"),
        ("LAB_KEY", "http://LocalHost:8000/v1"),
    ],
)
def test_a_models_key_goes_to_its_models_and_to_this_machine(variable, address):
    assert is_meant_for(endpoint(variable, address))


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("OPENAI_API_KEY", SOMEWHERE),
        ("OPENAI_API_KEY", "http://api.openai.com/v1"),
        ("OPENAI_API_KEY", "https://api.openai.com.evil.example/v1"),
        ("OPENAI_API_KEY", "https://evilapi.openai.com/v1"),
        ("OPENAI_API_KEY", "https://evil.example/api.openai.com"),
        ("ANTHROPIC_API_KEY", SOMEWHERE),
        ("ANTHROPIC_API_KEY", None),
        ("CLOUDFLARE_API_TOKEN", SOMEWHERE),
        ("MY_DB_PASS", SOMEWHERE),
        ("LAB_KEY", SOMEWHERE),
        ("LAB_KEY", "http://localhost.evil.example/v1"),
        ("LAB_KEY", "http://127.0.0.1.evil.example/v1"),
        ("AZURE_OPENAI_API_KEY", "https://a.b.openai.azure.com/v1"),
        ("AWS_SECRET_ACCESS_KEY", None),
        ("AWS_BEARER_TOKEN_BEDROCK", "https://mine.execute-api.us-east-1.amazonaws.com/v1"),
        ("GITHUB_TOKEN", "https://evil.azure.com/v1"),
        ("GOOGLE_API_KEY", "https://storage.googleapis.com/evil"),
        ("HF_TOKEN", "https://evil.endpoints.huggingface.cloud/v1"),
        ("PATH", SOMEWHERE),
    ],
)
def test_to_any_other_address_its_owner_is_asked(variable, address):
    assert not is_meant_for(endpoint(variable, address))


SPEC = """\
version: 1
models:
  endpoints: {{lab: {{kind: openai, base_url: "{address}", api_key_env: {variable}}}}}
  default: {{endpoint: {endpoint}, model: m}}
"""
BASE = f"models.endpoints.lab.base_url={SOMEWHERE}"
KEY = "models.endpoints.lab.api_key_env=LAB_KEY"


def user(**environment: str) -> UserEnvironment:
    return UserEnvironment(environment={"LAB_KEY": "x", "OPENAI_API_KEY": "y", **environment}, dotenv={})


@pytest.fixture
def write(tmp_path: Path):
    def make(endpoint: str = "lab", variable: str = "LAB_KEY", address: str = SOMEWHERE) -> str:
        path = tmp_path / "spec.yaml"
        path.write_text(SPEC.format(endpoint=endpoint, variable=variable, address=address))
        return str(path)

    return make


def test_the_refusal_shows_variable_and_address_and_the_flags_that_name_them(write, state):
    with pytest.raises(SpecError) as caught:
        user().load(write(), [])
    assert f"the key in LAB_KEY to {SOMEWHERE}" in str(caught.value)
    assert f"say so once: -s {BASE} -s {KEY}" in str(caught.value)
    assert not (state / NAMED).exists()


@pytest.mark.parametrize("flag", [BASE, KEY, "models.endpoints.lab.concurrency=2"])
def test_naming_one_of_the_two_is_not_enough(write, flag):
    with pytest.raises(SpecError, match="say so once"):
        user().load(write(), [flag])


@pytest.mark.parametrize(
    "flags",
    [
        [BASE, KEY],
        [f"models.endpoints.lab={{kind: openai, base_url: '{SOMEWHERE}', api_key_env: LAB_KEY}}"],
    ],
)
def test_named_once_on_the_command_line_it_is_remembered_in_a_private_file(write, state, flags):
    user().load(write(), flags)
    assert stat.S_IMODE((state / NAMED).stat().st_mode) == 0o600
    user().load(write(), [])
    for other in (write(address=f"{SOMEWHERE}/other"), write(variable="OPENAI_API_KEY")):
        with pytest.raises(SpecError, match="say so once"):
            user().load(other, [])


def test_what_others_could_have_written_is_not_remembered(write, state):
    user().load(write(), [BASE, KEY])
    (state / NAMED).chmod(0o644)
    with pytest.raises(SpecError, match="say so once"):
        user().load(write(), [])


def test_named_by_the_environment_it_is_sent_and_not_remembered(write, state):
    pair = {
        "STUDBOOK_SPEC_MODELS__ENDPOINTS__LAB__BASE_URL": SOMEWHERE,
        "STUDBOOK_SPEC_MODELS__ENDPOINTS__LAB__API_KEY_ENV": "LAB_KEY",
    }
    user(**pair).load(write(), [])
    user(OPENAI_BASE_URL=SOMEWHERE).load(write("openai"), [])
    assert not (state / NAMED).exists()


def test_openais_address_in_a_spec_file_is_asked_about(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(
        "version: 1\nmodels:\n  endpoints: {openai: {base_url: 'https://somewhere.example/v1'}}\n"
        "  default: {endpoint: openai, model: m}\n"
    )
    with pytest.raises(SpecError, match=r"once: -s models\.endpoints\.openai\.base_url=\S+$"):
        user().load(str(path), [])


def test_a_key_of_a_dotenv_does_not_go_where_a_spec_file_says(write):
    with pytest.raises(SpecError, match="say so once"):
        UserEnvironment(environment={}, dotenv={"LAB_KEY": "x"}).load(write(), [])


def test_a_dotenv_names_nothing(write):
    variables = {
        "LAB_KEY": "x",
        "STUDBOOK_SPEC_MODELS__ENDPOINTS__LAB__API_KEY_ENV": "LAB_KEY",
    }
    with pytest.raises(SpecError, match="say so once"):
        UserEnvironment(environment={}, dotenv=variables).load(write(), [])


def test_nothing_is_asked_where_nothing_is_sent(write):
    user().load(write("testbed"), [])
    user(LAB_KEY="").load(write(), [])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("openai", f"m at {SOMEWHERE} with the key in OPENAI_API_KEY"),
        ("lab", f"m at {SOMEWHERE} with the key"),
    ],
)
def test_address_and_variable_are_shown(name, shown):
    endpoint = (
        f"models.endpoints.{name}={{kind: openai, base_url: '{SOMEWHERE}', api_key_env: OPENAI_API_KEY}}"
    )
    spec = load_spec(None, [endpoint, f"models.default={{endpoint: {name}, model: m}}"])
    assert models_line(spec, "the testbed").startswith(shown)
