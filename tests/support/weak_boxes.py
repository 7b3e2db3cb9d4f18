"""Docker sandboxes that lack exactly one limit, for showing that a probe can tell."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import docker

from studbook.sandbox.contract import Handler, Job, Outcome
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import Engine
from studbook.sandbox.image import choose_image

Config = dict[str, Any]
Weaken = Callable[[Config, Config], object]
"""Changes the body of the `create` request and its HostConfig in place."""


class WeakEngine(Engine):
    """The real engine, asked for weaker boxes, and saying of itself what `says` says."""

    def __init__(self, weaken: Weaken, says: dict[str, Any] | None = None, removes: bool = True) -> None:
        super().__init__(docker.from_env(version="auto", timeout=60).api)
        self._weaken, self._says, self._removes = weaken, says or {}, removes
        self.created: list[str] = []

    def info(self) -> dict[str, Any]:
        return {**super().info(), **self._says}

    def create(self, config: Config) -> tuple[str, list[str]]:
        weaker = copy.deepcopy(config)
        self._weaken(weaker, weaker["HostConfig"])
        return super().create(weaker)

    def make(self, config: Config) -> tuple[str, list[str]]:
        made = super().make(config)
        self.created.append(made[0])
        return made

    def remove(self, container: str) -> None:
        if self._removes:
            super().remove(container)

    def clean_up(self) -> None:
        for container in self.created:
            super().remove(container)


class WeakSandbox(DockerSandbox):
    """Holds every box to the limits it was given, multiplied."""

    def __init__(self, engine: Engine, more: dict[str, float]) -> None:
        super().__init__(engine, choose_image(engine, None))
        self._more = more

    def run(self, job: Job, handler: Handler) -> Outcome:
        given = {name: getattr(job.limits, name) for name in self._more}
        looser = {name: type(value)(self._more[name] * value) for name, value in given.items()}
        return super().run(replace(job, limits=replace(job.limits, **looser)), handler)


@contextmanager
def weak_sandbox(
    weaken: Weaken, *, removes: bool = True, says: dict[str, Any] | None = None, **more: float
) -> Iterator[DockerSandbox]:
    """Everything is removed in the end, also where the sandbox does not."""
    engine = WeakEngine(weaken, says, removes)
    sandbox = WeakSandbox(engine, more)
    try:
        yield sandbox
    finally:
        engine.clean_up()
        sandbox.close()
