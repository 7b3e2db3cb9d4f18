"""Which sandbox a run gets, by name."""

from typing import Literal, Protocol

from studbook.errors import SandboxError, UsageError
from studbook.sandbox.contract import Sandbox
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import Engine
from studbook.sandbox.process_box import ProcessSandbox

SandboxKind = Literal["auto", "docker", "process"]
NO_DOCKER = """{error}
Start Docker (is the engine running, may this user use it?),
or go on without containing hostile code: -s sandbox=process"""


class StatedSandbox(Sandbox, Protocol):
    """A sandbox that says in one plain line what it is and what it promises."""

    statement: str


def open_sandbox(kind: SandboxKind, image: str | None = None) -> StatedSandbox:
    """`auto` is Docker when an engine answers. Raises UsageError for Docker without an engine.

    An engine that answers but has no image for a box is an error even for `auto`: quietly doing without
    containment would be worse.
    """
    if kind == "process":
        return ProcessSandbox.open()
    try:
        engine = Engine.connect()
    except SandboxError as error:
        if kind == "docker":
            raise UsageError(NO_DOCKER.format(error=error)) from error
        return ProcessSandbox.open()
    return DockerSandbox.on(engine, image)
