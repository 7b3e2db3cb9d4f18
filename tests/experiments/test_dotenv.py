"""A `.env` may hold keys and settings; what it changes is shown, and no key of the user goes its way."""

from pathlib import Path

import pytest

from studbook.errors import SpecError
from studbook.experiments.run.environment import UserEnvironment
from studbook.experiments.run.foreign import Consent
from studbook.experiments.run.models import open_endpoints
from studbook.experiments.run.provenance import Provenance

EVIL = "http://evil.example/v1"
THEFT = f"{{kind: openai, base_url: {EVIL}, api_key_env: AWS_SECRET}}"
SECTION = f"{{default: {{endpoint: openai, model: m}}, endpoints: {{openai: {{base_url: {EVIL}}}}}}}"
LAB = """\
version: 1
name: own
sandbox: {sandbox}
models:
  endpoints: {{lab: {{kind: openai, base_url: "http://lab.example/v1", api_key_env: LAB_KEY}}}}
  default: {{endpoint: {endpoint}, model: m}}
"""


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is named here is not remembered elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def user(dotenv: dict[str, str], **environment: str) -> UserEnvironment:
    return UserEnvironment(environment=environment, dotenv=dotenv)


@pytest.fixture
def write(tmp_path: Path):
    def make(endpoint: str = "openai", sandbox: str = "process") -> str:
        path = tmp_path / "own.yaml"
        path.write_text(LAB.format(endpoint=endpoint, sandbox=sandbox))
        return str(path)

    return make


@pytest.mark.parametrize(
    ("dotenv", "endpoint"),
    [
        ({"OPENAI_BASE_URL": EVIL}, "openai"),
        ({"STUDBOOK_SPEC_MODELS__ENDPOINTS__OPENAI__BASE_URL": EVIL}, "openai"),
        (
            {"STUDBOOK_SPEC_MODELS__ENDPOINTS__OPENAI": THEFT},
            "openai",
        ),
        ({"STUDBOOK_SPEC_MODELS__ENDPOINTS__LAB__BASE_URL": EVIL}, "lab"),
        ({"STUDBOOK_SPEC_MODELS__ENDPOINTS__LAB__API_KEY_ENV": "AWS_SECRET"}, "lab"),
        (
            {
                "STUDBOOK_SPEC_MODELS__ENDPOINTS__NEW": THEFT,
                "STUDBOOK_SPEC_MODELS__DEFAULT__ENDPOINT": "new",
            },
            "openai",
        ),
        (
            {"STUDBOOK_SPEC_MODELS": SECTION},
            "openai",
        ),
        ({"OPENAI_BASE_URL": EVIL, "OPENAI_API_KEY": " "}, "openai"),
        ({"STUDBOOK_SPEC_MODELS__ENDPOINTS__OPENAI__API_KEY_ENV": "AWS_SECRET"}, "openai"),
    ],
)
def test_no_key_of_the_environment_goes_where_only_a_dotenv_says(write, dotenv, endpoint):
    own = {"OPENAI_API_KEY": "sk-own", "LAB_KEY": "lab-own", "AWS_SECRET": "aws-own"}
    with pytest.raises(SpecError, match="which is in your environment") as caught:
        user(dotenv, **own).load(write(endpoint), [])
    assert "own" not in str(caught.value).replace("own.yaml", "")
    assert "say so: -s" in str(caught.value)
    assert "to None" not in str(caught.value)


def test_an_address_given_by_flag_or_environment_beats_the_dotenv_and_takes_the_users_key(write):
    own = user({"OPENAI_BASE_URL": EVIL}, OPENAI_API_KEY="sk-own")
    spec = own.load(write(), [f"models.endpoints.openai.base_url={EVIL}"])
    assert spec.models.endpoints["openai"].base_url == EVIL
    named = user({"OPENAI_BASE_URL": EVIL}, OPENAI_API_KEY="sk-own", OPENAI_BASE_URL="http://own.example/v1")
    assert named.load(write(), []).models.endpoints["openai"].base_url == "http://own.example/v1"


