"""Every way an endpoint can fail, over real sockets: what is made of it, and that the client mends it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2
import openai
import pytest

from studbook.errors import Cause, ModelUnavailable, RequestRefused
from studbook.llm.client import ModelClient, RetryPolicy
from studbook.llm.contracts import ChatCall, ChatRequest, Endpoint, Message, RoleModel
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.records import CallRecords
from studbook.llm.secrets import Secret
from studbook.testbed.scripted import ComputedBackend
from studbook.testbed.server.faults import ALL, HARMLESS, EndpointFault, FaultyServer, RandomFaults, Saboteur

ANSWER = "Because the loads had doubled, and three piers had lost their ground."
CALL = ChatCall(role="weak", messages=(Message(role="user", content="Why?"),), seed=5)
REQUEST = ChatRequest(model="small", messages=CALL.messages, seed=5, temperature=1.0, max_tokens=100)
PATIENT_SECONDS, SHORT_SECONDS = 30.0, 1.0


@dataclass
class Scripted:
    """The first attempts fail in this order."""

    faults: list[EndpointFault]
    seen: list[bytes] = field(default_factory=list)

    def pick(self, body: bytes) -> EndpointFault | None:
        self.seen.append(body)
        return self.faults.pop(0) if self.faults else None


@contextmanager
def serving(*faults: EndpointFault) -> Iterator[FaultyServer]:
    saboteur = Saboteur(picker=Scripted(list(faults)), hold_seconds=20)
    answers = ComputedBackend(lambda request: ANSWER)
    with FaultyServer(answers, models=["small"], saboteur=saboteur) as server:
        yield server


@contextmanager
def backend_at(url: str, fault: EndpointFault) -> Iterator[OpenAIBackend]:
    """Short of time only where the fault is to run into it: the machine may be busy."""
    seconds = SHORT_SECONDS if UNAVAILABLE.get(fault, (None,))[0] is Cause.TIMEOUT else PATIENT_SECONDS
    backend = OpenAIBackend(name="main", base_url=url, api_key=Secret(), timeout_seconds=seconds)
    try:
        yield backend
    finally:
        backend.close()


UNAVAILABLE = {
    EndpointFault.LIMIT_SECONDS: (Cause.LIMITED, 1.0),
    EndpointFault.LIMIT_DATE: (Cause.LIMITED, 1.0),
    EndpointFault.LIMIT_LONG: (Cause.LIMITED, 86_400.0),
    EndpointFault.LIMIT_BARE: (Cause.LIMITED, None),
    EndpointFault.ERROR_500: (Cause.OTHER, None),
    EndpointFault.ERROR_502: (Cause.OTHER, None),
    EndpointFault.ERROR_503: (Cause.OTHER, None),
    EndpointFault.ERROR_529: (Cause.OTHER, None),
    EndpointFault.NO_ANSWER: (Cause.TIMEOUT, None),
    EndpointFault.RESET_BEFORE: (Cause.OTHER, None),
    EndpointFault.RESET_MIDWAY: (Cause.OTHER, None),
    EndpointFault.CLOSED_MIDWAY: (Cause.OTHER, None),
    EndpointFault.DRIP_FOREVER: (Cause.TIMEOUT, None),
    EndpointFault.EMPTY_BODY: (Cause.GARBLED, None),
    EndpointFault.NOT_JSON: (Cause.GARBLED, None),
    EndpointFault.HTML: (Cause.GARBLED, None),
    EndpointFault.NO_CHOICES: (Cause.GARBLED, None),
    EndpointFault.EMPTY_CHOICES: (Cause.GARBLED, None),
    EndpointFault.WRONG_CHARSET: (Cause.GARBLED, None),
    EndpointFault.BAD_GZIP: (Cause.OTHER, None),
}
REFUSED = {EndpointFault.REFUSAL, EndpointFault.ERROR_400}
TRIES = 20
"""More than a backend makes of one request whose refusal says nothing, to find what is refused."""
READABLE = set(ALL) - set(UNAVAILABLE) - REFUSED


@pytest.mark.parametrize(("fault", "expected"), UNAVAILABLE.items())
def test_what_went_wrong_is_told_by_its_cause(
    fault: EndpointFault, expected: tuple[Cause, float | None]
) -> None:
    with serving(fault) as server, backend_at(server.base_url, fault) as backend:
        with pytest.raises(ModelUnavailable) as caught:
            backend.complete(REQUEST)
        told = caught.value
        assert (told.cause, told.retry_after_seconds) == (expected[0], pytest.approx(expected[1], abs=1.01))
        assert len(str(told).splitlines()) == 3
        assert backend.complete(REQUEST).text == ANSWER, "the next request is served on a sound connection"


@pytest.mark.parametrize("fault", sorted(REFUSED))
def test_a_refusal_is_told_from_an_outage(fault: EndpointFault) -> None:
    with (
        serving(*[fault] * TRIES) as server,
        backend_at(server.base_url, fault) as backend,
        pytest.raises(RequestRefused),
    ):
        backend.complete(REQUEST)


@pytest.mark.parametrize("fault", sorted(READABLE))
def test_a_spoilt_answer_that_can_be_read_is_handed_on_as_it_is(fault: EndpointFault) -> None:
    with serving(fault) as server, backend_at(server.base_url, fault) as backend:
        reply = backend.complete(REQUEST)
    half = ANSWER[: len(ANSWER) // 2]
    expected = {
        EndpointFault.EMPTY_TEXT: ("", "stop"),
        EndpointFault.NULL_CONTENT: ("", "stop"),
        EndpointFault.CUT_SHORT: (half, "length"),
        EndpointFault.FILTERED: (half, "content_filter"),
    }
    assert (reply.text, reply.finish_reason) == expected.get(fault, (ANSWER, "stop"))
    assert reply.is_estimated is (fault is EndpointFault.NO_USAGE)
    assert reply.model == ("something-cheaper" if fault is EndpointFault.OTHER_MODEL else "small")


@pytest.mark.parametrize("fault", ALL)
def test_the_client_gets_the_answer_of_an_endpoint_that_failed_twice(fault: EndpointFault) -> None:
    waits: list[float] = []
    is_tried_at_once = fault is EndpointFault.ERROR_400  # it may be about a field
    with (
        serving(fault, fault) as server,
        backend_at(server.base_url, fault) as backend,
        CallRecords.in_memory() as records,
    ):
        client = ModelClient(
            roles={"weak": RoleModel(endpoint="main", model="small", max_tokens=100)},
            endpoints={"main": Endpoint(name="main", backend=backend)},
            records=records,
            retry=RetryPolicy(patience_seconds=600),
            sleep=waits.append,
            clock=lambda: sum(waits),
        )
        reply = client.chat(CALL)
        assert (reply.text, reply.finish_reason) == (ANSWER, "stop")
        assert reply.usage.completion_tokens == 18
        seeds = {
            body.split(b'"seed":')[1].split(b",")[0].strip(b" }")
            for body in server.saboteur.picker.seen
            if b'"seed":' in body
        }
    assert seeds == {b"5"}, "the same sample, however often it was asked for"
    assert len(waits) == (0 if fault in HARMLESS or is_tried_at_once else 2)
    assert max(waits, default=0) <= 120.0
    counts = {fault.value: 1} if fault in HARMLESS else {fault.value: 2, "whole": 1}
    assert records_of(server) == ({**counts, "whole": 2} if is_tried_at_once else counts)


def records_of(server: FaultyServer) -> dict[str, int]:
    return dict(server.saboteur.counts)


def test_a_stream_with_every_chunk_doubled_is_what_the_server_can_do_too() -> None:
    with serving(EndpointFault.TWICE) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0)
        with (
            client,
            client.chat.completions.create(
                model="small", messages=[{"role": "user", "content": "Why?"}], stream=True
            ) as stream,
        ):
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == ANSWER[:48] * 2 + ANSWER[48:] * 2


def test_the_pick_depends_on_seed_request_and_attempt_alone() -> None:
    bodies = [b'{"a": %d}' % n for n in range(200)]
    first, second, other = (RandomFaults(share=0.3, seed=seed) for seed in (1, 1, 2))
    told = {body: [first.pick(body) for _ in range(3)] for body in bodies}
    assert {
        body: [second.pick(body.replace(b": ", b":")) for _ in range(3)] for body in reversed(bodies)
    } == told
    assert {body: [other.pick(body) for _ in range(3)] for body in bodies} != told


def test_the_share_holds_and_all_kinds_come_up() -> None:
    faults = RandomFaults(share=0.3, seed=1)
    picked = Counter(faults.pick(b"%d" % n) for n in range(6000))
    assert 0.28 < 1 - picked[None] / 6000 < 0.32
    assert set(picked) - {None} == set(ALL)


def test_without_faults_it_is_an_ordinary_server() -> None:
    with serving() as server:
        answer = httpx2.get(f"{server.base_url}/models")
    assert [model["id"] for model in answer.json()["data"]] == ["small"]
