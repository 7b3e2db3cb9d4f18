"""The testbed as an OpenAI-compatible HTTP server, which can fail on purpose, or have a real one's quirk."""

from collections.abc import Mapping

from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.models.one_model import NAME, OneModel
from studbook.testbed.models.unkind import UnkindBackend, unkind_models
from studbook.testbed.server.faults import ALL, SLOW, RandomFaults, Saboteur
from studbook.testbed.server.quirks import QuirkyMeddler, find_quirk
from studbook.testbed.server.server import BackendServer


class TestbedServer:
    """`faults` is the share of requests that fail; `slow_faults` makes some of them slow.

    Besides a model for each role there is one, `testbed`, that plays all of them.
    `quirk` names a row of the table of quirks, which replaces the faults. Raises UsageError for another name.
    """

    __test__ = False  # not a test class, although its name starts with "Test"

    def __init__(
        self, host: str, port: int, faults: float, seed: int, slow_faults: bool, quirk: str | None = None
    ) -> None:
        kinds = ALL if slow_faults else set(ALL) - SLOW
        self._saboteur = Saboteur(picker=RandomFaults(share=faults, seed=seed, kinds=kinds))
        self._quirk = None if quirk is None else QuirkyMeddler(find_quirk(quirk))
        self.models = (*MODELS, NAME)
        self._server = BackendServer(
            OneModel(UnkindBackend(TestbedBackend())),
            models=(*self.models, *unkind_models()),
            meddler=self._quirk or self._saboteur,
            host=host,
            port=port,
        )
        self.base_url = self._server.base_url

    @property
    def counts(self) -> Mapping[str, int]:
        """How many answers were intact, and what happened to the others."""
        return self._saboteur.counts if self._quirk is None else self._quirk.counts

    @property
    def about(self) -> str:
        """One line about the quirk; empty without one."""
        return "" if self._quirk is None else self._quirk.quirk.does

    def serve_forever(self) -> None:
        self._server.serve_forever()

    def close(self) -> None:
        self._saboteur.ended.set()
        self._server.close()


plugin = TestbedServer
