"""A variable whose name says what it is for goes nowhere else unless its owner says so."""

import pytest

from studbook.errors import SpecError
from studbook.experiments.run.credentials import is_meant_for
from studbook.experiments.run.environment import UserEnvironment
from studbook.experiments.spec.model import EndpointSpec

SOMEWHERE = "http://somewhere.example/v1"


def endpoint(variable: str | None, address: str | None = SOMEWHERE) -> EndpointSpec:
    return EndpointSpec(kind="openai", base_url=address, api_key_env=variable)


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        (None, SOMEWHERE),
        ("LAB_KEY", SOMEWHERE),
        ("OTHER_SERVICE_TOKEN", SOMEWHERE),
        ("OPENAI_API_KEY", SOMEWHERE),
        ("OPENROUTER_API_KEY", "https://openrouter.ai/api/v1"),
        ("AZURE_OPENAI_API_KEY", "https://me.openai.azure.com/openai/v1"),
        ("AWS_BEARER_TOKEN_BEDROCK", "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"),
        ("GITHUB_TOKEN", "https://models.github.ai/inference"),
        ("GOOGLE_API_KEY", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("HF_TOKEN", "https://router.huggingface.co/v1"),
    ],
)
def test_a_models_key_goes_to_its_models(variable, address):
    assert is_meant_for(endpoint(variable, address))


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("AWS_SECRET_ACCESS_KEY", SOMEWHERE),
        ("AWS_SECRET_ACCESS_KEY", None),
        ("AWS_BEARER_TOKEN_BEDROCK", "https://amazonaws.com.evil.example/v1"),
        ("AWS_BEARER_TOKEN_BEDROCK", "https://evilamazonaws.com/v1"),
        ("GITHUB_TOKEN", SOMEWHERE),
        ("GH_TOKEN", SOMEWHERE),
        ("HF_TOKEN", SOMEWHERE),
        ("NPM_TOKEN", SOMEWHERE),
        ("DB_PASSWORD", SOMEWHERE),
        ("PGPASSWORD", SOMEWHERE),
        ("PATH", SOMEWHERE),
        ("HOME", SOMEWHERE),
    ],
)
def test_what_belongs_to_something_else_is_not_sent(variable, address):
    assert not is_meant_for(endpoint(variable, address))


SPEC = f"""\
version: 1
models:
  endpoints: {{lab: {{kind: openai, base_url: "{SOMEWHERE}", api_key_env: AWS_SECRET_ACCESS_KEY}}}}
  default: {{endpoint: ROLES, model: m}}
"""
USER = UserEnvironment(environment={"AWS_SECRET_ACCESS_KEY": "x"}, dotenv={})


def written(tmp_path, endpoint: str) -> str:
    (tmp_path / "spec.yaml").write_text(SPEC.replace("ROLES", endpoint))
    return str(tmp_path / "spec.yaml")


def test_the_refusal_says_how_to_name_it(tmp_path):
    with pytest.raises(SpecError, match=r"-s models\.endpoints\.lab\.api_key_env=AWS_SECRET_ACCESS_KEY"):
        USER.load(written(tmp_path, "lab"), [])


@pytest.mark.parametrize(
    "flag",
    [
        "models.endpoints.lab.api_key_env=AWS_SECRET_ACCESS_KEY",
        f"models.endpoints.lab={{kind: openai, base_url: '{SOMEWHERE}', api_key_env: AWS_SECRET_ACCESS_KEY}}",
    ],
)
def test_named_on_the_command_line_it_is_sent(tmp_path, flag):
    USER.load(written(tmp_path, "lab"), [flag])


def test_an_endpoint_that_is_not_used_sends_nothing(tmp_path):
    USER.load(written(tmp_path, "testbed"), [])
