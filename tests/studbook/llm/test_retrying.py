"""What a failed call is blamed on, the endpoint or the request; how long it waits; what is recorded of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import (
    Cause,
    ModelRejected,
    ModelUnavailable,
    Outage,
    ReplayDifference,
    RequestFailed,
    RequestRefused,
)
from studbook.llm.client import ModelClient, RetryPolicy
from studbook.llm.contracts import (
    CONTROL_QUESTION,
    Backend,
    ChatCall,
    ChatReply,
    ChatRequest,
    Endpoint,
    FailureKind,
    Message,
    ModelNotice,
    NoticeKind,
    RoleModel,
    Usage,
)
from studbook.llm.meter import Totals
from studbook.llm.records import CallRecords
from studbook.testbed.scripted import ComputedBackend, ScriptedBackend, reply_to

CALL = ChatCall(role="weak", messages=(Message(role="user", content="Why?"),), seed=5)
OTHER = replace(CALL, messages=(Message(role="user", content="Who?"),))
WEAK = RoleModel(
    endpoint="main",
    model="small",
    max_tokens=100,
    dollars_per_million_in=2.0,
    dollars_per_million_out=10.0,
)
DOWN = ModelUnavailable("503\nendpoint 'main' at http://m, model 'small'\nwait")
TIMED_OUT = ModelUnavailable("no answer in time", cause=Cause.TIMEOUT)
LIMITED = ModelUnavailable("429", cause=Cause.LIMITED)
REFUSED = RequestRefused("no")
TOO_LARGE = RequestRefused("maximum context length is 8192 tokens")


@pytest.fixture
def records() -> Iterator[CallRecords]:
    with CallRecords.in_memory() as records:
        yield records


@dataclass
class World:
    """Time passes only while one waits, and by a second an attempt."""

    records: CallRecords
    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    notices: list[ModelNotice] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds

    def client(self, backend: Backend, *, replay_only: bool = False, **policy: object) -> ModelClient:
        return ModelClient(
            roles={"weak": WEAK},
            endpoints={"main": Endpoint(name="main", backend=backend)},
            records=self.records,
            retry=RetryPolicy(**{"attempts": 6, "patience_seconds": 600.0, **policy}),
            on_notice=self.notices.append,
            sleep=self.sleep,
            clock=lambda: self.seconds,
            replay_only=replay_only,
        )

    def told(self, kind: NoticeKind) -> list[str]:
        return [notice.message for notice in self.notices if notice.kind is kind]


@pytest.fixture
def world(records: CallRecords) -> World:
    return World(records)


class Moody:
    """Answers by `answer(request)`; what it was asked is kept."""

    def __init__(self, answer: Callable[[ChatRequest], str | ChatReply]) -> None:
        self._answer = answer
        self.requests: list[ChatRequest] = []

    def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        answer = self._answer(request)
        return reply_to(request, answer) if isinstance(answer, str) else answer

    @property
    def controls(self) -> int:
        return sum(request.messages == CONTROL_QUESTION for request in self.requests)


def only_on_why(error: Exception) -> Callable[[ChatRequest], str]:
    def answer(request: ChatRequest) -> str:
        if request.messages == CALL.messages:
            raise error
        return "because"

    return answer


def raising(error: Exception) -> Callable[[ChatRequest], str]:
    def answer(request: ChatRequest) -> str:
        raise error

    return answer


@pytest.mark.parametrize(
    ("error", "kind", "tries"),
    [(REFUSED, "refused", 3), (TOO_LARGE, "refused", 1), (DOWN, "stuck", 6), (TIMED_OUT, "stuck", 2)],
)
def test_a_request_that_fails_while_its_role_answers_others_is_to_blame(
    world: World, error: Exception, kind: str, tries: int
) -> None:
    backend = Moody(only_on_why(error))
    with pytest.raises(RequestFailed) as caught:
        world.client(backend).chat(CALL)
    assert (caught.value.kind, str(caught.value)) == (kind, str(error))
    assert [request.messages == CALL.messages for request in backend.requests] == (
        [True] * tries + [False] + [True] * tries
    )
    assert world.records.failures() == {"weak": {kind: 1}}


def test_it_is_on_record_and_never_asked_again(world: World) -> None:
    with pytest.raises(RequestFailed) as first:
        world.client(Moody(only_on_why(REFUSED))).chat(CALL)
    for replay_only in (False, True):
        backend = Moody(lambda request: "now it could")
        with pytest.raises(RequestFailed) as again:
            world.client(backend, replay_only=replay_only).chat(CALL)
        assert (str(again.value), again.value.kind) == (str(first.value), first.value.kind)
        assert backend.requests == []


@pytest.mark.parametrize("error", [REFUSED, DOWN, TIMED_OUT])
def test_a_role_that_fails_on_the_control_question_too_is_the_worlds_failure(
    world: World, error: Exception
) -> None:
    with pytest.raises(type(error)):
        world.client(Moody(raising(error))).chat(CALL)
    assert world.records.failures() == {}
    with pytest.raises(ReplayDifference):
        world.client(Moody(raising(error)), replay_only=True).chat(CALL)


def test_a_call_brings_its_own_control_question(world: World) -> None:
    ordinary = (Message(role="user", content="An example as long as this one."),)
    backend = Moody(only_on_why(REFUSED))
    with pytest.raises(RequestFailed):
        world.client(backend).chat(replace(CALL, control=ordinary))
    assert [request.messages for request in backend.requests].count(ordinary) == 1
    assert backend.requests[3].max_tokens == 100


def test_what_a_harness_sets_of_a_call_is_not_in_its_control_question(world: World) -> None:
    """A temperature that the endpoint refuses would look like an endpoint that refuses all."""

    def answer(request: ChatRequest) -> str:
        if request.temperature > 1.5:
            raise REFUSED
        return "because"

    with pytest.raises(RequestFailed):
        world.client(Moody(answer)).chat(replace(CALL, temperature=2.0))


def test_an_outage_that_ends_within_patience_is_ridden_out(world: World) -> None:
    client = world.client(ComputedBackend(lambda request: "warm"))
    client.chat(OTHER)
    down_until = world.seconds + 400.0

    def answer(request: ChatRequest) -> str:
        if world.seconds < down_until:
            raise DOWN
        return "because"

    reply = world.client(Moody(answer)).chat(CALL)
    assert reply.text == "because"
    assert 400 <= world.seconds <= 460
    assert world.records.failures() == {}
    assert world.told(NoticeKind.RECOVERED) == [f"answers again after {world.seconds:.0f} s"]


def test_an_outage_past_patience_pauses_and_says_where_since_when_and_what_to_do(world: World) -> None:
    with pytest.raises(Outage) as caught:
        world.client(Moody(raising(DOWN))).chat(CALL)
    what, where, step = str(caught.value).splitlines()
    assert what.startswith("no usable answer for 10 min, since 20")
    assert what.endswith(" UTC: 503")
    assert where == "role 'weak': endpoint 'main' at http://m, model 'small'"
    assert "never scored; models.patience_minutes" in step
    assert 600 <= world.seconds <= 640
    assert len(world.records) == 0


def test_patience_without_an_end_waits_as_long_as_it_takes(world: World) -> None:
    def answer(request: ChatRequest) -> str:
        if world.seconds < 100_000:
            raise DOWN
        return "because"

    assert world.client(Moody(answer), patience_seconds=None).chat(CALL).text == "because"


@pytest.mark.parametrize("cause", [Cause.UNREACHED, Cause.GARBLED])
def test_an_address_that_never_answered_fails_fast_in_its_own_words(world: World, cause: Cause) -> None:
    error = ModelUnavailable("nobody there\nendpoint 'main'\ncheck the URL", cause=cause)
    with pytest.raises(ModelUnavailable, match="nobody there") as caught:
        world.client(Moody(raising(error))).chat(CALL)
    assert str(caught.value) == str(error)
    assert world.seconds < 4


@pytest.mark.parametrize("cause", [Cause.UNREACHED, Cause.GARBLED])
def test_an_address_that_answered_before_is_waited_for(world: World, cause: Cause) -> None:
    error = ModelUnavailable("nobody there", cause=cause)
    is_up = [True]

    def answer(request: ChatRequest) -> str:
        if not is_up[0]:
            raise error
        return "because"

    client = world.client(Moody(answer))
    client.chat(OTHER)
    is_up[0] = False
    with pytest.raises(Outage, match="nobody there"):
        client.chat(CALL)
    assert world.seconds >= 600


def test_a_rate_limit_never_counts_against_a_request(world: World) -> None:
    """However often: it was not read. Other calls get through meanwhile."""
    tries = [0]

    def answer(request: ChatRequest) -> str:
        if request.messages == CALL.messages and (tries.append(0) or len(tries)) < 15:
            raise LIMITED
        return "because"

    backend = Moody(answer)
    assert world.client(backend).chat(CALL).text == "because"
    assert backend.controls == 0


def test_a_rate_limit_for_ever_pauses_the_run(world: World) -> None:
    with pytest.raises(Outage, match="429"):
        world.client(Moody(only_on_why(LIMITED))).chat(CALL)
    assert world.records.failures() == {}


def test_few_attempts_blame_nobody(world: World) -> None:
    with pytest.raises(ModelUnavailable, match="503"):
        world.client(Moody(only_on_why(DOWN)), attempts=5).chat(CALL)
    assert world.records.failures() == {}


def test_a_refusal_that_does_not_last_changes_nothing(world: World) -> None:
    backend = ScriptedBackend([REFUSED, REFUSED, "because"])
    assert world.client(backend).chat(CALL).text == "because"
    assert {request.seed for request in backend.requests} == {5}


def test_an_empty_reply_is_asked_for_again_as_it_was_and_then_with_other_seeds(world: World) -> None:
    backend = ScriptedBackend([" ", " ", " ", " \n", "because"])
    assert world.client(backend).chat(CALL).text == "because"
    seeds = [request.seed for request in backend.requests]
    assert seeds[:3] == [5, 5, 5]
    assert len(set(seeds)) == 3
    assert world.client(ScriptedBackend([])).chat(CALL).text == "because", "under the key of the first"


def test_a_model_that_stays_silent_on_one_request_fails_on_it(world: World) -> None:
    backend = Moody(lambda request: " " if request.messages == CALL.messages else "because")
    with pytest.raises(RequestFailed, match="empty text") as caught:
        world.client(backend).chat(CALL)
    assert caught.value.kind is FailureKind.SILENT
    assert len(backend.requests) == 5 + 1 + 5


def test_silence_at_the_token_limit_is_believed_at_once_because_it_was_paid_for(world: World) -> None:
    used_up = ChatReply(
        text="", usage=Usage(prompt_tokens=10, completion_tokens=100), finish_reason="length", model="small"
    )
    backend = Moody(lambda request: used_up if request.messages == CALL.messages else "because")
    with pytest.raises(RequestFailed, match="raise max_tokens") as caught:
        world.client(backend).chat(CALL)
    assert caught.value.kind is FailureKind.TRUNCATED
    assert len(backend.requests) == 3


def test_an_answer_cut_short_of_its_limit_is_asked_for_again(world: World) -> None:
    short = ChatReply(
        text="bec", usage=Usage(prompt_tokens=10, completion_tokens=1), finish_reason="length", model="small"
    )
    backend = ScriptedBackend([short, short, "because"])
    reply = world.client(backend).chat(CALL)
    assert (reply.text, reply.is_truncated) == ("because", False)
    backend = ScriptedBackend([short, short, short])
    reply = world.client(backend).chat(OTHER)
    assert (reply.text, reply.is_truncated) == ("bec", True), "three times alike is believed"


@pytest.mark.parametrize(
    "changes", [{"usage": Usage(prompt_tokens=9, completion_tokens=100)}, {"is_estimated": True}]
)
def test_an_answer_that_used_its_limit_up_is_the_answer(world: World, changes: dict[str, object]) -> None:
    usage = Usage(prompt_tokens=9, completion_tokens=9)
    cut = ChatReply(text="bec", usage=usage, finish_reason="length", model="small")
    reply = world.client(ScriptedBackend([replace(cut, **changes)])).chat(CALL)
    assert (reply.text, reply.is_truncated) == ("bec", True)


def test_a_filtered_answer_is_a_refusal_even_when_half_of_it_came(world: World) -> None:
    half = ChatReply(text="bec", usage=Usage(), finish_reason="content_filter", model="small")
    backend = Moody(lambda request: half if request.messages == CALL.messages else "because")
    with pytest.raises(RequestFailed, match="content filter") as caught:
        world.client(backend).chat(CALL)
    assert caught.value.kind == "refused"
    told = str(caught.value)
    assert "other requests are not affected" in told
    assert "max_tokens" not in told, "no limit ended it"


def test_an_endpoint_that_only_breaks_off_is_silent_and_is_not_paid_for_ever(world: World) -> None:
    half = ChatReply(text="bec", usage=Usage(), finish_reason="abort", model="small")
    asked: list[ChatRequest] = []

    def breaks_off(request: ChatRequest) -> ChatReply:
        asked.append(request)
        assert len(asked) < 100, "it never ends"
        return half

    with pytest.raises(Outage, match=r"for 10 min.*broke off"):
        world.client(Moody(breaks_off)).chat(CALL)
    (told,) = set(world.told(NoticeKind.RETRY))
    assert "the server failed on its own side" in told
    assert "max_tokens" not in told, "no limit ended it"


def test_what_was_paid_for_nothing_is_in_the_costs(world: World) -> None:
    silent = ChatReply(text=" ", usage=Usage(prompt_tokens=1000, completion_tokens=100), model="small")
    answer = replace(silent, text="because")
    client = world.client(ScriptedBackend([silent, silent, answer]))
    client.chat(CALL)
    paid = Usage(prompt_tokens=3000, completion_tokens=300)
    assert world.records.totals() == {"weak": Totals(calls=1, usage=paid, dollars=pytest.approx(0.009))}
    metered = client.meter.snapshot()["weak"]
    assert (metered.calls, metered.retries, metered.usage) == (1, 2, paid)
    assert metered.dollars == pytest.approx(0.009)


class Stopped(Exception):
    """What a caller's sleep raises to be stopped."""


