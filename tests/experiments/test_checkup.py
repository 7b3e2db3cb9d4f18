"""doctor's results, each with what to do."""

from pathlib import Path

from studbook.experiments.doctor import CheckState, check_disk, check_git, check_python
from studbook.experiments.model_checks import check_endpoints
from studbook.experiments.spec.model import Spec
from studbook.llm.secrets import Secret
from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.server.server import BackendServer


def test_an_old_python_is_missing_and_a_new_one_fine():
    assert check_python((3, 11, 0)).state is CheckState.FINE
    old = check_python((3, 9, 18))
    assert (old.state, old.next_step) == (CheckState.MISSING, "install Python 3.11 or newer")


def test_git_is_good_to_have_and_not_required():
    assert check_git("git version 2.39.5").state is CheckState.FINE
    assert check_git("missing").state is CheckState.WARNING


def test_a_disk_that_cannot_be_written_is_missing(tmp_path, monkeypatch):
    assert check_disk(tmp_path / "runs").state is CheckState.FINE
    monkeypatch.setattr(Path, "touch", refuse)
    assert check_disk(tmp_path / "runs").state is CheckState.MISSING


def refuse(self, *arguments, **keywords):
    raise PermissionError(13, "Permission denied", str(self))


def test_a_wrong_key_is_told_once_with_the_roles_it_concerns():
    roles = {role: {"model": f"{role}-model"} for role in ("weak", "strong", "judge")}
    with BackendServer(TestbedBackend(), models=MODELS, api_key=Secret("sk-the-right-one")) as server:
        models = {
            "default": {"endpoint": "mine", "model": "other-model"},
            "endpoints": {"mine": {"kind": "openai", "base_url": server.base_url}},
            "roles": roles,
        }
        spec = Spec.model_validate({"version": 1, "name": "x", "models": models})
        results = list(check_endpoints(spec, {"OPENAI_API_KEY": "sk-a-wrong-one"}, lambda text: None))
    assert [each.state for each in results] == [CheckState.MISSING]
    assert all(role in results[0].text for role in (*roles, "final_verifier", "implementer"))
    assert "'weak-model'" in results[0].text + results[0].next_step
