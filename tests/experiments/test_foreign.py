"""A run that somebody else made decides nothing here before this user has said so."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from support.births import run_started, small_run
from support.runs_on_disk import write_run

from studbook.errors import PluginError, SpecError, UsageError
from studbook.evaluate.predicates import PREDICATE
from studbook.experiments.cli.main import main
from studbook.experiments.run.foreign import Consent, decisions_of
from studbook.experiments.run.opening import open_run
from studbook.experiments.run.plugins import distrusting, find_plugin, plugging
from studbook.experiments.run.provenance import OWN, Provenance, mark_as_own
from studbook.experiments.spec.loading import load_spec
from studbook.experiments.spec.model import Choice, SandboxSpec, Spec

THEIRS = Provenance(is_own=False, reason="it has no mark of yours")
ENDPOINTS = (
    "models.endpoints.lab="
    "{kind: openai, base_url: 'http://evil.example/v1', api_key_env: AWS_SECRET_ACCESS_KEY}"
)
BASE = "models.endpoints.lab.base_url"
KEY = "models.endpoints.lab.api_key_env"


def consent(provenance: Provenance = THEIRS, sandbox: str | None = None) -> Consent:
    return Consent(
        run="shared",
        provenance=provenance,
        command="studbook replay shared --level live",
        adopting="studbook adopt shared",
        sandbox=sandbox,
    )


def spec_with(*flags: str) -> Spec:
    return load_spec(None, [ENDPOINTS, *flags])


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")


# -- addresses and keys


def test_addresses_and_key_variables_of_a_foreign_run_are_refused_with_the_command_that_names_them():
    with pytest.raises(SpecError) as caught:
        consent().check_endpoints(spec_with("models.roles.weak.endpoint=lab"), [])
    said = str(caught.value)
    assert (
        "studbook replay shared --level live -s models.endpoints.lab.base_url=http://evil.example/v1 "
        "-s models.endpoints.lab.api_key_env=AWS_SECRET_ACCESS_KEY"
    ) in said
    assert "studbook adopt shared" in said


@pytest.mark.parametrize("named", [[BASE], [KEY]])
def test_naming_one_of_the_two_is_not_enough(named):
    with pytest.raises(SpecError):
        consent().check_endpoints(spec_with("models.roles.weak.endpoint=lab"), named)


def test_named_again_they_are_used():
    consent().check_endpoints(spec_with("models.roles.weak.endpoint=lab"), [BASE, KEY])


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("models.endpoints.openai.query={store: 'yes'}", "models.endpoints.openai.query"),
        ("models.endpoints.openai.api_key_header=X-Other", "models.endpoints.openai.api_key_header"),
        ("models.roles.weak.extra_body={web_search_options: {}}", "models.roles.weak.extra_body"),
    ],
)
def test_what_else_goes_to_a_service_is_asked_about(flag, named):
    """At OpenAI's own address, with its own key: the service may be told to keep the papers, or to search."""
    spec = spec_with("models.default.endpoint=openai", flag)
    with pytest.raises(SpecError, match=re.escape(named)) as caught:
        consent().check_endpoints(spec, [])
    told = shlex.split(next(line for line in str(caught.value).splitlines() if " -s " in line))
    again = told[told.index("-s") + 1]
    assert spec_with("models.default.endpoint=openai", again).models == spec.models
    consent().check_endpoints(spec, [named])


def test_an_endpoint_that_no_role_uses_is_not_asked_about():
    consent().check_endpoints(spec_with(), [])


def test_openai_with_its_own_key_at_its_own_address_needs_no_naming():
    consent().check_endpoints(spec_with("models.default.endpoint=openai"), [])


@pytest.mark.parametrize(
    "flag",
    [
        "models.endpoints.openai.base_url=http://evil.example/v1",
        "models.endpoints.openai.api_key_env=AWS_SECRET_ACCESS_KEY",
    ],
)
def test_another_address_or_variable_of_openai_does(flag):
    with pytest.raises(SpecError):
        consent().check_endpoints(spec_with("models.default.endpoint=openai", flag), [])