def test_a_wait_can_be_ended_from_outside(world: World) -> None:
    def sleep(seconds: float) -> None:
        raise Stopped

    client = ModelClient(
        roles={"weak": WEAK},
        endpoints={"main": Endpoint(name="main", backend=Moody(raising(DOWN)))},
        records=world.records,
        sleep=sleep,
    )
    with pytest.raises(Stopped):
        client.chat(CALL)


def test_a_wrong_key_is_raised_at_once_even_in_the_middle(world: World) -> None:
    backend = ScriptedBackend([DOWN, ModelRejected("wrong key")])
    with pytest.raises(ModelRejected, match="wrong key"):
        world.client(backend).chat(CALL)
    assert len(world.waits) == 1


def test_another_model_is_told_once_and_refused_where_the_spec_is_strict(world: World) -> None:
    backend = Moody(lambda request: replace(reply_to(request, "because"), model="tiny"))
    client = world.client(backend)
    client.chat(CALL)
    client.chat(OTHER)
    told = world.told(NoticeKind.OTHER_MODEL)
    assert [line.splitlines()[0] for line in told] == [
        "the reply says it is of model 'tiny', and 'small' was asked for"
    ]
    strict = ModelClient(
        roles={"weak": WEAK},
        endpoints={"main": Endpoint(name="main", backend=backend)},
        records=CallRecords.in_memory(),
        sleep=world.sleep,
        strict_models=True,
    )
    with pytest.raises(Outage, match="of model 'tiny'"):
        strict.chat(CALL)


POLICY = RetryPolicy(first_wait_seconds=1.0, longest_backoff_seconds=30.0, longest_wait_seconds=120.0)


def test_the_same_call_waits_the_same_and_others_do_not() -> None:
    assert POLICY.wait_seconds("a", 1) == POLICY.wait_seconds("a", 1)
    assert POLICY.wait_seconds("a", 1) != POLICY.wait_seconds("b", 1)


@given(st.text(max_size=8), st.integers(1, 10_000))
def test_a_backoff_lies_between_half_and_all_of_its_step(key: str, attempt: int) -> None:
    full = min(30.0, 2.0 ** (min(attempt, 20) - 1))
    assert full / 2 <= POLICY.wait_seconds(key, attempt) <= full


def test_retry_after_lengthens_a_wait_and_never_shortens_it() -> None:
    assert POLICY.wait_seconds("a", 1, 60.0) == 60.0
    assert POLICY.wait_seconds("a", 6, 0.001) >= 15.0


def test_no_endpoint_makes_us_wait_for_hours() -> None:
    assert POLICY.wait_seconds("a", 1, 86_400.0) == 120.0
