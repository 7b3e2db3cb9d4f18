"""One model for all roles: the role is recognized by the prompt that the framework really sends."""

from pathlib import Path

import pytest
from support.studbook_cli import studbook

from studbook.llm.contracts import CONTROL_QUESTION, ChatReply, ChatRequest
from studbook.testbed.models.backend import PREFIX, TestbedBackend
from studbook.testbed.models.one_model import OneModel, role_of
from studbook.testbed.server.server import BackendServer


class Watched:
    """Answers as the role's own model, and notes when another role was recognized."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}
        self.mistaken: list[tuple[str, str]] = []

    def complete(self, request: ChatRequest) -> ChatReply:
        role = request.model.removeprefix(PREFIX)
        if request.messages != CONTROL_QUESTION:
            self.asked[role] = self.asked.get(role, 0) + 1
            if role_of(request) != role:
                self.mistaken.append((role, role_of(request)))
        return TestbedBackend().complete(request)


ROLES = ("challenger", "verifier", "weak", "strong", "judge", "final_verifier", "analyzer", "implementer")


@pytest.mark.slow
def test_every_role_of_a_run_is_recognized(tmp_path: Path) -> None:
    watched = Watched()
    names = {role: PREFIX + role.replace("_", "-") for role in ROLES}
    with BackendServer(watched, models=list(names.values())) as server:
        roles = ", ".join(f"{role}: {{model: {name}}}" for role, name in names.items())
        (tmp_path / "served.yaml").write_text(
            "version: 1\nsandbox: process\nsearch: {iterations: 2, minibatch: 1, knob_share: 0}\n"
            "corpus: {splits: {train: 1, validation: 4, test: 1}}\nevaluator: {max_rounds: 6}\n"
            "champion: {candidates: 1, confirm_replicates: 1, test_replicates: 1}\nmodels:\n"
            f"  endpoints: {{here: {{kind: openai, base_url: '{server.base_url}'}}}}\n"
            f"  default: {{endpoint: here}}\n  roles: {{{roles}}}\n",
            encoding="utf-8",
        )
        done = studbook("run", "served.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert watched.asked.keys() == {name.removeprefix(PREFIX) for name in names.values()}
    assert watched.mistaken == []


def test_it_answers_under_any_name_and_gives_that_name() -> None:
    request = ChatRequest(
        model="some-large-model", messages=CONTROL_QUESTION, seed=1, temperature=0.0, max_tokens=50
    )
    reply = OneModel(TestbedBackend()).complete(request)
    assert (reply.model, bool(reply.text)) == ("some-large-model", True)
