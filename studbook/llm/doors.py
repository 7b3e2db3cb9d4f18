"""The door of endpoints: which program answers the calls of an endpoint of some kind."""

from collections.abc import Mapping
from typing import Protocol

from studbook.llm.contracts import Backend
from studbook.registry import Door


class BackendKind(Protocol):
    """One kind of endpoint.

    `needs_key`: is a key looked for? `label`: what people are told instead of an address; None for the
    address.
    """

    needs_key: bool
    label: str | None

    def open(self, **settings: object) -> Backend:
        """`name`, `base_url`, `api_key`, `timeout_seconds`, `on_notice` and `secrets` of the endpoint."""
        ...

    def model_of(self, model: str, role: str) -> str:
        """What the model of a role is called there."""
        ...

    def version_of(self, model: str) -> str | None:
        """What identifies the program behind a model, where that can be known."""
        ...


BACKEND = Door[BackendKind](
    "backend", ["open", "model_of", "version_of"], ["studbook.llm.backends", "studbook.testbed.backends"]
)


class ModelServer(Protocol):
    """Stands in for an endpoint, over HTTP, until it is closed."""

    base_url: str
    models: tuple[str, ...]

    @property
    def counts(self) -> Mapping[str, int]: ...

    def serve_forever(self) -> None: ...

    def close(self) -> None: ...


SERVER = Door[ModelServer]("server", ["serve_forever", "close"], ["studbook.testbed.servers"])
