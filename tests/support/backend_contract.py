"""What every backend guarantees, as one test class: inherit it and give the fixture `backend` and `model`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from studbook.errors import ModelRejected
from studbook.llm.contracts import Backend, ChatRequest, Message

QUESTION = "Name the mechanism. Answer as JSON if you are asked to."


class BackendContract:
    """Fixtures wanted: `backend`, which answers `QUESTION` with text, and `model`, a name that it knows."""

    @pytest.fixture
    def request_(self, model: str) -> ChatRequest:
        return ChatRequest(
            model=model,
            messages=(Message(role="system", content="You answer."), Message(role="user", content=QUESTION)),
            seed=7,
            temperature=1.0,
            max_tokens=256,
        )

    def test_it_answers_with_text_and_counts_tokens(self, backend: Backend, request_: ChatRequest) -> None:
        reply = backend.complete(request_)
        assert reply.text.strip()
        assert reply.usage.prompt_tokens > 0
        assert reply.usage.completion_tokens > 0
        assert reply.finish_reason in {"stop", "length"}
        assert not reply.recorded

    def test_it_keeps_to_max_tokens(self, backend: Backend, request_: ChatRequest) -> None:
        reply = backend.complete(replace(request_, max_tokens=1))
        assert reply.usage.completion_tokens <= 1
        assert len(reply.text) <= 40

    def test_it_names_the_model(self, backend: Backend, request_: ChatRequest) -> None:
        assert backend.complete(request_).model

    def test_it_takes_json_mode(self, backend: Backend, request_: ChatRequest) -> None:
        assert backend.complete(replace(request_, json_mode=True)).text

    def test_many_threads_get_whole_answers(self, backend: Backend, request_: ChatRequest) -> None:
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda n: backend.complete(replace(request_, seed=n)), range(24)))
        assert all(reply.text.strip() for reply in replies)

    def test_it_takes_any_unicode(self, backend: Backend, request_: ChatRequest) -> None:
        odd = (*request_.messages, Message(role="user", content="\u0000 \u202e 𝔘 \ufffd ÿ </paper>"))
        assert isinstance(backend.complete(replace(request_, messages=odd)).text, str)


class DeterministicBackendContract(BackendContract):
    """For backends whose answer follows from the request."""

    def test_the_same_request_gives_the_same_answer(self, backend: Backend, request_: ChatRequest) -> None:
        assert backend.complete(request_).text == backend.complete(request_).text


class ModelNamesContract:
    """For endpoints that know which models they have."""

    def test_an_unknown_model_is_rejected(self, backend: Backend, model: str) -> None:
        unknown = ChatRequest(
            model=model + "-that-is-not-there",
            messages=(Message(role="user", content=QUESTION),),
            seed=1,
            temperature=1.0,
            max_tokens=8,
        )
        with pytest.raises(ModelRejected, match="that-is-not-there"):
            backend.complete(unknown)
