"""The testbed as an OpenAI-compatible HTTP server, which can fail on purpose."""

from collections.abc import Mapping

from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.server.faults import ALL, SLOW, FaultyServer, RandomFaults, Saboteur


class TestbedServer:
    """`faults` is the share of requests that fail; `slow_faults` makes some of them slow."""

    __test__ = False  # not a test class, although its name starts with "Test"

    def __init__(self, host: str, port: int, faults: float, seed: int, slow_faults: bool) -> None:
        kinds = ALL if slow_faults else set(ALL) - SLOW
        self._saboteur = Saboteur(picker=RandomFaults(share=faults, seed=seed, kinds=kinds))
        self._server = FaultyServer(
            TestbedBackend(), models=MODELS, saboteur=self._saboteur, host=host, port=port
        )
        self.models = MODELS
        self.base_url = self._server.base_url

    @property
    def counts(self) -> Mapping[str, int]:
        """How many answers were intact, and how the others failed."""
        return self._saboteur.counts

    def serve_forever(self) -> None:
        self._server.serve_forever()

    def close(self) -> None:
        self._server.close()


plugin = TestbedServer
