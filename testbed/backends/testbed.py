"""The testbed's text programs, kind and unkind, run in this process: needs no key and no network."""

from studbook.llm.contracts import Backend
from studbook.testbed.models.backend import TestbedBackend
from studbook.testbed.models.unkind import UnkindBackend, version_of


class TestbedKind:
    __test__ = False  # not a test class, although its name starts with "Test"
    needs_key = False

    def open(self, **settings: object) -> Backend:  # an in-process endpoint has no settings
        return UnkindBackend(TestbedBackend())

    def model_of(self, model: str, role: str) -> str:
        return f"{model}-{role.replace('_', '-')}"

    def version_of(self, model: str) -> str | None:
        """The hash of its source, so that scores from older text programs are never reused."""
        return version_of(model)


plugin = TestbedKind
