"""The testbed's text programs, in the process: no key, no network."""

from studbook.llm.contracts import Backend
from studbook.testbed.models.backend import TestbedBackend, program_hash


class TestbedKind:
    __test__ = False  # not a test class, whatever its name begins with
    needs_key = False
    label = "the testbed: text programs, not language models; its numbers say nothing about LLMs"

    def open(self, **settings: object) -> Backend:  # an endpoint of this process has none
        return TestbedBackend()

    def model_of(self, model: str, role: str) -> str:
        return f"{model}-{role.replace('_', '-')}"

    def version_of(self, model: str) -> str | None:
        """Its source: no score of older text programs is ever taken for one of these."""
        return program_hash(model)


plugin = TestbedKind
