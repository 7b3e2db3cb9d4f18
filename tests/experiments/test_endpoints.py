"""From the names of variables to keys, and what is refused because it is a key, or cannot be one."""

import traceback

import pytest

from studbook.errors import SpecError
from studbook.experiments.cli.main import main
from studbook.experiments.run.models import build_endpoints, key_header, other_secrets
from studbook.experiments.spec.loading import load_spec
from studbook.experiments.spec.model import Spec
from studbook.llm.secrets import Secret

SECRET = "S3cretS3cret9"
HEX_KEY = "0123456789abcdef0123456789abcdef"


def spec(**endpoint: str) -> Spec:
    return Spec.model_validate(
        {
            "version": 1,
            "name": "x",
            "models": {"default": {"endpoint": "openai", "model": "m"}, "endpoints": {"openai": endpoint}},
        }
    )


@pytest.mark.parametrize(
    "key", ["abc\tdef-1234", "abc\ndef-1234", "abc def-1234", "schlüssel-1234", "abc\x7fdef-1"]
)
def test_a_key_that_no_header_can_carry_is_refused_by_its_variables_name(key):
    with pytest.raises(SpecError, match="the key in OPENAI_API_KEY") as caught:
        build_endpoints(spec(), {"OPENAI_API_KEY": key}, lambda text: None)
    assert key not in str(caught.value)


def test_blanks_around_a_key_are_no_part_of_it():
    built = build_endpoints(spec(), {"OPENAI_API_KEY": f" {SECRET}\r\n"}, lambda text: None)
    assert list(built) == ["openai"]


def test_headers_and_proxies_hold_secrets_too():
    environment = {
        "OPENAI_CUSTOM_HEADERS": "X-One: secret-one\nX-Two:secret-two",
        "HTTPS_PROXY": "http://user:pass%40word@proxy:3128",
        "http_proxy": "http://token-only@proxy:3128",
        "no_proxy": "a@b",
    }
    assert [secret.reveal() for secret in other_secrets(environment)] == [
        "secret-one",
        "secret-two",
        "pass@word",
        "token-only",
    ]


@pytest.mark.parametrize(
    "flag",
    [
        f"models.endpoints.openai={SECRET}",
        f"models.endpoints={SECRET}",
        f"models.endpoints.openai.base_url=https://user:{SECRET}@host/v1",
        f"models.endpoints.openai.base_url=https://{SECRET}@host/v1",
        f"models.endpoints.openai.base_url=https://host/v1?api_key={SECRET}",
        f"models.endpoints.openai.base_url=https://host/v1#{SECRET}",
        f"models.endpoints.openai.base_url=https://host:{SECRET}/v1",
        f"models.endpoints.openai.base_url=https://host/sk-{SECRET}{SECRET}/v1",
        f"models.endpoints.openai.base_url={{a: {SECRET}",
        f"models.endpoints.openai.base_url=[{SECRET}]",
        f"models.endpoints.openai.base_url={SECRET}",
        f"models.endpoints.openai.api_key={SECRET}",
        f"models.endpoints.openai.headers={{Authorization: Bearer {SECRET}}}",
        f"models.endpoints.openai.kind={SECRET}",
        f"models.endpoints.openai.api_key_env=sk-{SECRET}",
        f"models.endpoints.openai.api_key_env=sk_{SECRET}",
        f"models.endpoints.openai.api_key_env={HEX_KEY}",
        f"models.endpoints.openai.api_key_env=x{HEX_KEY}",
        f"models.endpoints.openai.timeout_seconds={SECRET}",
        f"models.endpoints.openai.query={{api_key: {SECRET}}}",
        f"models.endpoints.openai.query={{x: {HEX_KEY}}}",
        f"models.endpoints.openai.query={{x: sk-{SECRET}{SECRET}}}",
        f"models.endpoints.openai.api_key_header=x{HEX_KEY}",
    ],
)
@pytest.mark.parametrize("way", ["flag", "environment", "dotenv", "file"])
def test_a_key_in_a_spec_is_refused_and_not_repeated(tmp_path, monkeypatch, capsys, flag, way):
    monkeypatch.chdir(tmp_path)
    key, _, value = flag.partition("=")
    variable = f"STUDBOOK_SPEC_{key.upper().replace('.', '__')}"
    arguments = ["run", "-vv", "--dry-run", "spec.yaml"]
    body = "version: 1\nname: x\n"
    if way == "flag":
        arguments += ["-s", flag]
    elif way == "environment":
        monkeypatch.setenv(variable, value)
    elif way == "dotenv":
        (tmp_path / ".env").write_text(f"{variable}={value}\n")
    else:
        *parents, last = key.split(".")
        body += "".join(f"{'  ' * depth}{name}:\n" for depth, name in enumerate(parents))
        body += f"{'  ' * len(parents)}{last}: {value}\n"
    (tmp_path / "spec.yaml").write_text(body)
    assert main(arguments) == 2
    told = "".join(capsys.readouterr())
    assert "error" in told
    assert SECRET not in told
    assert HEX_KEY not in told
    assert [path.name for path in tmp_path.iterdir() if path.name not in {".env", "spec.yaml"}] == []


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8000/v1",
        "http://[::1]:8000/v1",
        "https://gateway.example/accounts/0123456789abcdef0123456789abcdef/ai/v1",
        "https://host/key-management-service/v1",
        "https://host/@org/v1",
    ],
)
def test_ordinary_addresses_are_taken(address):
    assert spec(base_url=address).models.endpoints["openai"].base_url == address


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "my_key", "Key2", "KEY_OF_PROVIDER_NUMBER_2", "sky_token"]
)
def test_ordinary_names_of_variables_are_taken(name):
    assert spec(api_key_env=name).models.endpoints["openai"].api_key_env == name


@pytest.mark.parametrize("proxy", [f"http://user:{SECRET}/x@127.0.0.1:9", f"htp://user:{SECRET}@127.0.0.1:9"])
def test_a_proxy_that_cannot_be_read_is_told_without_its_password(monkeypatch, proxy):
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    with pytest.raises(SpecError, match="or that of a proxy, cannot be read") as caught:
        build_endpoints(spec(), {"OPENAI_API_KEY": "abc-12345"}, lambda text: None)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


AZURE = "https://lab.openai.azure.com/openai/deployments/small"


@pytest.mark.parametrize(
    ("endpoint", "key", "header"),
    [
        ({"base_url": AZURE}, SECRET, "api-key"),
        ({"base_url": "https://lab.openai.azure.com/openai/v1"}, SECRET, "api-key"),
        ({"base_url": AZURE}, f"eyJ{SECRET}", None),
        ({"base_url": AZURE, "api_key_header": "Authorization"}, SECRET, None),
        ({"base_url": "https://host/v1"}, SECRET, None),
        ({"base_url": "https://host/v1", "api_key_header": "x-api-key"}, SECRET, "x-api-key"),
    ],
)
def test_a_key_goes_into_the_header_that_the_endpoint_reads(endpoint, key, header):
    assert key_header(spec(**endpoint).models.endpoints["openai"], Secret(key)) == header


def test_an_api_version_is_a_query_also_where_yaml_reads_a_date(tmp_path):
    text = "version: 1\nname: x\nmodels:\n  endpoints:\n    openai: {query: {api-version: 2024-10-21}}\n"
    (tmp_path / "spec.yaml").write_text(text)
    loaded = load_spec(tmp_path / "spec.yaml", [])
    assert loaded.models.endpoints["openai"].query == {"api-version": "2024-10-21"}
