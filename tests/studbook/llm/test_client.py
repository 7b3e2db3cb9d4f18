"""The one choke point."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from studbook.errors import (
    BudgetExceeded,
    ModelRejected,
    ModelUnavailable,
    ReplayDifference,
    RequestFailed,
    RequestRefused,
    SpecError,
    StorageError,
)
from studbook.llm.client import ModelClient, RetryPolicy
from studbook.llm.contracts import (
    Backend,
    ChatCall,
    ChatReply,
    ChatRequest,
    Endpoint,
    Message,
    ModelNotice,
    NoticeKind,
    RoleModel,
    Tool,
    ToolCall,
    Usage,
)
from studbook.llm.meter import Budget, Totals
from studbook.llm.records import CallRecords, record_key
from studbook.testbed.scripted import ComputedBackend, FaultyBackend, ScriptedBackend

CALL = ChatCall(role="weak", messages=(Message(role="user", content="Why?"),), seed=5)
WEAK = RoleModel(
    endpoint="main",
    model="small",
    temperature=0.5,
    max_tokens=100,
    dollars_per_million_in=2.0,
    dollars_per_million_out=10.0,
)


@pytest.fixture
def records() -> Iterator[CallRecords]:
    with CallRecords.in_memory() as records:
        yield records


@dataclass
class Bench:
    """A client with its surroundings in view."""

    records: CallRecords
    waits: list[float] = field(default_factory=list)
    notices: list[ModelNotice] = field(default_factory=list)
    clock: Callable[[], float] = field(default_factory=lambda: iter(range(100_000)).__next__)

    def client(self, backend: Backend, *, max_concurrent: int = 8, attempts: int = 4, **more) -> ModelClient:
        return ModelClient(
            roles={"weak": WEAK},
            endpoints={"main": Endpoint(name="main", backend=backend, max_concurrent=max_concurrent)},
            records=self.records,
            retry=RetryPolicy(attempts=attempts),
            on_notice=self.notices.append,
            sleep=self.waits.append,
            clock=self.clock,
            **more,
        )


@pytest.fixture
def bench(records: CallRecords) -> Bench:
    return Bench(records)


def reply(text: str, *, prompt_tokens: int = 1000, completion_tokens: int = 100) -> ChatReply:
    usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
    return ChatReply(text=text, usage=usage, model="small-0612")


def test_a_call_is_resolved_with_the_settings_of_its_role(bench: Bench) -> None:
    backend = ScriptedBackend(["because"])
    bench.client(backend).chat(CALL)
    assert backend.requests == [
        ChatRequest(model="small", messages=CALL.messages, seed=5, temperature=0.5, max_tokens=100)
    ]


def test_what_a_call_sets_itself_wins_over_its_role(bench: Bench) -> None:
    backend = ScriptedBackend(["because"])
    bench.client(backend).chat(replace(CALL, temperature=0.0, max_tokens=7, json_mode=True))
    sent = backend.requests[0]
    assert (sent.temperature, sent.max_tokens, sent.json_mode) == (0.0, 7, True)


def test_after_a_record_that_could_not_be_written_nothing_is_paid_for(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    CallRecords.open(path).close()
    backend = ScriptedBackend([reply("because")] * 5)
    with CallRecords.read_only(path) as records:
        client = Bench(records).client(backend)
        for seed in range(5):
            with pytest.raises(StorageError, match="cannot use"):
                client.chat(replace(CALL, seed=seed))
    assert len(backend.requests) == 1


def test_no_more_calls_are_paid_for_and_unrecorded_than_there_are_slots(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    CallRecords.open(path).close()
    backend = ScriptedBackend([reply("because")] * 6)
    with CallRecords.read_only(path) as records, ThreadPoolExecutor(6) as pool:
        client = Bench(records).client(backend, max_concurrent=2)
        waiting = [pool.submit(client.chat, replace(CALL, seed=seed)) for seed in range(6)]
        for each in waiting:
            with pytest.raises(StorageError):
                each.result(10)
    assert len(backend.requests) <= 2


def test_the_same_call_is_paid_once_and_then_answered_from_the_records(bench: Bench) -> None:
    client = bench.client(ScriptedBackend([reply("because")]))
    first, second = client.chat(CALL), client.chat(CALL)
    assert (first.text, first.recorded) == ("because", False)
    assert second == replace(first, recorded=True)
    assert client.meter.snapshot() == {
        "weak": Totals(
            calls=1,
            recorded_calls=1,
            usage=Usage(prompt_tokens=1000, completion_tokens=100),
            dollars=0.003,
            seconds=1,
        )
    }


def test_another_seed_is_another_sample(bench: Bench) -> None:
    client = bench.client(ScriptedBackend(["one", "two"]))
    assert client.chat(CALL).text == "one"
    assert client.chat(replace(CALL, seed=6)).text == "two"


@pytest.mark.parametrize(
    "change",
    [
        {"role": "strong"},
        {"seed": 6},
        {"temperature": 0.6},
        {"max_tokens": 99},
        {"json_mode": True},
        {"messages": (Message(role="user", content="Why? "),)},
        {"messages": (Message(role="system", content="Why?"),)},
        {"messages": (*CALL.messages, Message(role="user", content=""))},
    ],
)
def test_every_part_of_a_call_changes_its_key(change: dict[str, object]) -> None:
    changed = replace(CALL, **change)
    assert record_key(changed.role, WEAK.resolve(changed)) != record_key("weak", WEAK.resolve(CALL))


def test_the_model_changes_the_key_and_the_way_a_number_is_written_does_not() -> None:
    key = record_key("weak", WEAK.resolve(CALL))
    assert record_key("weak", replace(WEAK, model="large").resolve(CALL)) != key
    assert record_key("weak", WEAK.resolve(replace(CALL, temperature=0.5))) == key
    assert record_key("weak", replace(WEAK, temperature=1).resolve(CALL)) == record_key(
        "weak", replace(WEAK, temperature=1.0).resolve(CALL)
    )


def test_the_key_of_a_call_is_the_same_for_ever() -> None:
    assert record_key("weak", WEAK.resolve(CALL)) == (
        "a7bf6a371b3e3b9a85de53399c492b27991134e30af36f75853f5eba53160c67"
    )


def test_equal_calls_at_the_same_time_reach_the_endpoint_once(bench: Bench) -> None:
    asked, may_answer = [], threading.Event()

    def slow(request: ChatRequest) -> str:
        asked.append(request)
        may_answer.wait(10)
        return "because"

    client = bench.client(ComputedBackend(slow))
    with ThreadPoolExecutor(8) as pool:
        replies = [pool.submit(client.chat, CALL) for _ in range(8)]
        may_answer.set()
        texts = [(future.result().text, future.result().recorded) for future in replies]
    assert len(asked) == 1
    assert sorted(texts) == [("because", False)] + [("because", True)] * 7


def test_those_who_wait_for_an_equal_call_get_its_error_too(bench: Bench) -> None:
    may_answer = threading.Event()

    def slow(request: ChatRequest) -> str:
        may_answer.wait(10)
        raise ModelRejected("wrong key")

    client = bench.client(ComputedBackend(slow))
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(client.chat, CALL) for _ in range(4)]
        may_answer.set()
        errors = [future.exception() for future in futures]
    assert [str(error) for error in errors] == ["wrong key"] * 4


def test_no_more_calls_run_at_once_than_the_endpoint_allows(bench: Bench) -> None:
    lock, running, most = threading.Lock(), 0, 0

    def busy(request: ChatRequest) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1
        return "ok"

    client = bench.client(ComputedBackend(busy), max_concurrent=3)
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: client.chat(replace(CALL, seed=n)), range(36)))
    assert most == 3


def test_an_outage_is_retried_with_growing_waits_and_told(bench: Bench) -> None:
    client = bench.client(ScriptedBackend([ModelUnavailable("503"), ModelUnavailable("503"), "because"]))
    assert client.chat(CALL).text == "because"
    assert [(n.kind, n.attempt, n.message) for n in bench.notices] == [
        (NoticeKind.RETRY, 1, "503"),
        (NoticeKind.RETRY, 2, "503"),
    ]
    assert bench.waits == [notice.wait_seconds for notice in bench.notices]
    assert 0.5 <= bench.waits[0] <= 1.0 <= bench.waits[1] <= 2.0
    assert client.meter.snapshot()["weak"].retries == 2


def test_retry_after_is_honoured(bench: Bench) -> None:
    client = bench.client(ScriptedBackend([ModelUnavailable("429", retry_after_seconds=17.0), "because"]))
    client.chat(CALL)
    assert bench.waits == [17.0]


def test_after_the_last_attempt_the_outage_is_raised_and_nothing_is_recorded(bench: Bench) -> None:
    client = bench.client(ScriptedBackend([ModelUnavailable("down")] * 4), attempts=4)
    with pytest.raises(ModelUnavailable, match="down"):
        client.chat(CALL)
    assert [notice.kind for notice in bench.notices] == ["retry", "retry", "retry", "failure"]
    assert client.meter.snapshot()["weak"] == Totals(retries=3, failures=1)
    assert len(bench.records) == 0


def test_a_wrong_key_is_not_retried(bench: Bench) -> None:
    client = bench.client(ScriptedBackend([ModelRejected("wrong key"), "never asked"]))
    with pytest.raises(ModelRejected):
        client.chat(CALL)
    assert bench.waits == []
    assert [notice.kind for notice in bench.notices] == [NoticeKind.FAILURE]


def test_text_that_is_no_unicode_is_mended_both_ways(bench: Bench) -> None:
    backend = ScriptedBackend(["be\ud800cause"])
    broken = replace(CALL, messages=(Message(role="user", content="W\udfffhy \U0001f40e?"),))
    assert bench.client(backend).chat(broken).text == "be\ufffdcause"
    assert backend.requests[0].messages[0].content == "W\ufffdhy \U0001f40e?"


def test_a_replay_answers_from_the_records_without_any_endpoint(bench: Bench) -> None:
    bench.client(ScriptedBackend(["because"])).chat(CALL)
    replay = ModelClient(roles={"weak": WEAK}, endpoints={}, records=bench.records, replay_only=True)
    assert replay.chat(CALL).text == "because"


def test_a_replay_that_misses_a_record_names_role_and_key(bench: Bench) -> None:
    replay = ModelClient(roles={"weak": WEAK}, endpoints={}, records=bench.records, replay_only=True)
    with pytest.raises(ReplayDifference) as caught:
        replay.chat(CALL)
    assert "'weak'" in str(caught.value)
    assert record_key("weak", WEAK.resolve(CALL)) in str(caught.value)


@pytest.mark.parametrize(
    ("budget", "named"),
    [
        (Budget(max_calls=2), "budget.calls"),
        (Budget(max_tokens=2200), "budget.tokens"),
        (Budget(max_dollars=0.006), "budget.dollars"),
    ],
)
def test_a_spent_budget_stops_before_the_call(bench: Bench, budget: Budget, named: str) -> None:
    backend = ScriptedBackend([reply("one"), reply("two"), reply("three")])
    client = bench.client(backend, budget=budget)
    client.chat(CALL)
    client.chat(replace(CALL, seed=6))
    with pytest.raises(BudgetExceeded, match=named):
        client.chat(replace(CALL, seed=7))
    assert len(backend.requests) == 2
    assert client.chat(CALL).recorded  # what is recorded stays free


def test_the_budget_remembers_what_was_paid_before_an_interruption(bench: Bench) -> None:
    bench.client(ScriptedBackend([reply("one")]), budget=Budget(max_calls=1)).chat(CALL)
    resumed = bench.client(ScriptedBackend([reply("two")]), budget=Budget(max_calls=1))
    with pytest.raises(BudgetExceeded):
        resumed.chat(replace(CALL, seed=6))


def test_a_failed_call_costs_no_budget(bench: Bench) -> None:
    client = bench.client(ScriptedBackend([ModelRejected("no"), "yes"]), budget=Budget(max_calls=1))
    with pytest.raises(ModelRejected):
        client.chat(CALL)
    assert client.chat(CALL).text == "yes"


def test_the_end_of_the_hours_cuts_the_wait_between_two_tries(bench: Bench) -> None:
    backend = ScriptedBackend([ModelUnavailable("no"), ModelUnavailable("no"), "yes"])
    bench.clock = lambda: sum(bench.waits)
    client = bench.client(backend, budget=Budget(max_hours=0.1 / 3600))
    with pytest.raises(BudgetExceeded, match=r"budget\.hours"):
        client.chat(CALL)
    assert sum(bench.waits) == pytest.approx(0.1)
    assert len(backend.requests) < 3


def test_max_calls_holds_when_many_threads_call_at_once(bench: Bench) -> None:
    client = bench.client(ComputedBackend(lambda request: "ok"), budget=Budget(max_calls=10))

    def attempt(seed: int) -> bool:
        try:
            client.chat(replace(CALL, seed=seed))
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(40))) == 10


def test_a_faulty_endpoint_changes_waits_but_no_answer(bench: Bench) -> None:
    def answer(request: ChatRequest) -> str:
        return f"answer {request.seed}"

    client = bench.client(FaultyBackend(ComputedBackend(answer), every=3))
    assert [client.chat(replace(CALL, seed=n)).text for n in range(9)] == [f"answer {n}" for n in range(9)]
    assert len(bench.waits) == 4


def test_a_role_without_a_model_is_named(bench: Bench) -> None:
    with pytest.raises(SpecError, match=r"role 'judge' is mapped to no model \(mapped roles: weak\)"):
        bench.client(ScriptedBackend([])).chat(replace(CALL, role="judge"))


def test_an_endpoint_that_is_not_defined_is_named_at_once(bench: Bench) -> None:
    with pytest.raises(SpecError, match="role 'weak' names endpoint 'main'"):
        ModelClient(roles={"weak": WEAK}, endpoints={}, records=bench.records)


def test_an_answer_that_broke_off_is_asked_for_again_and_never_recorded(bench: Bench) -> None:
    broken = replace(reply("bec"), finish_reason="abort")
    client = bench.client(ScriptedBackend([broken, reply("because")]))
    assert client.chat(CALL).text == "because"
    assert client.meter.snapshot()["weak"].retries == 1
    assert bench.records.totals()["weak"].calls == 1
    assert bench.records.totals()["weak"].usage.completion_tokens == 200, "both were paid for"


def test_thoughts_are_taken_off_and_kept_with_the_record(bench: Bench) -> None:
    client = bench.client(ScriptedBackend([reply("<think>hm</think>because")]))
    assert (first := client.chat(CALL)).text == "because"
    again = client.chat(CALL)
    assert again.recorded
    assert (first.thoughts, again.thoughts, again.text) == ("hm", "hm", "because")


def test_a_reply_that_is_only_a_thought_is_no_answer(bench: Bench) -> None:
    client = bench.client(ScriptedBackend([reply("<think>hm"), reply("because")]))
    assert client.chat(CALL).text == "because"


def test_a_prompt_that_the_server_cut_stops_the_run(bench: Bench) -> None:
    long = replace(CALL, messages=(Message(role="user", content="word " * 8_000),))
    client = bench.client(ScriptedBackend([reply("because", prompt_tokens=4_000)]))
    with pytest.raises(
        ModelRejected, match="truncated the prompt: it counted 4,000 prompt tokens for 40,000"
    ):
        client.chat(long)
    assert bench.records.totals()["weak"].calls == 0


@dataclass
class Moderated:
    """Forbids what is flagged; with `all_of_it` everything, as for a key without rights."""

    all_of_it: bool = False
    asked: int = 0

    def complete(self, request: ChatRequest) -> ChatReply:
        self.asked += 1
        if self.all_of_it or "FLAGGED" in request.messages[-1].content:
            raise ModelRejected("HTTP 403: flagged", status=403)
        return reply("because")


FLAGGED = replace(CALL, messages=(Message(role="user", content="FLAGGED"),))


def test_a_403_is_about_the_request_if_a_control_question_is_answered(bench: Bench) -> None:
    client = bench.client(Moderated())
    with pytest.raises(RequestFailed, match="flagged"):
        client.chat(FLAGGED)
    assert client.chat(CALL).text == "because"


def test_a_403_for_everything_ends_the_run_at_once(bench: Bench) -> None:
    backend = Moderated(all_of_it=True)
    with pytest.raises(ModelRejected) as caught:
        bench.client(backend).chat(CALL)
    assert not isinstance(caught.value, RequestRefused)
    assert backend.asked == 2
    assert bench.waits == []


def test_a_call_of_an_offered_tool_is_an_answer_and_comes_back_from_the_records(bench: Bench) -> None:
    tool = Tool(name="done", description="Ends.", parameters={"type": "object"})
    called = replace(reply(""), tool_calls=(ToolCall(name="done", arguments="{}\ud800"),))
    client = bench.client(ScriptedBackend([called]))
    call = replace(CALL, tools=(tool,))
    first, second = client.chat(call), client.chat(call)
    assert first.tool_calls == (ToolCall(name="done", arguments="{}\ufffd"),)
    assert second == replace(first, recorded=True)


def test_an_answer_that_ends_at_the_limit_that_was_sent_is_an_answer(bench: Bench) -> None:
    cut = replace(reply("half", completion_tokens=40), finish_reason="length", limit_tokens=40)
    backend = ScriptedBackend([cut])
    assert bench.client(backend).chat(CALL).text == "half"
    assert len(backend.requests) == 1