def test_a_name_with_shell_signs_is_quoted_in_the_command():
    spec = spec_with(
        'models.endpoints."a;id"={kind: openai, base_url: "http://x/$(id)"}'.replace('"a;id"', "a;id"),
        "models.default.endpoint=a;id",
    )
    with pytest.raises(SpecError, match=r"-s 'models.endpoints.a;id.base_url=http://x/\$\(id\)'"):
        consent().check_endpoints(spec, [])


def test_a_run_of_ones_own_is_not_asked_about():
    consent(OWN).check_endpoints(spec_with("models.roles.weak.endpoint=lab"), [])


def test_what_a_run_wishes_is_listed_before_it_is_adopted():
    spec = spec_with("models.roles.weak.endpoint=lab", "search.selection=my:Own", "sandbox=process")
    assert list(decisions_of(spec)) == [
        ("sandbox", "process"),
        ("selection", "my:Own"),
        (BASE, "http://evil.example/v1"),
        (KEY, "AWS_SECRET_ACCESS_KEY"),
    ]


# -- sandboxes


@pytest.mark.parametrize("kind", ["process", "auto", "docker", "evil:Sandbox"])
@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_a_foreign_run_is_opened_nowhere(kind):
    for open_it in (consent().open_for_replay, consent().open_for_resume, consent().open_for_evaluation):
        with pytest.raises(
            UsageError, match=r"--sandbox (process|auto|docker|evil:Sandbox)\n.*studbook adopt"
        ):
            open_it(SandboxSpec(kind=kind))


@pytest.mark.usefixtures("no_engine")
def test_who_calls_the_library_is_told_the_argument():
    called = Consent(run="shared", provenance=THEIRS, command="", adopting="studbook adopt RUN")
    with pytest.raises(UsageError, match="all the same: sandbox='process'"):
        called.open_for_evaluation(SandboxSpec(kind="auto"))


@pytest.mark.usefixtures("no_engine")
def test_who_names_the_process_sandbox_gets_it():
    named = consent(sandbox="process")
    for open_it in (named.open_for_replay, named.open_for_resume, named.open_for_evaluation):
        sandbox = open_it(SandboxSpec(kind="process"))
        assert sandbox.name == "process"
        sandbox.close()


@pytest.mark.usefixtures("docker_engine")
@pytest.mark.parametrize("kind", ["process", "auto", "docker", "evil:Sandbox"])
def test_with_an_engine_a_foreign_run_is_replayed_in_containers_whatever_it_says(kind):
    sandbox = consent().open_for_replay(SandboxSpec(kind=kind))
    assert (sandbox.name, sandbox.isolates_untrusted_code) == ("docker", True)
    sandbox.close()


@pytest.mark.usefixtures("docker_engine")
def test_an_image_that_is_not_here_is_not_fetched_for_a_foreign_run():
    with pytest.raises(UsageError, match=r"docker pull evil\.example/box:1"):
        consent().open_for_replay(SandboxSpec(kind="docker", image="evil.example/box:1"))


@pytest.mark.usefixtures("docker_engine")
def test_a_foreign_run_is_not_resumed_where_its_code_is_not_contained():
    with pytest.raises(UsageError, match="--sandbox process"):
        consent().open_for_resume(SandboxSpec(kind="process"))


def test_a_resumed_run_keeps_its_sandbox():
    with pytest.raises(UsageError, match="keeps its sandbox"):
        consent(OWN, sandbox="docker").open_for_resume(SandboxSpec(kind="process"))


def test_a_run_of_ones_own_is_opened_as_it_was_made():
    for open_it in (consent(OWN).open_for_replay, consent(OWN).open_for_resume):
        sandbox = open_it(SandboxSpec(kind="process"))
        assert sandbox.name == "process"
        sandbox.close()


# -- code