def test_an_address_and_a_key_of_one_dotenv_go_together(write):
    pair = user({"OPENAI_BASE_URL": EVIL, "OPENAI_API_KEY": "sk-theirs"}, OPENAI_API_KEY="sk-own")
    pair.load(write(), [])
    assert pair.variables["OPENAI_API_KEY"] == "sk-theirs"


def test_a_key_of_a_dotenv_goes_to_the_users_address(write):
    mixed = user({"OPENAI_API_KEY": "sk-theirs"}, OPENAI_BASE_URL="http://own.example/v1")
    mixed.load(write(), [])
    assert mixed.variables["OPENAI_API_KEY"] == "sk-theirs"


def test_an_address_without_a_key_is_only_shown(write):
    said: list[str] = []
    user({"OPENAI_BASE_URL": EVIL}).load(write(), [], said.append)
    assert said == [f".env OPENAI_BASE_URL sets models.endpoints.openai.base_url: {EVIL}"]


def test_an_endpoint_that_no_role_uses_needs_no_agreement(write):
    user({"OPENAI_BASE_URL": EVIL}, OPENAI_API_KEY="sk-own").load(write("lab"), [])


@pytest.mark.parametrize(
    ("of_the_spec", "of_the_dotenv"),
    [("docker", "process"), ("auto", "process"), ("docker", "auto"), ("docker", "{kind: process}")],
)
def test_a_dotenv_does_not_weaken_the_sandbox(write, of_the_spec, of_the_dotenv):
    with pytest.raises(SpecError, match="STUDBOOK_SPEC_SANDBOX would choose the"):
        user({"STUDBOOK_SPEC_SANDBOX": of_the_dotenv}).load(write("testbed", of_the_spec), [])
    with pytest.raises(SpecError, match="STUDBOOK_SPEC_SANDBOX__KIND would choose the"):
        user({"STUDBOOK_SPEC_SANDBOX__KIND": "process"}).load(write("testbed", "docker"), [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SANDBOX__RUNTIME", "loose"),
        ("SANDBOX__LIMITS__MEMORY_MEGABYTES", "9000"),
        ("SANDBOX__IMAGE", "evil.example/image"),
        ("SANDBOX", "{kind: docker, runtime: loose}"),
    ],
)
def test_nor_by_its_runtime_its_limits_or_its_image(write, name, value):
    with pytest.raises(SpecError, match="would set sandbox"):
        user({f"STUDBOOK_SPEC_{name}": value}).load(write("testbed", "docker"), [])


@pytest.mark.parametrize(
    ("name", "value"),
    [("PATH", "{path: private}"), ("CORPUS__PATH", "private"), ("CORPUS__TRAIN", "private")],
)
def test_a_dotenv_does_not_choose_both_papers_and_their_address(write, name, value):
    name = "STUDBOOK_SPEC_CORPUS" if name == "PATH" else f"STUDBOOK_SPEC_{name}"
    others = {f"STUDBOOK_SPEC_CORPUS__{each}": "private" for each in ("VALIDATION", "TEST")}
    dotenv = {name: value, **(others if name.endswith("TRAIN") else {})}
    with pytest.raises(SpecError, match="would say which papers are read"):
        user({**dotenv, "OPENAI_BASE_URL": EVIL, "OPENAI_API_KEY": "sk-theirs"}).load(write(), [])
    user(dotenv).load(write(), [])
    user({**dotenv, "OPENAI_BASE_URL": EVIL}).load(write("testbed"), [])


def test_an_address_of_a_dotenv_is_not_one_that_the_user_named(write):
    spec = user({}).load(write(), [])
    theirs = user({"OPENAI_BASE_URL": EVIL, "OPENAI_API_KEY": "sk-theirs"})
    resumed = theirs.resume(spec, ["models.endpoints.openai.concurrency=2"])
    assert resumed.named == {"models.endpoints.openai.concurrency"}
    foreign = Provenance(is_own=False, reason="it has no mark of yours")
    consent = Consent(run="shared", provenance=foreign, command="studbook resume shared", adopting="adopt")
    with pytest.raises(SpecError, match=rf"-s models\.endpoints\.openai\.base_url={EVIL}"):
        consent.check_endpoints(resumed.spec, resumed.named)
    exported = user({"OPENAI_BASE_URL": EVIL}, OPENAI_BASE_URL="http://own.example/v1")
    assert exported.resume(spec, []).named == {"models.endpoints.openai.base_url"}


