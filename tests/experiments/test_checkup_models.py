"""What doctor says about models: it asks what a run will ask, in its shape, and reads it as a run does."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from studbook.errors import ModelRejected
from studbook.experiments.doctor import CheckResult, CheckState
from studbook.experiments.model_checks import check_endpoints
from studbook.experiments.rehearsal import CODES, groups_of
from studbook.experiments.spec.model import Spec
from studbook.llm.contracts import ROLES, ChatReply, ChatRequest, Usage
from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.server.server import BackendServer

Change = Callable[[ChatRequest, ChatReply], ChatReply]


class Changed:
    """The testbed's answers after `change`, and all requests."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self.requests: list[ChatRequest] = []

    def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        return self._change(request, TestbedBackend().complete(request))


def as_it_is(request: ChatRequest, reply: ChatReply) -> ChatReply:
    return reply


def spec_at(url: str, **corpus: str) -> Spec:
    roles = {role: {"model": f"testbed-{role.replace('_', '-')}"} for role in ROLES}
    endpoint = {"kind": "openai", "base_url": url}
    models = {"default": {"endpoint": "lab"}, "endpoints": {"lab": endpoint}, "roles": roles}
    splits = {"train": 1, "validation": 1, "test": 1}
    raw = {"version": 1, "name": "x", "models": models, "corpus": {"splits": splits, **corpus}}
    return Spec.model_validate(raw)


def checked(
    change: Change = as_it_is, *, asks_canary: bool = True
) -> tuple[list[CheckResult], list[ChatRequest], list[str]]:
    backend, told = Changed(change), []
    with BackendServer(backend, models=MODELS) as server:
        spec = spec_at(server.base_url)
        results = list(check_endpoints(spec, {}, told.append, asks_canary=asks_canary))
    return results, backend.requests, told


def line_of(results: list[CheckResult], role: str) -> CheckResult:
    return next(each for each in results if each.name == "models" and each.text.startswith(f"{role}:"))


def is_asked(request: ChatRequest, role: str) -> bool:
    return request.model == f"testbed-{role.replace('_', '-')}"


def test_every_role_is_asked_as_in_a_run_and_the_canary_after():
    results, requests, told = checked()
    assert not [each for each in results if each.state is CheckState.MISSING]
    assert len(requests) == len(ROLES) * 2 + 16, "a tiny question and one like a run's; the planted cases"
    for role in ("weak", "strong", "judge", "final_verifier", "analyzer", "implementer"):
        assert line_of(results, role).text.endswith("readable"), role
        assert any(is_asked(each, role) and each.messages[0].role == "system" for each in requests), role
    assert any(is_asked(each, "judge") and (each.json_mode or each.json_schema) for each in requests)
    assert [each.name for each in results].count("canary") == 2
    assert [line.split()[0] for line in told] == ["sending", "asking"]
    assert all("tokens)" in line for line in told)


def test_the_canary_can_be_left_to_the_run():
    results, requests, told = checked(asks_canary=False)
    assert len(requests) == len(ROLES) * 2
    assert not [each for each in results if each.name == "canary"]
    assert [line.split()[0] for line in told] == ["sending"]


def test_a_role_whose_replies_cannot_be_read_is_named():
    def prose(request: ChatRequest, reply: ChatReply) -> ChatReply:
        return replace(reply, text="Let me see.") if is_asked(request, "final_verifier") else reply

    results, _, _ = checked(prose)
    found = line_of(results, "final_verifier")
    assert found.state is CheckState.WARNING
    assert found.text.endswith("the reply is not in the form that was asked for")
    canary = [each for each in results if each.name == "canary"]
    assert "unreadable" in canary[1].text
    assert "--accept-judge" in canary[1].next_step


def test_an_implementer_without_an_action_is_named():
    def idle(request: ChatRequest, reply: ChatReply) -> ChatReply:
        return replace(reply, text="I would edit the prompt.") if is_asked(request, "implementer") else reply

    found = line_of(checked(idle)[0], "implementer")
    assert (found.state, "holds no action" in found.text) == (CheckState.WARNING, True)


