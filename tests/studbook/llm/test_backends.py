"""Every backend keeps the one contract."""

from collections.abc import Iterator

import pytest
from support.backend_contract import BackendContract, DeterministicBackendContract, ModelNamesContract

from studbook.llm.contracts import Backend, ChatRequest
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.secrets import Secret
from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.scripted import ComputedBackend, FaultyBackend, ScriptedBackend
from studbook.testbed.server.server import BackendServer


def answer(request: ChatRequest) -> str:
    return f"The mechanism of sample {request.seed} is a sparse gate. " * 4


class TestScriptedBackend(BackendContract):
    @pytest.fixture
    def model(self) -> str:
        return "script"

    @pytest.fixture
    def backend(self) -> Backend:
        return ScriptedBackend(["yes"] * 32)


class TestComputedBackend(DeterministicBackendContract):
    @pytest.fixture
    def model(self) -> str:
        return "computed"

    @pytest.fixture
    def backend(self) -> Backend:
        return ComputedBackend(answer)


class TestFaultyBackendBetweenItsFaults(BackendContract):
    @pytest.fixture
    def model(self) -> str:
        return "computed"

    @pytest.fixture
    def backend(self) -> Backend:
        return FaultyBackend(ComputedBackend(answer), every=1000)


class TestOpenAIBackendOverHttp(DeterministicBackendContract, ModelNamesContract):
    @pytest.fixture
    def model(self) -> str:
        return "served"

    @pytest.fixture
    def backend(self, model: str) -> Iterator[Backend]:
        with BackendServer(ComputedBackend(answer), models=[model], api_key=Secret("a-long-key")) as server:
            backend = OpenAIBackend(name="local", base_url=server.base_url, api_key=Secret("a-long-key"))
            yield backend
            backend.close()


class TestTestbed(DeterministicBackendContract, ModelNamesContract):
    @pytest.fixture(params=MODELS)
    def model(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def backend(self) -> Backend:
        return TestbedBackend()


class TestTestbedOverHttp(TestTestbed):
    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        with BackendServer(TestbedBackend(), models=MODELS) as server:
            backend = OpenAIBackend(name="testbed", base_url=server.base_url, api_key=Secret())
            yield backend
            backend.close()

    def test_the_wire_changes_no_answer(self, backend: Backend, request_: ChatRequest) -> None:
        assert backend.complete(request_) == TestbedBackend().complete(request_)
