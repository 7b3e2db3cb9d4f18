"""A whole run whose judge follows no form: it pauses in plain words, and a resume asks anew."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

import pytest
from support.studbook_cli import studbook

from studbook.llm.contracts import ROLES, ChatReply, ChatRequest
from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.server.server import BackendServer

SPEC = """\
version: 1
name: tiny
seed: 3
corpus: {{splits: {{train: 2, validation: 4, test: 1}}}}
search: {{iterations: 1, minibatch: 1, knob_share: 0}}
champion: {{candidates: 1, confirm_replicates: 1, test_replicates: 1}}
evaluator: {{max_rounds: 2}}
sandbox: process
workers: 1
models:
  retry_wait_seconds: 0.005
  endpoints:
    rehearsal: {{kind: openai, base_url: "{url}"}}
  default: {{endpoint: rehearsal}}
  roles: {{{roles}}}
"""


@dataclass
class CarelessJudge:
    """The testbed, but its judge marks in prose until it is repaired."""

    is_repaired: bool = False
    judged: int = 0
    lock: Lock = field(default_factory=Lock)
    inner: TestbedBackend = field(default_factory=TestbedBackend)

    def complete(self, request: ChatRequest) -> ChatReply:
        reply = self.inner.complete(request)
        if request.model != "testbed-judge" or self.is_repaired:
            return reply
        with self.lock:
            self.judged += 1
        return replace(reply, text="All criteria are met.")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[CarelessJudge]:
    models = CarelessJudge()
    with BackendServer(models, models=MODELS) as server:
        roles = ", ".join(f"{role}: {{model: testbed-{role.replace('_', '-')}}}" for role in ROLES)
        text = SPEC.format(url=server.base_url, roles=roles)
        (tmp_path / "tiny.yaml").write_text(text, encoding="utf-8")
        yield models


@pytest.mark.slow
def test_a_run_with_a_judge_that_follows_no_form_pauses_and_a_resume_draws_afresh(
    served: CarelessJudge, tmp_path: Path
) -> None:
    paused = studbook("run", "tiny.yaml", "--name", "trial", "--accept-judge", cwd=tmp_path)
    said = paused.stdout + paused.stderr
    assert paused.returncode == 1, said
    assert "role `judge` gave no usable reply on 3 papers in a row" in said
    assert "studbook resume trial" in said
    asked = served.judged
    assert studbook("resume", "trial", cwd=tmp_path).returncode == 1
    assert served.judged > asked
    served.is_repaired = True
    done = studbook("resume", "trial", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    verified = studbook("verify", "trial", cwd=tmp_path)
    assert verified.returncode == 0, verified.stdout
    replayed = studbook("replay", "trial", "--level", "recorded", "--json", cwd=tmp_path)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert json.loads(replayed.stdout)