@pytest.mark.parametrize("role", ["analyzer", "implementer"])
def test_a_refusal_that_the_role_answers_with_a_shorter_request_is_told_in_its_words(role):
    """In a run such a role asks for less; here the first request is what has to work."""

    def short(request: ChatRequest, reply: ChatReply) -> ChatReply:
        if is_asked(request, role) and sum(len(message.content) for message in request.messages) > 500:
            raise ModelRejected("This model's maximum context length is 128 tokens.")
        return reply

    results, _, _ = checked(short)
    found = line_of(results, role)
    assert found.state is CheckState.MISSING
    assert "maximum context length is 128 tokens" in found.text + found.next_step
    assert not any(each.name == "canary" for each in results), "nothing more is paid for"


def test_words_of_an_endpoint_are_not_taken_for_a_place_holder():
    def unknown(request: ChatRequest, reply: ChatReply) -> ChatReply:
        raise ModelRejected("code MODEL_NOT_FOUND")

    results, _, _ = checked(unknown)
    told = " ".join(each.text + each.next_step for each in results)
    assert "MODEL_NOT_FOUND" in told
    assert len([each for each in results if each.state is CheckState.MISSING]) == 1, "all roles at once"


def test_a_judge_at_chance_is_a_warning_with_what_a_run_needs():
    def met(request: ChatRequest, reply: ChatReply) -> ChatReply:
        if not is_asked(request, "judge") or len(request.messages) < 2:
            return reply
        criteria = request.messages[-1].content.split("<criteria>")[1].split("</criteria>")[0]
        return replace(reply, text=json.dumps({"marks": [True] * len(criteria.strip().splitlines())}))

    canary = next(each for each in checked(met)[0] if each.name == "canary")
    assert canary.state is CheckState.WARNING
    assert canary.text.startswith("judge: 10 of 20 marks right")
    assert canary.next_step.endswith("a run needs --accept-judge")


def test_a_server_that_truncates_long_prompts_is_found_by_its_count():
    def cut(request: ChatRequest, reply: ChatReply) -> ChatReply:
        sent = sum(len(message.content) for message in request.messages)
        usage = Usage(prompt_tokens=min(sent // 4, 1_000), completion_tokens=1)
        return replace(reply, usage=usage)

    results, _, _ = checked(cut)
    missing = [each for each in results if each.state is CheckState.MISSING]
    assert missing
    assert all("truncated the prompt" in each.text for each in missing)
    assert not any(each.name == "canary" for each in results), "nothing more is paid for"


@pytest.mark.parametrize(
    ("seen", "state"), [(2, CheckState.FINE), (1, CheckState.MISSING), (0, CheckState.WARNING)]
)
def test_codes_at_both_ends_show_a_cut_that_is_not_counted(seen, state):
    """A server without usage, and a model that finds the last `seen` codes, as a cut prompt leaves them."""

    def read(request: ChatRequest, reply: ChatReply) -> ChatReply:
        text = request.messages[-1].content
        if not is_asked(request, "challenger") or "Archive code" not in text:
            return reply
        codes = re.findall(r"Archive code: (\S+)", text)[len(CODES) - seen :]
        return replace(reply, text=json.dumps({"codes": codes}), usage=Usage())

    assert line_of_any(checked(read)[0], "challenger").state is state


def line_of_any(results: list[CheckResult], role: str) -> CheckResult:
    return next(each for each in results if role in each.text)


def test_thoughts_are_said_to_be_removed():
    def aloud(request: ChatRequest, reply: ChatReply) -> ChatReply:
        return replace(reply, text=f"<think>\nLet me see.\n</think>\n\n{reply.text}")

    results, _, _ = checked(aloud)
    assert line_of(results, "weak").text.endswith("it thinks aloud, and its thoughts are removed")


def test_without_the_papers_a_generated_one_stands_in():
    with BackendServer(Changed(as_it_is), models=MODELS) as server:
        results = list(check_endpoints(spec_at(server.base_url, path="nowhere"), {}, lambda text: None))
    papers = next(each for each in results if each.name == "papers")
    assert (papers.state, "nowhere does not exist" in papers.text) == (CheckState.WARNING, True)
    assert line_of(results, "strong").text.endswith("readable")


def test_roles_that_would_send_the_same_share_a_request():
    raw = {"version": 1, "name": "x", "models": {"default": {"endpoint": "openai", "model": "one"}}}
    groups = groups_of(Spec.model_validate(raw))
    assert ("verifier", "orchestrator") in groups
    assert len(groups) == 8


def test_the_testbed_in_this_process_gets_the_tiny_question_alone():
    told: list[str] = []
    results = list(check_endpoints(Spec.model_validate({"version": 1, "name": "x"}), {}, told.append))
    assert len(results) == len(ROLES)
    assert told == []