@pytest.mark.parametrize("flag", ["sandbox=process", "sandbox.kind=process"])
def test_who_names_the_weaker_sandbox_gets_it(write, flag):
    loaded = user({"STUDBOOK_SPEC_SANDBOX": "process"}).load(write("testbed", "docker"), [flag])
    assert loaded.sandbox.kind == "process"


@pytest.mark.parametrize(
    ("of_the_spec", "of_the_dotenv"), [("process", "docker"), ("auto", "docker"), ("process", "process")]
)
def test_a_dotenv_may_choose_a_sandbox_that_contains_no_less(write, of_the_spec, of_the_dotenv):
    said: list[str] = []
    spec = user({"STUDBOOK_SPEC_SANDBOX": of_the_dotenv}).load(write("testbed", of_the_spec), [], said.append)
    assert spec.sandbox.kind == of_the_dotenv
    assert said == [f".env STUDBOOK_SPEC_SANDBOX sets sandbox: {of_the_dotenv}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEARCH__SELECTION", "evil:Selection"),
        ("SEARCH", "{selection: {name: 'evil:Selection'}}"),
        ("EVALUATOR__PREDICATE", "{name: 'subprocess:Popen', params: {args: [id]}}"),
        ("CORPUS__READERS", "['evil:Reader']"),
        ("DISPLAY", "evil:Display"),
        ("MODELS__ENDPOINTS__OPENAI__KIND", "evil:Kind"),
    ],
)
def test_a_dotenv_names_no_code(write, name, value):
    with pytest.raises(SpecError, match="would name the code of the"):
        user({f"STUDBOOK_SPEC_{name}": value}).load(write(), [])


def test_what_a_dotenv_changes_is_shown_and_nothing_else(write):
    said: list[str] = []
    dotenv = {
        "OPENAI_API_KEY": "sk-theirs",
        "STUDBOOK_SPEC_WORKERS": "3",
        "STUDBOOK_SPEC_SEED": "4",
        "OTHER": "x",
    }
    user(dotenv, STUDBOOK_SPEC_SEED="5").load(write(), [], said.append)
    key = ".env gives the key in OPENAI_API_KEY"
    assert said == [".env STUDBOOK_SPEC_WORKERS sets workers: 3", key]
    assert shown_keys(write("lab"), dotenv) == []  # no model of the spec uses it
    assert shown_keys(write(), dotenv, OPENAI_API_KEY="sk-own") == []
    assert shown_keys(write(), {**dotenv, "OPENAI_BASE_URL": EVIL}, OPENAI_API_KEY="sk-own") == [key]


def shown_keys(spec: str, dotenv: dict[str, str], **environment: str) -> list[str]:
    said: list[str] = []
    user(dotenv, **environment).load(spec, [], said.append)
    return [line for line in said if "key" in line]


def test_a_control_character_in_a_dotenv_does_not_reach_the_terminal(write):
    said: list[str] = []
    user({"STUDBOOK_SPEC_MODELS__DEFAULT__MODEL": '"a\\x1b[2Jb"'}).load(write("testbed"), [], said.append)
    assert "\x1b" not in said[0]


def test_a_resumed_run_gives_no_key_to_the_address_of_a_dotenv(write):
    spec = user({}).load(write(), [])
    with pytest.raises(SpecError, match="which is in your environment"):
        user({"OPENAI_BASE_URL": EVIL}, OPENAI_API_KEY="sk-own").resume(spec, [])
    assert user({"OPENAI_BASE_URL": EVIL}).resume(spec, []).spec.models.endpoints["openai"].base_url == EVIL


def test_the_keys_that_are_sent_are_those_that_were_checked(write):
    pair = user({"OPENAI_BASE_URL": EVIL, "OPENAI_API_KEY": "sk-theirs"}, OPENAI_API_KEY="sk-own")
    with open_endpoints(pair.load(write(), []), pair.variables, print) as endpoints:
        assert set(endpoints) == {"openai"}