def own_plugin(folder: Path) -> Choice:
    (folder / "kind_rules.py").write_text(
        "from subprocess import Popen\n\n\nclass Kind:\n    def rule(self):\n        return 'kind'\n"
    )
    return Choice(name="kind_rules:Kind")


@pytest.mark.parametrize("name", ["subprocess:Popen", "kind_rules:Kind", "kind_rules:Popen"])
def test_a_foreign_run_names_no_installed_code_and_none_in_the_current_folder(tmp_path, monkeypatch, name):
    own_plugin(tmp_path)
    monkeypatch.chdir(tmp_path)
    with distrusting(), pytest.raises(PluginError, match="--plugins DIR"):
        find_plugin(PREDICATE, Choice(name=name, params={"args": ["touch", "marker"]}))
    with pytest.raises(PluginError, match="--plugins DIR"):
        consent().check_code(load_spec(None, [f"evaluator.predicate={name}"]))
    assert not (tmp_path / "marker").exists()


def test_code_in_a_folder_that_the_user_named_is_found(tmp_path):
    choice = own_plugin(tmp_path)
    with plugging(tmp_path), distrusting():
        assert find_plugin(PREDICATE, choice).path == tmp_path / "kind_rules.py"
        with pytest.raises(PluginError, match="--plugins DIR"):
            find_plugin(PREDICATE, Choice(name="subprocess:Popen"))


def test_what_a_named_module_has_only_imported_is_not_called(tmp_path, monkeypatch):
    own_plugin(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    with plugging(tmp_path), distrusting():
        found = find_plugin(
            PREDICATE, Choice(name="kind_rules:Popen", params={"args": ["touch", str(tmp_path / "marker")]})
        )
        with pytest.raises(PluginError, match="is not defined in"):
            PREDICATE.build(found)
    assert not (tmp_path / "marker").exists()


def test_built_in_policies_of_a_foreign_run_are_used():
    consent().check_code(load_spec(None))


# -- exporting


@pytest.mark.parametrize("is_own", [False, True])
def test_the_export_of_a_foreign_run_says_how_its_code_is_contained(tmp_path, capsys, is_own):
    run = write_run(tmp_path / "trial", small_run())
    if is_own:
        mark_as_own(run, open_run("trial", tmp_path).head)
    assert main(["export", "trial:m0001", str(tmp_path / "out"), "--runs-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert (f"studbook evaluate {tmp_path}/out --papers PAPERS --sandbox docker" in said) is not is_own
    assert ("somebody else's code" in said) is not is_own


# -- adopting


def test_adopting_a_run_makes_it_ones_own_and_says_what_it_may_then_decide(tmp_path, capsys):
    run = write_run(tmp_path / "trial", [run_started()])
    where = ["trial", "--runs-dir", str(tmp_path)]
    assert not open_run("trial", tmp_path).provenance.is_own
    assert main(["adopt", *where]) == 0
    told = capsys.readouterr()
    assert "trial is yours now" in told.out
    assert "sandbox: auto" in told.err
    assert open_run("trial", tmp_path).provenance.is_own
    assert main(["adopt", *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "run": "trial",
        "was_own": True,
        "wishes": {"sandbox": "auto"},
    }
    assert run.provenance.exists()


@pytest.mark.parametrize("kind", ["auto", "dokcer"])
def test_a_sandbox_that_says_nothing_is_refused(tmp_path, capsys, kind):
    write_run(tmp_path / "trial", [run_started()])
    given = ["replay", "trial", "--level", "recorded", "--sandbox", kind, "--runs-dir", str(tmp_path)]
    assert main(given) == 2
    assert "--sandbox" in capsys.readouterr().err


def test_a_fold_runs_nothing_and_takes_no_sandbox(tmp_path, capsys):
    write_run(tmp_path / "trial", [run_started()])
    assert main(["replay", "trial", "--sandbox", "process", "--runs-dir", str(tmp_path)]) == 2
    assert "the level fold runs nothing" in capsys.readouterr().err
